"""A whole session on a target: every state word against the reference, in constant memory."""

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.firmware.replay import replay_blocks
from hw_targets import find_target
from rsnn.data.stream import open_stream
from sim import reference
from sim.artifact import load_network
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace, count_differences, first_difference
from sim.verify import BackendResult, Finding, Report, operands_of

_BLOCK_STEPS = 4096


def verify_session(path: Path, name: str, source: Path, layout: str = "fast") -> Report:
    """Run all of a recording on a target beside the reference and compare every state word.

    Args:
        path: the network.
        name: of the target.
        source: session (.mat) or raster file, of any length.
        layout: of the weights in flash.

    Raises:
        RangeError: no such target or layout.
        ToolError: a program is missing.
        FileError, DataError, MismatchError: a file cannot be used, or channels differ.
    """
    target = find_target(name)
    network = load_network(path)
    with tempfile.TemporaryDirectory() as folder, open_stream(source, "all") as stream:
        blocks = (block.raster for block in stream.blocks(_BLOCK_STEPS))
        n_steps = len(stream.steps)
        check_channels(network, next(stream.blocks(1)).raster.shape)
        program = target.build(network, Path(folder), layout)
        command = target.command(program)
        found = replay_blocks(network, blocks, n_steps, command, Path(folder))
        result = _compare(network, found)
    return Report(network.digest(), n_steps, {name: result}, {})


def _compare(
    network: IntegerNetwork, found: Iterator[tuple[NDArray[np.uint8], Trace]]
) -> BackendResult:
    """Compare blocks of input and of what a target made of them with the reference."""
    words = differences = done = 0
    first = None
    state = reference.initial_state(network)
    before: tuple[NDArray[np.uint8], Trace] | None = None  # the last step of the block before
    for raster, trace in found:
        right, state = reference.continued(network, state, raster)
        words += right.n_words
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
        before = raster[-1:], _last(right)
        done += trace.n_steps
    return BackendResult(words, differences, first)


def _last(trace: Trace) -> Trace:
    return Trace({name: array[-1:] for name, array in trace.variables.items()})


def _joined(one: Trace, other: Trace) -> Trace:
    pairs = {name: (array, other.variables[name]) for name, array in one.variables.items()}
    return Trace({name: np.vstack(pair) for name, pair in pairs.items()})
