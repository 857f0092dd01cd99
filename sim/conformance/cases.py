"""Conformance cases: small networks in which implementations of the numeric contract go wrong.

Each case is a network and an input; its right answer is what `sim/reference.py` computes. Nothing
here depends on a generator of random numbers of some library, so a version has the same cases
everywhere.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from typing import Literal

import numpy as np

from sim.conformance.case import ALTERNATIVES, Case, covering_contracts
from sim.conformance.covering import covering, known_in, later_versions, numbers_since
from sim.conformance.kind_cases import (
    input_cases,
    kind_cases,
    later_kind_cases,
    lone_cases,
    with_number,
)
from sim.conformance.networks import (
    draw,
    drawn_network,
    hand_made,
    inputs,
    spikes,
)
from sim.contract import LOIHI, PAPER, SNNTORCH, signed_range
from sim.network import IntegerNetwork

# The version increases when a case or a file changes or is added; new cases come last, before
# `again`, so that each version has the cases of those before it. A choice of the contract that is
# introduced adds its cases, and so increases it, by itself.
_FIELDS_VERSION = 3
VERSION = 5 + len(later_versions(_FIELDS_VERSION))
_Membrane = Literal["previous_membrane", "new_membrane", "reset_membrane"]
_MEMBRANES: tuple[_Membrane, ...] = ("previous_membrane", "new_membrane", "reset_membrane")
_AT_THRESHOLD: dict[Literal[">", ">="], str] = {">": "silent", ">=": "fires"}
_TURNS = (1, 4, 0, 2, 0, 3, 3, 3, 5, 3, 1, 0)  # so that any two choices of a contract meet
_BEYOND: dict[Literal["saturate", "wrap"], str] = {
    "saturate": "saturate at",
    "wrap": "wrap around",
}


def cases() -> list[Case]:
    """Every case, in the order in which they are meant to run."""
    found = [*_contracts(), *_ties(), *_decays(), *_overflows(), *_extremes(), *_shapes()]
    found += [*_orders(), *_ties(("reset_membrane",)), *_twice_over(), *_biases()]
    later = _later_fields()
    found += [*kind_cases(), *later.pop(5), *later.pop(6), *input_cases(), *lone_cases()]
    found += [*later.pop(7), _shifted_readout(), *chain(*later.values()), *later_kind_cases()]
    first = found[0]
    what = f"`{first.name}` once more: nothing may be left over from other runs"
    return [*found, replace(first, name="again", what=what)]


def _contracts() -> list[Case]:
    found = []
    for i, contract in enumerate(covering_contracts()):
        narrow = replace(contract, frac_bits=2, syn_bits=12, mem_bits=12)
        changed = [name for name in ALTERNATIVES if getattr(contract, name) != _paper(name)]
        what = "two layers, two heads, narrow states; " + (
            f"departs from `paper` in {', '.join(changed)}" if changed else "contract `paper`"
        )
        name = f"contract-{i}"
        found.append(Case(name, what, drawn_network(name, narrow), spikes(name, 48, 8)))
    widest = replace(PAPER, decay_frac=16, frac_bits=16, weight_bits=16)
    narrowest = replace(
        PAPER, decay_frac=1, frac_bits=0, weight_bits=2, syn_bits=2, mem_bits=2, fires_when=">="
    )
    for name, contract in (("widest", widest), ("narrowest", narrowest)):
        for rounding in ("toward_zero", "floor"):
            network = drawn_network(name, replace(contract, rounding=rounding))
            what = f"the {name} words that a contract can have, rounding {rounding}"
            found.append(Case(f"{name}-{rounding}", what, network, spikes(name, 48, 8)))
    return found


def _ties(membranes: Sequence[_Membrane] = ("previous_membrane", "new_membrane")) -> list[Case]:
    """Membranes that count spikes one by one and so meet their thresholds exactly."""
    found = []
    for fires_on in membranes:
        for fires_when, name in _AT_THRESHOLD.items():
            contract = replace(PAPER, frac_bits=0, fires_on=fires_on, fires_when=fires_when)
            network = hand_made(
                contract, [[1], [2], [-1], [0]], threshold=[3, 4, -2, 0], syn=0.0, mem=1.0
            )
            what = f"membranes exactly at threshold; fires when {fires_on} {fires_when} threshold"
            found.append(Case(f"tie-{name}-{fires_on}", what, network, np.ones((16, 1), np.uint8)))
    return found


def _decays() -> list[Case]:
    impulse = np.zeros((40, 1), np.uint8)
    impulse[:2] = 1
    found = []
    for rounding in ("toward_zero", "floor"):
        contract = replace(PAPER, frac_bits=3, rounding=rounding)
        network = hand_made(contract, [[-100], [-37], [-1], [5]], syn=0.71, mem=0.83)
        what = f"negative states decay after a short input, rounding {rounding}"
        found.append(Case(f"negative-{rounding}", what, network, impulse))
        contract = replace(contract, frac_bits=16)
        network = hand_made(
            contract, [[-128], [-128], [127]], e_in=15, syn=[0.9998, 1.0, 0.5], mem=[0.5, 1.0, 1.0]
        )
        what = f"states at -2^31 and 2^31 - 1 decay, rounding {rounding}"
        found.append(Case(f"int-min-{rounding}", what, network, impulse))
    network = hand_made(PAPER, [[9]] * 4, syn=[0.0, 0.0, 1.0, 1.0], mem=[0.0, 1.0, 0.0, 1.0])
    found.append(Case("decay-ends", "decays of 0 and of unity", network, impulse))
    return found


def _overflows() -> list[Case]:
    found = []
    for overflow, text in _BEYOND.items():
        contract = replace(
            PAPER, syn_bits=11, mem_bits=10, overflow_syn=overflow, overflow_mem=overflow
        )
        for reset in ("zero", "subtract"):
            chosen = replace(contract, reset=reset, reset_drops_input=reset == "zero", frac_bits=3)
            network = hand_made(
                chosen,
                [[127], [-128], [90]],
                w_out=[[0, 0, 127], [0, 0, -128]],
                threshold=[511, 511, -512],
                syn=0.9,
                mem=0.95,
            )
            what = f"syn, mem and out {text} both ends of their words; reset {reset}"
            raster = np.repeat(np.array([[1], [0], [1]], np.uint8), 12, axis=0)
            found.append(Case(f"{overflow}-{reset}", what, network, raster))
    return found


def _extremes() -> list[Case]:
    def lowest(bits: int) -> IntegerNetwork:
        weights = np.full((3, 4), signed_range(bits)[0])
        rec = weights[:, :3]
        contract = replace(PAPER, weight_bits=bits)
        return hand_made(contract, weights, w_rec=rec, w_out=rec[:2], threshold=-1)

    always = hand_made(PAPER, [[3, -2], [0, 0]], w_rec=[[5, -7], [1, 2]], threshold=-1)
    on = np.ones((20, 2), np.uint8)
    drawn = drawn_network("silent", PAPER)
    layers = [replace(layer, threshold=np.abs(layer.threshold)) for layer in drawn.hidden]
    silent = replace(drawn, layers=(*layers, drawn.readout))
    return [
        Case("silent", "no spike at all; `out` decays", silent, np.zeros((20, 8), np.uint8)),
        Case("always-on", "every input spikes in every step", drawn, np.ones((20, 8), np.uint8)),
        Case("always-firing", "neurons fire in every step, in silence too", always, on * 0),
        Case("always-firing-on", "the same, and every input spikes", always, on),
        *(
            Case(f"lowest-weight-{n}", f"every weight is -2^{n - 1}", lowest(n), spikes("w", 24, 4))
            for n in (2, 8, 16)
        ),
    ]


def _shapes() -> list[Case]:
    drawn = drawn_network("pruned", PAPER, hidden=(6,))
    (layer, readout), raster = drawn.layers, spikes("pruned", 32, 8)
    keep = np.array([1, 0, 1, 1, 0, 1])
    pruned = layer.replaced(
        {"w_in": layer.w_in * keep[:, None], "w_rec": layer.w_rec * keep[:, None]}
    )
    w_out = readout.w_out * np.array([1, 0, 1, 1])[:, None]
    without, zeros = (layer.replaced({"w_rec": w}) for w in (None, layer.w_rec * 0))
    tiny = hand_made(PAPER, [[7]], w_rec=[[-3]], threshold=20)
    one = np.ones((1, 1), np.uint8)
    return [
        Case(
            "pruned-rows",
            "neurons and a readout row without any weight",
            replace(drawn, layers=(pruned, readout.replaced({"w_out": w_out}))),
            raster,
        ),
        Case(
            "no-recurrence",
            "a hidden layer without `w_rec`",
            replace(drawn, layers=(without, readout)),
            raster,
        ),
        Case(
            "zero-recurrence",
            "`w_rec` is there, and all zero: as if it were not",
            replace(drawn, layers=(zeros, readout)),
            raster,
        ),
        Case("one-step", "one input, one neuron, one output, one step", tiny, one),
        Case("one-neuron", "one input, one neuron, one output", tiny, np.tile(one, (30, 1))),
    ]


def _orders() -> list[Case]:
    """On which membrane a spike is decided, when it resets, and when it arrives: every order.

    The other choices are those of the covering contracts in turn.
    """
    others = covering_contracts()
    found = []
    delays: tuple[Literal[1], Literal[0]] = (1, 0)
    orders = [(on, late, delay) for on in _MEMBRANES for late in (False, True) for delay in delays]
    for i, (fires_on, reset_delay, delay_steps) in enumerate(orders):
        if (reset_delay, delay_steps) == (False, 1) and fires_on != "reset_membrane":
            continue  # as in the cases `contract-*`
        contract = replace(
            others[_TURNS[i]],
            fires_on=fires_on,
            reset_delay=reset_delay,
            delay_steps=delay_steps,
            frac_bits=2,
            syn_bits=12,
            mem_bits=12,
        )
        late = " in the step after" if reset_delay else ""
        what = f"fires on the {fires_on.replace('_', ' ')}, resets{late}, delay {delay_steps}"
        name = f"order-{i}"
        found.append(Case(name, what, drawn_network(name, contract), spikes(name, 48, 8)))
    return found


def _twice_over() -> list[Case]:
    """Membranes so far above threshold that one reset leaves them above it."""
    found = []
    for reset_delay, name in ((False, "at-once"), (True, "late")):
        contract = replace(SNNTORCH, frac_bits=0, reset_delay=reset_delay)
        network = hand_made(
            contract, [[7], [40], [-9], [5]], threshold=[2, 3, -30, 5], syn=0.0, mem=[1, 0.9, 1, 1]
        )
        raster = np.zeros((24, 1), np.uint8)
        raster[[0, 1, 9, 10, 11, 15]] = 1
        what = f"membranes above twice their threshold, reset by subtraction {name}"
        found.append(Case(f"twice-over-{name}", what, network, raster))
    return found


def _biases() -> list[Case]:
    """Layers that add something to each current in each step."""
    found = []
    for overflow, text in _BEYOND.items():
        contract = replace(
            PAPER, frac_bits=2, syn_bits=12, mem_bits=12, overflow_syn=overflow, current="new"
        )
        drawn = drawn_network("bias", contract)
        layers = tuple(
            layer.replaced({"bias": draw(f"bias {i}", (layer.n_neurons,), -500, 500)})
            for i, layer in enumerate(drawn.layers)
        )
        network = replace(drawn, layers=layers)
        what = f"biases of both signs in all layers; currents {text} the ends of their words"
        found.append(Case(f"bias-{overflow}", what, network, spikes("bias", 48, 8)))
    alone = hand_made(replace(PAPER, frac_bits=0), [[1], [1], [1]], threshold=[9, 9, 9])
    biased = alone.layers[0].replaced({"bias": np.array([5, -5, 0])})
    network = replace(alone, layers=(biased, alone.readout))
    what = "no input: a bias from the first step on, and in one layer only"
    return [*found, Case("bias-alone", what, network, np.zeros((24, 1), np.uint8))]


def _later_fields() -> dict[int, list[Case]]:
    """Contracts in which each field introduced since meets every choice of those before it.

    They are in a list per version that introduced some.
    """
    found: dict[int, list[Case]] = {}
    met = [case.network.contract for case in (*_contracts(), *_orders())]
    for version in later_versions(_FIELDS_VERSION):
        added = covering(known_in(version), met)
        met += added
        for i, contract in enumerate(added):
            name = f"contract-since-{version}-{i}"
            narrow = replace(contract, frac_bits=2, syn_bits=12, mem_bits=12)
            for number, values in numbers_since(version).items():
                narrow = with_number(narrow, number, values[-1 - i % len(values)])
            layers = [
                layer.replaced({"bias": draw(f"{name} {k}", (layer.n_neurons,), -500, 500)})
                for k, layer in enumerate(drawn_network(name, narrow).layers)
            ]
            network = replace(drawn_network(name, narrow), layers=tuple(layers))
            what = f"choices that version {version} of the numeric contract brought"
            case = Case(name, what, network, inputs(name, 48, 8, narrow))
            found.setdefault(version, []).append(case)
    return found


def _shifted_readout() -> Case:
    """A readout whose sums are shifted, as those of hidden layers are."""
    contract = replace(LOIHI, frac_bits=2, syn_bits=14, mem_bits=13)
    drawn = drawn_network("readout-shifts", contract)
    shifts = draw("readout-shifts e_out", (drawn.readout.n_neurons,), 0, 3)
    readout = drawn.readout.replaced({"e_out": shifts})
    network = replace(drawn, layers=(*drawn.hidden, readout))
    what = "rows of the readout with a left shift each; contract `loihi` with narrow states"
    return Case("readout-shifts", what, network, spikes("readout-shifts", 48, 8))


def _paper(name: str) -> object:
    return getattr(PAPER, name)
