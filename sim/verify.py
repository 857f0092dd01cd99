"""Bit for bit: what a backend computes, against the reference, with zero tolerance."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError
from sim import reference
from sim.network import CubaLIF, IntegerNetwork
from sim.trace import Difference, Trace, count_differences, first_difference

Backend = Callable[[IntegerNetwork, NDArray[np.uint8]], Trace]


@dataclass(frozen=True)
class Finding:
    """The first word in which a backend is wrong, and what that update had to work with.

    `raster_index` tells which raster; `operands` are the values of the reference by name.
    """

    raster_index: int
    difference: Difference
    operands: Mapping[str, int]

    def __str__(self) -> str:
        given = ", ".join(f"{name} {value}" for name, value in self.operands.items())
        return f"{self.difference}; computed from {given}"


@dataclass(frozen=True)
class BackendResult:
    """State words compared, how many differ, and the first that does.

    `reproducer` tells where a minimal case with a difference is kept and how to replay it, or why
    there is none, in words.
    """

    words: int
    differences: int
    first: Finding | None
    reproducer: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Verification:
    """What `verify` found: `not_run` gives the reason for each backend that could not run here."""

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
            backends[name] = {"words": result.words, "differences": result.differences}
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
            yield f"{name}: {result.words} state words, {result.differences} differences"
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
) -> Verification:
    """Run the reference and every backend over every raster and compare all state words.

    Args:
        network: the network.
        rasters: inputs, each (n_steps, n_inputs); every one starts from the initial state, so a
            backend that does not reset its state is caught by the second.
        backends: functions from (network, raster) to a trace, by name.

    Raises:
        MismatchError: a raster has another number of channels than the network.
    """
    expected = [reference.run(network, raster) for raster in rasters]
    results: dict[str, BackendResult] = {}
    not_run: dict[str, str] = {}
    for name, backend in backends.items():
        words = differences = 0
        first = None
        try:
            for index, (raster, right) in enumerate(zip(rasters, expected, strict=True)):
                found = backend(network, raster)
                words += right.n_words
                differences += count_differences(right, found)
                difference = first_difference(right, found)
                if first is None and difference is not None:
                    operands = operands_of(network, raster, right, difference)
                    first = Finding(index, difference, operands)
        except ToolError as error:
            not_run[name] = str(error)
            continue
        results[name] = BackendResult(words, differences, first)
    return Verification(network.digest(), sum(map(len, rasters)), results, not_run)


def operands_of(
    network: IntegerNetwork, raster: NDArray[np.uint8], trace: Trace, difference: Difference
) -> dict[str, int]:
    """The integers from which the reference computed the word that differs.

    `acc` is the weighted sum that arrived, before `frac_bits`; the states are those one step
    earlier.
    """
    t, i = difference.step, difference.neuron
    index = network.layer_names.index(difference.layer)
    layer = network.layers[index]

    def before(variable: str) -> NDArray:
        states = trace.variables[f"{difference.layer}.{variable}"]
        return states[t - 1].astype(np.int64) if t else np.zeros(states.shape[1], np.int64)

    below = trace.variables[f"{network.layer_names[index - 1]}.spk"] if index else raster
    sent = t - network.contract.delay_steps
    source = below[max(sent, 0)].astype(np.int64) * (sent >= 0)
    operands = {"step": t, "arriving": int(source.sum())}
    if isinstance(layer, CubaLIF):
        acc = int(layer.w_in[i].astype(np.int64) @ source) << int(layer.e_in[i])
        if layer.w_rec is not None:
            acc += int(layer.w_rec[i].astype(np.int64) @ before("spk")) << int(layer.e_rec[i])
        membrane = "mem"
        constants = {"threshold": int(layer.threshold[i])}
    else:
        acc = int(layer.w_out[i].astype(np.int64) @ source)
        membrane = "out"
        constants = {}
    if layer.bias is not None:
        constants["bias"] = int(layer.bias[i])
    old = int(before(membrane)[i])
    if membrane == "out" and t == 0:
        old = int(network.readout.initial_out[i])
    return operands | {
        "acc": acc,
        "syn": int(before("syn")[i]),
        membrane: old,
        "decay_syn": int(layer.decay_syn[i]),
        "decay_mem": int(layer.decay_mem[i]),
        **constants,
    }
