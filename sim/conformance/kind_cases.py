"""Conformance cases of kinds of neurons, drawn from what each kind declares."""

from dataclasses import fields, replace
from itertools import product
from typing import Any

import numpy as np

from base.order import possible_values
from sim.conformance.case import Case, covering_contracts
from sim.conformance.covering import covering, known_in
from sim.conformance.networks import (
    DT,
    METADATA,
    draw,
    drawn_layer,
    drawn_network,
    inputs,
    spikes,
)
from sim.contract import PAPER, SNNTORCH, NumericContract, numbers
from sim.kinds import kinds
from sim.kinds.cuba_li import CubaLI
from sim.kinds.first_spike import FirstSpike
from sim.layer import Layer
from sim.network import IntegerNetwork

_KINDS_VERSION = 4  # the latest choices that these cases combine; those of later fields follow
_INPUTS = ("input_bits", "input_signed", "inputs_once")  # of the network, set case by case
_FIRST_KINDS = ("adaptive_cuba_lif", "cuba_lif", "double_exp_lif")  # cases of later ones follow


def kind_cases() -> list[Case]:
    """Two layers of each kind but the first, under contracts in which any two choices meet."""
    found = []
    for kind in _hidden(first=True):
        if kind.UNNAMED:
            continue
        for i, contract in enumerate(_contracts_of(kind)):
            name = f"{kind.kind().replace('_', '-')}-{i}"
            narrow = replace(contract, frac_bits=2, syn_bits=12, mem_bits=12)
            sizes = ((6, 8), (5, 6))
            layers = [drawn_layer(kind, f"{name} {k}", n, narrow) for k, n in enumerate(sizes)]
            others = drawn_network(name, replace(PAPER, frac_bits=2, syn_bits=12, mem_bits=12))
            network = replace(others, layers=(*layers, others.readout), contract=narrow)
            what = f"two layers of {kind.__name__}, two heads, narrow states"
            found.append(Case(name, what, network, spikes(name, 48, 8)))
    return found


def input_cases() -> list[Case]:
    """Inputs of several bits, unsigned and signed, into layers of each kind."""
    found = []
    hidden = _hidden(first=True)
    ranges = [(2, False), (8, False), (2, True), (8, True)]
    for i, (kind, (bits, signed)) in enumerate(product(hidden, ranges)):
        own = _contracts_of(kind)
        chosen = replace(own[i % len(own)], input_bits=bits, input_signed=signed)
        wide = replace(chosen, frac_bits=1, syn_bits=22, mem_bits=24)
        name = f"inputs-{kind.kind().replace('_', '-')}-{'s' if signed else 'u'}{bits}"
        drawn = drawn_network(name, replace(PAPER, frac_bits=1, syn_bits=22, mem_bits=24), (6,))
        network = replace(
            drawn, layers=(drawn_layer(kind, name, (6, 8), wide), drawn.readout), contract=wide
        )
        low, high = wide.input_values
        what = f"inputs of {low}..{high} into a layer of {kind.__name__}"
        found.append(Case(name, what, network, inputs(name, 48, 8, wide)))
    return found


def lone_cases() -> list[Case]:
    """A layer of each kind that decides by itself: of numbers drawn, and as it is meant."""
    found = []
    for kind in kinds().values():
        for i, contract in enumerate(covering_contracts() if kind.ALONE else []):
            name = f"{kind.kind().replace('_', '-')}-{i}"
            narrow = replace(contract, frac_bits=i % 3, mem_bits=14, inputs_once=i % 2 == 0)
            layer = drawn_layer(kind, name, (6, 8), narrow)
            network = IntegerNetwork((layer,), narrow, DT, METADATA)
            once = ", of which only the first event of each counts" if narrow.inputs_once else ""
            what = f"a layer of {kind.__name__} alone, on inputs{once}"
            found.append(Case(name, what, network, inputs(name, 48, 8, narrow)))
    whole = replace(PAPER, frac_bits=0, delay_steps=0, inputs_once=True)
    weights = draw("first spike", (6, 8), -20, 60)
    weights[4] = weights[1]  # in a tie, the first of them decides
    layer = FirstSpike(
        w_in=weights,
        decay_mem=np.full(6, 1 << whole.decay_frac),
        threshold=np.array([90, 70, 110, 80, 70, 999]),
        lead_step=np.full(6, 1 << 9),
        lead_start=np.full(6, 16 << 9),
        label=np.arange(6) // 2,
    )
    network = IntegerNetwork((layer,), whole, DT, METADATA)
    raster = np.zeros((16, 8), np.uint8)
    raster[[0, 2, 2, 5, 5, 9, 15, 7], np.arange(8)] = 1
    raster[12] = 1
    what = "neurons that fire in one step, a tie, silent ones, and events after the first"
    return [*found, Case("first-spike-ties", what, network, raster)]


def later_kind_cases() -> list[Case]:
    """Two layers and a readout of kinds that came later, on inputs of several bits."""
    readouts = [kind for kind in kinds().values() if issubclass(kind, CubaLI)]
    found = []
    for kind in _hidden(first=False):
        for i, contract in enumerate(_contracts_of(kind)):
            name = f"{kind.kind().replace('_', '-')}-{i}"
            able = [each for each in readouts if not each.not_computed(contract)]
            readout = able[i % len(able)]
            narrow = replace(contract, frac_bits=i % 3, syn_bits=13, mem_bits=12 + i % 2)
            narrow = replace(narrow, input_bits=1 + i % 4, input_signed=i % 5 == 4)
            sizes = ((6, 8), (5, 6))
            layers = [drawn_layer(kind, f"{name} {k}", n, narrow) for k, n in enumerate(sizes)]
            layers.append(drawn_layer(readout, f"{name} out", (4, 5), narrow))
            network = IntegerNetwork(tuple(layers), narrow, DT, METADATA)
            what = f"two layers of {kind.__name__}, a readout {readout.__name__}, narrow states"
            found.append(Case(name, what, network, inputs(name, 40, 8, narrow)))
    return found


def _hidden(*, first: bool) -> list[type[Layer]]:
    """The kinds of hidden layers, those of the first versions or those that came later."""
    return [
        kind
        for name, kind in kinds().items()
        if not kind.is_readout() and (name in _FIRST_KINDS) == first
    ]


def _contracts_of(kind: type[Layer]) -> list[NumericContract]:
    """Contracts that a kind computes, in which any two of its choices meet."""
    if not kind.CHOICES:
        return [*covering_contracts(), replace(SNNTORCH, rounding="floor")]
    is_first = kind.kind() in _FIRST_KINDS
    known = known_in(_KINDS_VERSION) if is_first else possible_values(NumericContract)
    items = {item.name: item for item in fields(NumericContract)}
    computed = {
        name: tuple(value for value in values if kind.computes(items[name], value))
        for name, values in known.items()
        if name not in _INPUTS
    }
    found = covering(computed)
    for name, values in numbers().items():
        if name in kind.CHOICES and name not in _INPUTS:
            found = [with_number(c, name, values[i % len(values)]) for i, c in enumerate(found, 1)]
    return found


def with_number(contract: NumericContract, name: str, value: int) -> NumericContract:
    """The contract with another value of a numeric field."""
    changed: Any = {name: value}
    return replace(contract, **changed)
