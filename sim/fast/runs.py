"""Run networks fast: the step of `sim/reference.py`, event by event and compiled.

`sim/fast/compiled.py` has the compiled step, `sim/fast/simulator.py` streams of any length, this
file whole runs: one, or many at once over the cores of the machine.
"""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError
from sim.fast.packed import PackedRaster
from sim.fast.simulator import Simulator, prepared
from sim.network import IntegerNetwork
from sim.trace import Trace

Raster = NDArray[np.uint8] | PackedRaster


@dataclass(frozen=True)
class Run:
    """Results of a compiled run.

    Attributes:
        out: readout words (n_steps, rows) int32.
        input_counts: steps in which something arrived from each input, (n_inputs,): its spikes;
            with a delay, all but those of the last step.
        multiplied_counts: those of steps in which some input was beyond -1..1, (n_inputs,).
        sent_counts: spikes of each hidden neuron that arrived above it, layer after layer; those
            of one step count once.
        sent_multiplied: those of steps in which some neuron sent more than one spike.
        returned_counts: spikes that arrived through recurrent weights, never the last step's.
        returned_multiplied: those of steps in which some neuron sent more than one spike.
        hidden_spikes: steps of all hidden neurons in which they spiked.
        trace: every state word, or None if it was not recorded.
    """

    out: NDArray[np.int32]
    input_counts: NDArray[np.int64]
    multiplied_counts: NDArray[np.int64]
    sent_counts: NDArray[np.int64]
    sent_multiplied: NDArray[np.int64]
    returned_counts: NDArray[np.int64]
    returned_multiplied: NDArray[np.int64]
    hidden_spikes: int
    trace: Trace | None


def run(network: IntegerNetwork, raster: Raster, *, record: bool = False) -> Run:
    """Run a network from its initial state.

    Args:
        network: the network.
        raster: inputs (n_steps, n_inputs), 0 or 1 where they are spikes, or spikes packed.
        record: keep every state word.

    Raises:
        MismatchError: the raster has another number of channels than the network.
        DataError: it holds values that the network does not take.
    """
    return _run(Simulator(network), raster, record=record)


def run_many(
    network: IntegerNetwork,
    rasters: Iterable[Raster],
    *,
    record: bool = False,
    threads: int | None = None,
) -> list[Run]:
    """Run a network over many streams, each from the initial state, over the cores.

    Args:
        network: the network.
        rasters: (n_streams, n_steps, n_inputs), or rasters of any lengths.
        record: keep every state word.
        threads: maximum number at once, by default one per core; results do not depend on it.

    Returns:
        One run per stream, in the same order.

    Raises:
        RangeError: `threads` is below 1.
        MismatchError, DataError: as in `run`.
    """
    return run_each([(network, raster) for raster in rasters], record=record, threads=threads)


def run_each(
    jobs: Sequence[tuple[IntegerNetwork, Raster]],
    *,
    record: bool = False,
    threads: int | None = None,
) -> list[Run]:
    """Run pairs of network and raster, as seeds x sessions x widths, over the cores.

    Arguments, result and errors as in `run_many`.
    """
    if threads is not None and threads < 1:
        raise RangeError(f"threads is {threads}; at least 1 is needed")
    arenas = {id(network): prepared(network) for network in {id(n): n for n, _ in jobs}.values()}

    def run_one(job: tuple[IntegerNetwork, Raster]) -> Run:
        network, raster = job
        return _run(Simulator(network, arenas[id(network)]), raster, record=record)

    threads = threads or len(os.sched_getaffinity(0))
    if threads == 1:
        return [run_one(job) for job in jobs]
    with ThreadPoolExecutor(threads) as pool:  # the compiled step leaves Python's lock to others
        return list(pool.map(run_one, jobs))


def run_backend(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Run and return every state word: what `verify` compares with the reference."""
    trace = run(network, raster, record=True).trace
    assert trace is not None  # recorded above
    return trace


def _run(simulator: Simulator, raster: Raster, *, record: bool) -> Run:
    block = simulator.step_block(raster, record=record)
    return Run(
        block.out,
        simulator.input_counts,
        simulator.multiplied_counts,
        simulator.sent_counts,
        simulator.sent_multiplied,
        simulator.returned_counts,
        simulator.returned_multiplied,
        simulator.hidden_spikes,
        block.trace,
    )
