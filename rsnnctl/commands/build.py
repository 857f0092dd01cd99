"""`rsnnctl build`: a firmware project for a target."""

from pathlib import Path
from typing import Any

import click

from rsnnctl.options import (
    TARGET,
    float_abi_option,
    network_argument,
    output_option,
    target_options,
)
from rsnnctl.results.kind import Result


@click.command()
@network_argument
@click.option("--target", type=TARGET, required=True, help="Target to build for.")
@target_options
@float_abi_option
@output_option("Folder. Default: `firmware` beside the network.", folder=True)
def command(
    network: Path | None,
    stale: bool,
    target: str,
    float_abi: str | None,
    output: Path | None,
    force: bool,
    options: dict[str, Any],
) -> Result:
    """Write a firmware project with a self-test.

    It holds the decoder in C, build files, and an example; the self-test is the golden run. Files
    that are yours to edit are written once: a changed one is kept.
    """
    from rsnnctl.runs import folders

    chosen = folders.chosen(network, folders.NETWORK)

    from hw_targets import find_target
    from hw_targets.machines.target import build
    from rsnnctl.output import written_files
    from rsnnctl.runs import lineage
    from sim.artifact import load_network, load_vectors

    source = lineage.used(chosen, stale=stale)
    loaded, (golden, _) = load_network(source), load_vectors(source)
    folder = output or source.parent / "firmware"
    written = build(
        find_target(target),
        loaded,
        golden,
        folder,
        {**options, "float_abi": float_abi},
        force=force,
    )
    return written_files(written, output)
