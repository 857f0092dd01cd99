"""`rsnnctl simulate`: an integer network over a recording of any length, block by block."""

from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsnnctl.options import INPUT, network_argument, output_option, part_option
from rsnnctl.results.files import STDOUT
from rsnnctl.results.kind import Column, Kind, Result
from rsnnctl.results.metrics import METRICS, metrics_row

if TYPE_CHECKING:
    from sim.network import IntegerNetwork

SIMULATED = Kind(
    "simulated",
    "NeuroBench's figures of a network over a recording, and the file of what was decoded.",
    (
        *METRICS,
        Column("digest", "text", "Digest of the network.", hidden=True),
        Column("file", "text", "Path of the decoded values.", hidden=True),
    ),
)
_BLOCK_BYTES = 1 << 22  # bytes of input and trace in memory at once


@click.command()
@network_argument
@click.option(
    "--session",
    "--input",
    "session",
    type=INPUT,
    help="Recording (.mat) or raster (.npy .npz .h5). Default: the run's recording.",
)
@part_option
@click.option("--trace", is_flag=True, help="Keep every state word of every step.")
@output_option("Decoded velocity and readout words (.h5). Default: beside the network.")
def command(
    network: Path | None,
    stale: bool,
    session: Path | None,
    part: str,
    trace: bool,
    output: Path | None,
    force: bool,
) -> Result:
    """Run an integer network over a recording.

    It is computed event by event; the recording can have any length.
    """
    from rsnnctl.runs import folders

    chosen = folders.chosen(network, folders.NETWORK)

    from rsnnctl.given import refuse
    from rsnnctl.output import destination, owned
    from rsnnctl.runs import lineage

    if session is not None and session.suffix != ".mat":
        refuse("on a raster, which has no parts", "part")
    path = lineage.used(chosen, stale=stale)
    with (
        destination(output, folders.beside(path, ".decoded.h5")) as target,
        owned([target], "simulate", force=force),
    ):
        row = simulate_file(path, session, part=part, record=trace, output=target)
    row["file"] = str(output or target)
    return Result(SIMULATED, row, [row["file"]], on_stderr=output == STDOUT)


def simulate_file(
    path: Path, source: Path | None, *, part: str, record: bool, output: Path | None
) -> dict[str, Any]:
    """Simulate and write the decoded values; return NeuroBench's figures, `digest` and `file`.

    Memory does not grow with the length of a recording in .mat, .npy or HDF5.

    Args:
        path: the network.
        source: session (.mat) or raster file; None for the recording of the network's run.
        part: `train`, `validation`, `test` or `all` of a session.
        record: also write every state word.
        output: HDF5 file; None for one beside the network.

    Raises:
        RangeError: no such part.
        MismatchError: step, channels or target signals of the recording are not the network's; it
            solves a task and `source` is None.
        FileError, DataError: a file cannot be used.
    """
    from base.errors import MismatchError
    from rsnn.data.stream import open_stream
    from rsnnctl import show
    from rsnnctl.provenance import decoded_unit
    from rsnnctl.runs import folders
    from sim.artifact import load_network
    from sim.fast.simulator import Simulator
    from sim.metrics import RunningR2, evaluate_counts
    from sim.run_file import create_run

    network = load_network(path)
    if source is None and (task := network.metadata.get("task")):
        raise MismatchError(
            f"{path}: solves the task {task} on trials, not on a recording; `rsnnctl evaluate"
            f" {path}` draws trials, and a raster of inputs can be named"
        )
    if source is None and network.readout.ALONE:
        raise MismatchError(
            f"{path}: decides on samples, not on a recording; `rsnnctl evaluate {path}` takes"
            " samples, and a raster of one sample can be named"
        )
    target = output or folders.beside(path, ".decoded.h5")
    simulator = Simulator(network)
    score = RunningR2()
    with (
        open_stream(folders.needed_session(path, source), network, part) as stream,
        create_run(target, network, decoded_unit(network), record=record) as writer,
    ):
        for block in stream.blocks(_block_steps(network, record)):
            decoded = writer.write(simulator.step_block(block.raster, record=record))
            if block.velocity is not None:
                score.add(decoded, block.velocity)
    show.say_step(stream, network.dt)
    if stream.velocity is not None and not isfinite(score.value):
        show.say(
            f"{stream.name}: R2 is undefined, because a coordinate of the target never changes"
        )
    metrics = evaluate_counts(network, simulator, n_steps=simulator.n_steps, r2=score.value)
    row = metrics_row(path.name, stream.name, metrics)
    return row | {"digest": network.digest(), "file": str(target)}


def _block_steps(network: "IntegerNetwork", record: bool) -> int:
    from sim.trace import empty_trace

    traced = sum(words.nbytes for words in empty_trace(network, 1).variables.values())
    return max(1, _BLOCK_BYTES // (network.n_inputs + record * traced))
