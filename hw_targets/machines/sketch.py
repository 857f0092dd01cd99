"""A network of given sizes, before any is trained: to check what a target takes of its size.

Every neuron is connected to all below it and to all of its layer, and has constants of its own.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError
from hw_targets.machines.target import Target
from sim.contract import PAPER, NumericContract
from sim.kinds import find_kind
from sim.layer import Layer
from sim.network import IntegerNetwork

MOST_UNITS = 1 << 16
MOST_WEIGHTS = 1 << 24
_DT = 0.004
_THRESHOLDS, _APART = 8192, 64


def sizes_of(architecture: str) -> list[int]:
    """Inputs, units of each hidden layer and outputs of a text such as `96-64-2`.

    Raises:
        RangeError: it is none, or of more than 65,536 units in a layer or 16,777,216 weights.
    """
    if not re.fullmatch(r"\d{1,9}(-\d{1,9}){2,65}", architecture, re.ASCII):
        raise RangeError(
            f"`architecture` is {architecture[:40]}; write the sizes of input, hidden layers and"
            " output as 96-64-2"
        )
    sizes = [int(size) for size in architecture.split("-")]
    n_weights = sum(post * pre for pre, post in pairwise(sizes))
    n_weights += sum(n * n for n in sizes[1:-1])
    if min(sizes) < 1 or max(sizes) > MOST_UNITS or n_weights > MOST_WEIGHTS:
        raise RangeError(
            f"`architecture` is {architecture[:40]}; 1 to {MOST_UNITS} units of a layer and up to"
            f" {MOST_WEIGHTS} weights in all are possible"
        )
    return sizes


def sketch(architecture: str, target: Target | None = None) -> IntegerNetwork:
    """A network of these sizes, under a contract that a target computes.

    Raises:
        RangeError: as `sizes_of`.
    """
    n_inputs, *hidden, n_outputs = sizes_of(architecture)
    contract = PAPER if target is None else replace(PAPER, **dict(_asked(target)))
    kinds = ("cuba_lif", "cuba_li") if target is None or target.kinds is None else target.kinds
    every = [find_kind(name) for name in kinds]
    inner = next(kind for kind in every if not kind.is_readout())
    last = next(kind for kind in every if kind.is_readout())
    layers: list[Layer] = []
    pre = n_inputs
    for n in hidden:
        layers.append(_layer(inner, n, pre, contract))
        pre = n
    layers.append(_layer(last, n_outputs, pre, contract))
    return IntegerNetwork(tuple(layers), contract, _DT)


def _layer(kind: type[Layer], n: int, pre: int, contract: NumericContract) -> Layer:
    """A layer of a kind without biases, its thresholds and decays as different as can be."""
    syn, mem = _decays(contract, n)
    n_thresholds = min(_THRESHOLDS, contract.range_of("mem")[1] // _APART)
    own = {"decay_mem": mem, "threshold": _APART * (1 + np.arange(n) % n_thresholds)}
    values: dict[str, Any] = {}
    for name, declared in kind.declared().items():
        match declared.content:
            case "weight":
                values[name] = _weights(n, pre if "pre" in declared.axes else n)
            case "decay":
                values[name] = own.get(name, syn)
            case "scale":
                values[name] = np.ones(n)
            case _ if declared.optional and name not in own:
                values[name] = None
            case _:
                values[name] = own.get(name, np.zeros(n, np.int64))
    return kind(**values)


def _asked(target: Target) -> Iterator[tuple[str, Any]]:
    """Of each field, the value nearest to the default that a target computes."""
    for item in fields(NumericContract):
        known = target.contract.get(item.name)
        if known is not None and item.default not in known:
            assert isinstance(known, Iterable)
            yield item.name, next(iter(known))


def _weights(post: int, pre: int) -> NDArray[np.int8]:
    """Small even weights of both signs, none 0."""
    return np.where((np.arange(post)[:, None] + np.arange(pre)) % 2, 2, -2).astype(np.int8)


def _decays(contract: NumericContract, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Decays of currents and of membranes, a pair of its own for each neuron where there are."""
    half = contract.largest_decay + 1 >> 1
    numbers = np.arange(n)
    return numbers // half % half, 1 + numbers % half
