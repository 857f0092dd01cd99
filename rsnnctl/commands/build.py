"""`rsnnctl build`: a firmware project for a target."""

import json
from dataclasses import replace
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
from rsnnctl.results.files import FILES
from rsnnctl.results.kind import Column, Kind, Result

BUILT = Kind(
    "built",
    "The files of a project, and what its design takes of a part.",
    (
        *FILES.fields,
        Column("target", "text", "Name of the target."),
        Column("layout", "text", "Size of the decoder, where nothing below says otherwise."),
        Column("lanes", "integer", "Neurons gathered at a time."),
        Column("update", "text", "How a neuron is updated."),
        Column("lut4", "integer", "Tables of 4 inputs, as synthesis maps them.", optional=True),
        Column("flip_flops", "integer", "Flip-flops.", optional=True),
        Column("block_rams", "integer", "Block RAMs.", optional=True),
        Column("spram", "integer", "Large memories without initial words.", optional=True),
        Column("multipliers", "integer", "Multipliers.", optional=True),
        Column("fmax_mhz", "number", "Highest clock after routing.", "MHz", optional=True),
        Column("cells", "integer", "Standard cells.", optional=True),
        Column("area_um2", "number", "Their area, without memories.", "um2", optional=True),
        Column("leakage_nw", "number", "What they leak.", "nW", optional=True),
        Column("energy_nj", "number", "Of a step, from toggles.", "nJ", optional=True),
        Column("energy_clock_nj", "number", "Of that, clock pins.", "nJ", optional=True),
        Column("energy_events_nj", "number", "Clock while events enter.", "nJ", optional=True),
        Column("simulated_steps", "integer", "Steps of the simulation.", optional=True),
        Column("simulated_cycles", "number", "Their clocks.", "per step", optional=True),
        Column("memory_bits", "integer", "Bits of all memories.", "bit", optional=True),
        Column("cycles_mean", "number", "Clocks on random input.", "per step"),
        Column("cycles_worst", "integer", "Clocks on any input.", "per step"),
        Column("first_output_cycles", "integer", "Clocks to the first output, at most."),
        Column("clock_mhz", "number", "Clock of the board.", "MHz"),
        Column("margin", "number", "Part of a step that is left by the longest, at that clock."),
    ),
)


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
    result = written_files(written, output)
    return with_figures(result, written.files, find_target(target).figures)


def with_figures(result: Result, written: list[Path], name: str) -> Result:
    """What a file of the project says it takes, if there is one, beside the files."""
    if not name:
        return result
    (path,) = (path for path in written if path.name == name)
    figures = json.loads(path.read_text(encoding="utf-8"))
    lines = [f"{key} {value}" for key, value in figures.items()]
    value = {**result.value, **figures}
    return replace(result, kind=BUILT, value=value, lines=[*result.lines, *lines])
