"""`rsnnctl verify`: backends of this machine, or a target, against the reference, bit for bit."""

from pathlib import Path
from typing import Any

import click

from rsnnctl.options import (
    FILE,
    INPUT,
    INPUT_OR_FOLDER,
    TARGET,
    TARGET_OPTIONS,
    no_stdout,
    output_option,
    samples_option,
    stale_option,
    target_options,
)
from rsnnctl.results.files import files
from rsnnctl.results.kind import Column, Facts, Kind, Result, Rows

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
                Column("compared", "text", "What these words are: all, some variables', outcomes."),
                Column("code", "text", "`hand-written`, `generated`, or `recorded` elsewhere."),
                Column("first", "object", "The first difference, and its operands.", optional=True),
                Column("reproducer", "object", "Files that show a difference.", optional=True),
            ),
            "One per backend that ran here.",
            key="backend",
        ),
        Facts("not_run", (), "Why a backend could not run, by its name.", is_open=True),
    ),
)


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
@samples_option
@click.option(
    "--steps",
    type=int,
    help="Maximum number of input steps to compare. Default: all of --session or --samples; else"
    " 5000, or 20 samples.",
)
@click.option(
    "--export-kit",
    "kit",
    type=FILE,
    callback=no_stdout,
    help="Folder for a conformance kit; nothing is compared.",
)
@click.option("--target", type=TARGET, help="Target to run on. Default: the backends of this host.")
@click.option(
    "--trace",
    type=INPUT,
    help="Words that something else recorded of the network (HDF5 or .npz, docs/chips.md), compared"
    " in place of backends. Their input is `raster` in the file, or --session.",
)
@target_options
@output_option("Folder for minimal cases of differences. Default: beside the network.", folder=True)
def command(
    network: Path | None,
    stale: bool,
    source: Path | None,
    session: Path | None,
    samples: str | None,
    steps: int | None,
    kit: Path | None,
    target: str | None,
    trace: Path | None,
    output: Path | None,
    force: bool,
    options: dict[str, Any],
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
    from rsnnctl.verifying import (
        Stimulus,
        verify_file,
        verify_session,
        verify_trace,
        verify_written,
    )

    if samples is not None:
        refuse("beside --samples, which are compared", "session")
    if trace is not None:
        refuse("with --trace", "samples", "steps", "target", *TARGET_OPTIONS, "force", "output")
    if target is None:
        refuse("without --target", *TARGET_OPTIONS)
    else:
        refuse("with --target, where no reproducer is written", "force", "output")
    format = format_of(chosen)
    if format is None:
        refuse("for a network, which is compared itself", "source")
        path = lineage.used(chosen, stale=stale)
    else:
        refuse("for an exported file", "target", "trace", "force", "output", "stale")
        path = network_of(chosen, format, source)
    stimulus = Stimulus(session, samples, steps)
    if format is not None and format.open_written is not None:
        report = verify_written(chosen, format.open_written, path, stimulus)
    elif trace is not None:
        report = verify_trace(path, trace, session)
    elif session is not None and target is not None:
        report = verify_session(path, target, session, options, steps=steps)
    else:
        report = verify_file(
            path, stimulus, target=target, options=options, output=output, force=force
        )
    return Result(
        VERIFIED,
        report.as_dict(),
        list(report.lines()),
        is_plain=True,
        exit_code=1 if report.differences else 0,
    )
