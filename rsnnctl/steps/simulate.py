"""Run an integer network over a recording of any length, block by block."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rsnn.data.raster import open_raster
from rsnn.data.stream import load_stream
from rsnnctl import runs
from rsnnctl.metrics import r2_score
from rsnnctl.show import metrics_row
from sim.artifact import load_network
from sim.metrics import evaluate_counts
from sim.network import IntegerNetwork
from sim.output import create_run
from sim.simulator import Simulator
from sim.trace import empty_trace

_BLOCK_BYTES = 1 << 22  # of input and trace in memory at once


def simulate_file(
    path: Path, source: Path | None, *, part: str, record: bool, output: Path | None
) -> dict[str, Any]:
    """Simulate and write what was decoded; return NeuroBench's figures, `digest` and `file`.

    Memory does not grow with the length of a raster file in .npy or HDF5.

    Args:
        path: the network.
        source: session (.mat) or raster file; None is the recording of the network's run.
        part: `train`, `validation`, `test` or `all` of a session.
        record: write every state word, too.
        output: HDF5; None is beside the network.

    Raises:
        RangeError: no such part.
        FileError, DataError, MismatchError: a file cannot be used, or channels differ.
    """
    network = load_network(path)
    target = output or path.with_name(path.name.removesuffix(".int.h5") + ".decoded.h5")
    simulator = Simulator(network)
    decoded = []
    with (
        _opened(runs.needed_session(path, source), part, _block_steps(network, record)) as (
            name,
            velocity,
            blocks,
        ),
        create_run(target, network, record=record) as writer,
    ):
        for raster in blocks:
            values = writer.write(simulator.step_block(raster, record=record))
            if velocity is not None:
                decoded.append(values)
    r2 = float("nan") if velocity is None else r2_score(np.concatenate(decoded), velocity)
    metrics = evaluate_counts(network, simulator, n_steps=simulator.n_steps, r2=r2)
    row = metrics_row(path.name, name, metrics)
    return row | {"digest": network.digest(), "file": str(target)}


@contextmanager
def _opened(
    source: Path, part: str, n_steps: int
) -> Iterator[tuple[str, NDArray[np.float32] | None, Iterator[NDArray[np.uint8]]]]:
    """Name, velocity where it is known, and the raster in blocks of `n_steps`."""
    if source.suffix == ".mat":
        stream = load_stream(source, part)
        starts = range(0, len(stream.raster), n_steps)
        blocks = (stream.raster[start : start + n_steps] for start in starts)
        yield stream.name, stream.velocity, blocks
        return
    with open_raster(source) as raster:
        starts = range(0, raster.n_steps, n_steps)
        yield source.name, None, (raster.read(start, start + n_steps) for start in starts)


def _block_steps(network: IntegerNetwork, record: bool) -> int:
    traced = sum(words.nbytes for words in empty_trace(network, 1).variables.values())
    return max(1, _BLOCK_BYTES // (network.n_inputs + record * traced))
