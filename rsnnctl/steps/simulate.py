"""Run an integer network over a recording of any length, block by block."""

from pathlib import Path
from typing import Any

from rsnn.data.stream import open_stream
from rsnnctl.runs import folders
from rsnnctl.show import metrics_row
from sim.artifact import load_network
from sim.fast.simulator import Simulator
from sim.metrics import RunningR2, evaluate_counts
from sim.network import IntegerNetwork
from sim.run_file import create_run
from sim.trace import empty_trace

_BLOCK_BYTES = 1 << 22  # of input and trace in memory at once


def simulate_file(
    path: Path, source: Path | None, *, part: str, record: bool, output: Path | None
) -> dict[str, Any]:
    """Simulate and write what was decoded; return NeuroBench's figures, `digest` and `file`.

    Memory does not grow with the length of a recording in .mat, .npy or HDF5.

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
    score = RunningR2()
    with (
        open_stream(folders.needed_session(path, source), part) as stream,
        create_run(target, network, record=record) as writer,
    ):
        for block in stream.blocks(_block_steps(network, record)):
            decoded = writer.write(simulator.step_block(block.raster, record=record))
            if block.velocity is not None:
                score.add(decoded, block.velocity)
    metrics = evaluate_counts(network, simulator, n_steps=simulator.n_steps, r2=score.value)
    row = metrics_row(path.name, stream.name, metrics)
    return row | {"digest": network.digest(), "file": str(target)}


def _block_steps(network: IntegerNetwork, record: bool) -> int:
    traced = sum(words.nbytes for words in empty_trace(network, 1).variables.values())
    return max(1, _BLOCK_BYTES // (network.n_inputs + record * traced))
