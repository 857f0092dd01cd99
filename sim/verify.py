"""Bit-for-bit comparison of backends with the reference, with zero tolerance."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError, UnsupportedError
from sim import reference
from sim.intermediates import arriving, intermediates, words_before
from sim.network import IntegerNetwork
from sim.trace import (
    Difference,
    Outcome,
    Trace,
    count_differences,
    first_difference,
)

OUTCOMES = "first spikes and potentials"
Backend = Callable[[IntegerNetwork, NDArray[np.uint8]], Trace]


@dataclass(frozen=True)
class Finding:
    """The first word in which a backend is wrong, and the operands of that update.

    `raster_index` tells which raster; `operands` are the values of the reference by name, of a word
    before the first step none.
    """

    raster_index: int
    difference: Difference
    operands: Mapping[str, int]

    def __str__(self) -> str:
        given = ", ".join(f"{name} {value}" for name, value in self.operands.items())
        return f"{self.difference}; computed from {given}" if given else str(self.difference)


@dataclass(frozen=True)
class BackendResult:
    """State words compared, the number that differ, and the first that does.

    `what` is what was compared: every state word, those of some variables, or `outcomes`, words
    after the last step alone. `code` is `hand-written` where a backend's code was written for every
    layer's kind, and `generated` where it comes from the step, as the reference does; `recorded` is
    what something else computed. `reproducer` tells where a minimal case with a difference is kept
    and how to replay it, or why there is none, in words.
    """

    words: int
    differences: int
    first: Finding | None
    code: str = "generated"
    what: str = "state words"
    reproducer: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verification:
    """The result of `verify`; `not_run` has the reason of each backend that could not run here."""

    digest: str
    steps: int
    backends: Mapping[str, BackendResult]
    not_run: Mapping[str, str]

    @property
    def words(self) -> int:
        return sum(result.words for result in self.backends.values())

    @property
    def differences(self) -> int:
        return sum(result.differences for result in self.backends.values())

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON values; a backend that differs also tells where first."""
        backends: dict[str, dict[str, Any]] = {}
        for name, result in self.backends.items():
            backends[name] = {
                "words": result.words,
                "differences": result.differences,
                "compared": result.what,
                "code": result.code,
            }
            if result.first is not None:
                backends[name]["first"] = asdict(result.first)
            if result.reproducer:
                backends[name]["reproducer"] = dict(result.reproducer)
        return {
            "digest": self.digest,
            "steps": self.steps,
            "backends": backends,
            "not_run": dict(self.not_run),
        }

    def lines(self) -> Iterator[str]:
        """The report for people, the verdict last."""
        for name, result in self.backends.items():
            counts = f"{result.words} {result.what}, {result.differences} differences"
            yield f"{name} ({result.code}): {counts}"
            if result.first is not None:
                yield f"{name}: first difference: {result.first}"
            for what, text in result.reproducer.items():
                yield f"{name}: reproducer: {what}: {text}"
        for name, reason in self.not_run.items():
            yield f"{name}: not run: {reason}"
        verdict = "DIFFERS" if self.differences else "verified"
        yield (
            f"{verdict}: {self.steps} steps, {self.words} state words,"
            f" {self.differences} differences"
        )


def verify(
    network: IntegerNetwork,
    rasters: Sequence[NDArray[np.uint8]],
    backends: Mapping[str, Backend],
    *,
    writer: str | None = None,
) -> Verification:
    """Run the reference and every backend over every raster and compare all state words.

    Args:
        network: the network.
        rasters: inputs, each (n_steps, n_inputs); every one starts from the initial state, so a
            backend that does not reset its state is caught by the second.
        backends: functions from (network, raster) to a trace, by name.
        writer: name by which kinds know the writer of all these backends' code; None if it is
            each backend's own name.

    Raises:
        MismatchError: a raster and the network have different numbers of channels.
    """
    expected = [reference.run(network, raster) for raster in rasters]
    results: dict[str, BackendResult] = {}
    not_run: dict[str, str] = {}
    for name, backend in backends.items():
        words = differences = 0
        first, what = None, "state words"
        try:
            for index, (raster, right) in enumerate(zip(rasters, expected, strict=True)):
                found = backend(network, raster)
                what = OUTCOMES if isinstance(found, Outcome) else what
                words += found.n_words
                differences += count_differences(right, found)
                difference = first_difference(right, found)
                if first is None and difference is not None:
                    operands = operands_of(network, raster, right, difference)
                    first = Finding(index, difference, operands)
        except (ToolError, UnsupportedError) as error:
            not_run[name] = str(error)
            continue
        code = code_of(network, writer or name)
        results[name] = BackendResult(words, differences, first, code, what)
    return Verification(network.digest(), sum(map(len, rasters)), results, not_run)


def compare_blocks(
    network: IntegerNetwork, found: Iterable[tuple[NDArray[np.uint8], Trace]]
) -> BackendResult:
    """Compare the trace of a backend with the reference, block by block, in constant memory.

    Args:
        network: the network.
        found: blocks of input (n_steps, n_inputs) one after the other, and what was computed of it.
    """
    words = differences = done = 0
    first, what = None, "state words"
    state = reference.initial_state(network)
    before: tuple[NDArray[np.uint8], Trace] | None = None  # last step of the block before
    for raster, trace in found:
        right, state = reference.continued(network, state, raster)
        what = OUTCOMES if isinstance(trace, Outcome) else what
        words, n_steps = words + trace.n_words, right.n_steps
        differences += count_differences(right, trace)
        difference = first_difference(right, trace)
        if first is None and difference is not None:
            within = difference
            if before is not None:
                raster, right = np.vstack([before[0], raster]), _joined(before[1], right)
                within = replace(difference, step=difference.step + 1)
            operands = operands_of(network, raster, right, within)
            at = difference.step + done
            first = Finding(0, replace(difference, step=at), operands | {"step": at})
        last = {name: array[-1:] for name, array in right.variables.items()}
        before = raster[-1:], Trace(last)
        done += n_steps
    return BackendResult(words, differences, first, what=what)


def _joined(one: Trace, other: Trace) -> Trace:
    pairs = {name: (array, other.variables[name]) for name, array in one.variables.items()}
    return Trace({name: np.vstack(pair) for name, pair in pairs.items()})


def code_of(network: IntegerNetwork, writer: str) -> str:
    """The origin of a backend's code for a network: `hand-written` or `generated`."""
    return "hand-written" if network.is_tuned(writer) else "generated"


def operands_of(
    network: IntegerNetwork, raster: NDArray[np.uint8], trace: Trace, difference: Difference
) -> dict[str, int]:
    """The integers from which the reference computed the word that differs.

    `acc` is the weighted sum that arrived, before `frac_bits`; the states are those one step
    earlier.
    """
    t, i = difference.step, difference.neuron
    index = network.layer_names.index(difference.layer)
    layer, only = network.layers[index], np.array([i])
    source = arriving(network, raster, trace, index)
    old = words_before(network, trace, index, only)
    found = intermediates(network, raster, trace, index, only)
    constants = {
        name: int(array[i])
        for name, array in layer.arrays()
        if layer.declared()[name].content in ("decay", "syn", "mem")
        and name not in layer.INITIAL.values()
    }
    return {
        "step": t,
        "arriving": int(source[t].sum()),
        "acc": int(found.acc[t, 0]),
        **{name: int(words[t, 0]) for name, words in old._asdict().items() if layer.STATES[name]},
        **constants,
    }
