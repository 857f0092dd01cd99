"""`rsnnctl verify`: backends of this machine, or a target, against the reference, bit for bit."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from base.checks import check_count
from rsnnctl.options import (
    FILE,
    INPUT,
    INPUT_OR_FOLDER,
    TARGET,
    layout_option,
    no_stdout,
    output_option,
    stale_option,
)
from rsnnctl.results.files import files
from rsnnctl.results.kind import Column, Facts, Kind, Result, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from hw_targets.machines.target import Runner
    from sim.network import IntegerNetwork
    from sim.verify import Backend, Verification

VERIFIED = Kind(
    "verified",
    "Backends compared with the reference, word for word.",
    (
        Column("digest", "text", "Digest of the network."),
        Column("steps", "integer", "Input steps that were compared."),
        Rows(
            "backends",
            (
                Column("words", "integer", "State words that were compared."),
                Column("differences", "integer", "Words that differ."),
                Column("compared", "text", "What these words are: all of every step, or outcomes."),
                Column("code", "text", "`hand-written` or `generated`."),
                Column("first", "object", "The first difference, and its operands.", optional=True),
                Column("reproducer", "object", "Files that show a difference.", optional=True),
            ),
            "One per backend that ran here.",
            key="backend",
        ),
        Facts("not_run", (), "Why a backend could not run, by its name.", is_open=True),
    ),
)
_STEPS = 5000  # compared where no recording is named
_BLOCK_STEPS = 4096  # of a session that are in memory at once
_MOST_WORDS = 1 << 28  # of a trace in memory, 2 GiB
_MOST_STEPS = 10**9  # of a recording, in blocks


@click.command()
@click.argument("network", type=INPUT_OR_FOLDER, required=False)
@stale_option
@click.option(
    "--network",
    "source",
    type=INPUT,
    help="Network that an exported file was made of. Default: the one beside it that it names.",
)
@click.option(
    "--session",
    "--input",
    "session",
    type=INPUT,
    help="Recording (.mat) or raster to compare on, all of it. Default: the test part of the run's"
    " recording, or random spikes.",
)
@click.option(
    "--steps",
    type=int,
    help=f"Maximum number of input steps to compare. Default: all of --session; else {_STEPS}.",
)
@click.option(
    "--export-kit",
    "kit",
    type=FILE,
    callback=no_stdout,
    help="Folder for a conformance kit; nothing is compared.",
)
@click.option("--target", type=TARGET, help="Target to run on. Default: the backends of this host.")
@layout_option
@output_option("Folder for minimal cases of differences. Default: beside the network.", folder=True)
def command(
    network: Path | None,
    stale: bool,
    source: Path | None,
    session: Path | None,
    steps: int | None,
    kit: Path | None,
    target: str | None,
    layout: str | None,
    output: Path | None,
    force: bool,
) -> Result:
    """Compare every backend with the reference, bit for bit.

    Every state word of every step is compared, with zero tolerance. Exit status 1 if one differs.

    NETWORK is a network, or what was exported of one: an ONNX or NIR file, a folder with C, or its
    C file. That is compared with a fresh export, then run as it is.
    """
    from rsnnctl.given import refuse, refuse_others
    from rsnnctl.runs import folders

    if kit is not None:
        from base.ownership import write_into
        from rsnnctl.output import say_replaced
        from sim.conformance.kit import export_kit

        refuse_others(
            "beside --export-kit, which has its own networks",
            *("kit", "force", "output_format", "output_json"),
        )
        written = write_into(kit, export_kit, "verify", force=force)
        say_replaced(written.replaced)
        return files(written.files[-1:])
    chosen = folders.chosen(network, folders.NETWORK)

    from rsnnctl.exported import format_of, network_of
    from rsnnctl.runs import lineage

    if target is None:
        refuse("without --target", "layout")
    else:
        refuse("with --target, where no reproducer is written", "force", "output")
    format = format_of(chosen)
    if format is None:
        refuse("for a network, which is compared itself", "source")
        path = lineage.used(chosen, stale=stale)
    else:
        refuse("for an exported file", "target", "force", "output", "stale")
        path = network_of(chosen, format, source)
    if format is not None and format.open_written is not None:
        report = verify_written(chosen, format.open_written, path, session, steps)
    elif session is not None and target is not None:
        report = verify_session(path, target, session, layout, steps=steps)
    elif session is not None:
        report = verify_file(path, session, steps, part="all", output=output, force=force)
    else:
        recording, n_steps = folders.session_of(path), _STEPS if steps is None else steps
        report = verify_file(
            path, recording, n_steps, target=target, layout=layout, output=output, force=force
        )
    return Result(
        VERIFIED,
        report.as_dict(),
        list(report.lines()),
        is_plain=True,
        exit_code=1 if report.differences else 0,
    )


def verify_file(
    path: Path,
    source: Path | None,
    steps: int | None,
    *,
    part: str = "test",
    target: str | None = None,
    layout: str | None = None,
    output: Path | None = None,
    force: bool = False,
) -> "Verification":
    """Compare backends with the reference over the golden input and one stream.

    For a backend of this machine that differs, a minimal reproducer is written, but not for a
    network that is a reproducer already.

    Args:
        path: the network.
        source: session or raster; None for a random raster of 20 Hz.
        steps: maximum number of steps of the stream; None for all, of a source.
        part: part of a session, a name in `rsnn.data.stream.PARTS`.
        target: name of the target to run on; None for every backend of this machine.
        layout: of the weights in the flash of a target; None is the target's default.
        output: folder for reproducers; None for that of the network.
        force: let a reproducer overwrite files that `verify` did not write.

    Raises:
        RangeError: `steps` is below 1, or there is no such target or layout.
        MismatchError: the file's golden run is not what the reference computes; or the stream's
            step or number of channels is not the network's.
        ToolError: a program that the target needs is missing.
        FileError, DataError: a file cannot be used.
    """
    from hw_targets import find_target
    from hw_targets.machines.target import runners
    from rsnnctl.backends import backends
    from rsnnctl.reproducers import with_reproducers
    from sim.verify import verify

    network, rasters = _with_input(path, source, steps, part)
    if target is None:
        here = backends(network)
        place = path if output is None else output / path.name
        report = verify(network, rasters, here)
        return with_reproducers(report, place, network, rasters, here, force=force)
    with tempfile.TemporaryDirectory() as folder:
        machine = find_target(target)
        found = runners(machine, network, Path(folder), {"layout": layout})
        runs = {name: _backend(run) for name, run in found.items()}
        return verify(network, rasters, runs, writer=machine.format)


def verify_written(
    written: Path,
    open_written: "Callable[[Path, IntegerNetwork], Mapping[str, Backend]]",
    path: Path,
    session: Path | None,
    steps: int | None,
) -> "Verification":
    """Compare what was exported with a fresh export, then run it beside the reference.

    Args:
        written: the file or folder.
        open_written: as in `export.format.Format`.
        path: the network that it was made of.
        session: session or raster to run, all of it; None for the test part of the recording of the
            network's run, or a random raster.
        steps: maximum number of steps; None for all of `session`, else 5000.

    Raises:
        MismatchError: it is not what exporting the network gives.
        RangeError, MismatchError, FileError, DataError: as `verify_file`.
    """
    from rsnnctl.runs import folders
    from sim.verify import verify

    if session is None:
        steps = _STEPS if steps is None else steps
        network, rasters = _with_input(path, folders.session_of(path), steps, "test")
    else:
        network, rasters = _with_input(path, session, steps, "all")
    return verify(network, rasters, dict(open_written(written, network)))


def _words_per_step(network: "IntegerNetwork") -> int:
    """State words of a step, and its inputs."""
    import numpy as np

    from sim import reference

    step = np.zeros((1, network.n_inputs), network.input_dtype)
    return reference.run(network, step).n_words + network.n_inputs


def verify_session(
    path: Path,
    target: str,
    source: Path,
    layout: str | None = None,
    *,
    steps: int | None = None,
) -> "Verification":
    """Run a recording on a target beside the reference, in constant memory.

    Args:
        path: the network.
        target: its name.
        source: session (.mat) or raster file, of any length.
        layout: of the weights in flash; None is the target's default.
        steps: maximum number of steps; None for all.

    Raises:
        RangeError, MismatchError, ToolError, FileError, DataError: as `verify_file`.
    """
    from hw_targets import find_target
    from hw_targets.machines.target import runners
    from rsnn.data.stream import open_stream
    from rsnnctl import show
    from sim.verify import Verification, code_of, compare_blocks

    if steps is not None:
        check_count("steps", steps, _MOST_STEPS)
    chosen = find_target(target)
    network, _ = _opened(path)
    results = {}
    with (
        tempfile.TemporaryDirectory() as folder,
        open_stream(source, network, "all", scored=False) as stream,
    ):
        stream = replace(stream, steps=stream.steps[:steps])
        n_steps = len(stream.steps)
        found = runners(chosen, network, Path(folder), {"layout": layout})
        for name, run in found.items():
            blocks = (block.raster for block in stream.blocks(_BLOCK_STEPS))
            compared = compare_blocks(network, run(blocks, n_steps))
            results[name] = replace(compared, code=code_of(network, chosen.format))
    show.say_step(stream, network.dt)
    return Verification(network.digest(), n_steps, results, {})


def _backend(run: "Runner") -> "Backend":
    from hw_targets.machines.target import run_whole

    return lambda network, raster: run_whole(run, raster)


def _with_input(
    path: Path, source: Path | None, steps: int | None, part: str
) -> "tuple[IntegerNetwork, list[NDArray[np.uint8]]]":
    """A network, its golden input and one stream, as in `verify_file`."""
    from rsnn.data.raster import random_raster
    from rsnn.data.stream import open_stream
    from rsnnctl import show

    network, golden = _opened(path)
    if steps is not None:
        check_count("steps", steps, _MOST_WORDS // _words_per_step(network))
    if source is None:
        n_steps, values = steps or _STEPS, network.input_values
        raster = random_raster(n_steps, network.n_inputs, dt=network.dt, values=values)
        return network, [golden, raster]
    with open_stream(source, network, part, scored=False) as stream:
        raster = next(stream.blocks(steps or len(stream.steps))).raster
    show.say_step(stream, network.dt)
    return network, [golden, raster]


def _opened(path: Path) -> "tuple[IntegerNetwork, NDArray[np.uint8]]":
    """A network and its golden input, which the reference still computes as when it was saved."""
    from base.errors import MismatchError
    from sim import reference
    from sim.artifact import load_network, load_vectors
    from sim.trace import first_difference

    network = load_network(path)
    golden, expected = load_vectors(path)
    difference = first_difference(expected, reference.run(network, golden))
    if difference is not None:
        raise MismatchError(
            f"{path}: the golden run in the file is not what this rsnnctl computes ({difference});"
            " the file was made under other semantics, quantize again"
        )
    return network, golden
