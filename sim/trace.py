"""Traces: every state word of every step, and where two of them first differ."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import MismatchError
from sim.network import IntegerNetwork


@dataclass(frozen=True)
class Trace:
    """State after each step. `variables` maps `hidden0.spk` and so on to (n_steps, n_neurons).

    `spk` is uint8, every other variable int32; the order is the order of computation.
    """

    variables: Mapping[str, NDArray[Any]]

    @property
    def n_steps(self) -> int:
        return len(next(iter(self.variables.values())))

    @property
    def n_words(self) -> int:
        """State words in the trace."""
        return sum(array.size for array in self.variables.values())


class Outcome(Trace):
    """Some words after the last step alone, (1, n_neurons) each: of an engine without steps."""


@dataclass(frozen=True)
class Difference:
    """The first word in which a trace differs from the expected one."""

    step: int
    layer: str
    variable: str
    neuron: int
    expected: int
    found: int

    def __str__(self) -> str:
        return (
            f"step {self.step}, {self.layer}, neuron {self.neuron}, {self.variable}:"
            f" expected {self.expected}, found {self.found}"
        )


def variable_names(network: IntegerNetwork) -> tuple[str, ...]:
    """Names of a network's state variables, in the order of computation."""
    return tuple(
        f"{name}.{state}" for name, layer in network.named_layers() for state in layer.STATES
    )


def empty_trace(network: IntegerNetwork, n_steps: int) -> Trace:
    """An all-zero trace of the right shapes, to be filled in."""
    return Trace(
        {
            f"{name}.{state}": np.zeros((n_steps, layer.n_neurons), word_dtype(word))
            for name, layer in network.named_layers()
            for state, word in layer.STATES.items()
        }
    )


def word_dtype(word: str) -> np.dtype:
    """Dtype of a state in a trace: uint8 for spikes (""), int32 for words."""
    return np.dtype(np.int32 if word else np.uint8)


def count_differences(expected: Trace, found: Trace) -> int:
    """Number of words that differ, of an outcome among its own.

    Raises:
        MismatchError: the traces do not describe the same variables over the same steps.
    """
    expected = _counterpart(expected, found)
    _check_alike(expected, found)
    return sum(
        int(np.count_nonzero(array != found.variables[name]))
        for name, array in expected.variables.items()
    )


def first_difference(expected: Trace, found: Trace) -> Difference | None:
    """The earliest word that differs, in the order of computation; None if none does.

    What is found may be an outcome, as in `count_differences`, whose step is the last.

    Raises:
        MismatchError: the traces do not describe the same variables over the same steps.
    """
    last = expected.n_steps - found.n_steps if isinstance(found, Outcome) else 0
    expected = _counterpart(expected, found)
    _check_alike(expected, found)
    first = None
    for name, array in expected.variables.items():
        other = found.variables[name]
        steps = np.flatnonzero((array != other).any(1))
        if steps.size and (first is None or steps[0] < first.step):
            step = int(steps[0])
            neuron = int(np.flatnonzero(array[step] != other[step])[0])
            layer, variable = name.split(".")
            words = int(array[step, neuron]), int(other[step, neuron])
            first = Difference(step, layer, variable, neuron, *words)
    return None if first is None else replace(first, step=first.step + last)


def _counterpart(whole: Trace, found: Trace) -> Trace:
    """What a trace is compared with, of the whole one: an outcome with its own words."""
    if not isinstance(found, Outcome):
        return whole
    return Trace({name: whole.variables[name][-1:] for name in found.variables})


def _check_alike(expected: Trace, found: Trace) -> None:
    shapes = {name: array.shape for name, array in expected.variables.items()}
    others = {name: array.shape for name, array in found.variables.items()}
    if shapes != others:
        raise MismatchError(f"traces of {shapes} and of {others} cannot be compared")
