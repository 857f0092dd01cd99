"""`rsnnctl check`: the cost of a network on a target, and every limit it exceeds."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsnnctl.options import TARGET, network_argument, target_options, told
from rsnnctl.results.kind import Column, Facts, Kind, Result, Rows

if TYPE_CHECKING:
    from sim.network import IntegerNetwork

_COSTS = (
    Column("flash", "integer?", "Bytes of flash.", "B", optional=True),
    Column("ram", "integer?", "Bytes of RAM.", "B", optional=True),
    Column("instructions_mean", "number?", "On random input.", "per step", optional=True),
    Column("instructions_worst_case", "number?", "On any input.", "per step", optional=True),
    Column("worst_case_ms", "number?", "Time of that step.", "ms", optional=True),
)
_SAMPLES = (
    Column("instructions_clocked", "number?", "Of all steps.", "per sample", optional=True),
    Column("instructions_events", "number?", "Event by event, to the end.", "per sample", True),
    Column("instructions_decision", "number?", "To the first spike.", "per sample", True),
    Column("instructions_worst_sample", "number?", "Of any sample.", "per sample", True),
    Column("worst_sample_ms", "number?", "Time of that sample.", "ms", optional=True),
)
"""Of networks that first spikes decide."""
_COLUMNS, _OF_SAMPLES = (tuple(column.name for column in each) for each in (_COSTS, _SAMPLES))
_FITS = Column("fits", "boolean?", "Null if it could not be checked.", null="not checked")
_LINES = (
    Column("violations", "texts", "A line per limit that it exceeds.", hidden=True),
    Column("not_checked", "texts", "A line per limit that cannot be checked here.", hidden=True),
)
_SAID = tuple(column.name for column in _LINES)
CHECKED = Kind(
    "checked",
    "The cost of a network on one target; each target has its own costs beside these.",
    (
        Column("target", "text", "Name of the target."),
        Column("layout", "text", "Layout of weights in flash, size of Verilog.", optional=True),
        *_COSTS,
        Column("stack", "integer?", "Bytes of stack of a call, at most.", "B", optional=True),
        Column("lanes", "integer?", "Neurons of Verilog gathered at a time.", optional=True),
        Column("update", "text", "How Verilog updates a neuron.", optional=True),
        Column("memory_bits", "integer?", "Bits of all memories of Verilog.", "bit", optional=True),
        Column(
            "cycles_mean",
            "number?",
            "Clocks of Verilog on random input.",
            "per step",
            optional=True,
        ),
        Column("cycles_worst", "integer?", "Clocks on any input.", "per step", optional=True),
        Column("first_output_cycles", "integer?", "Of these, to the first output.", optional=True),
        Column("block_rams", "integer?", "Block RAMs of an FPGA, at most.", optional=True),
        Column("multipliers", "integer?", "Multipliers of an FPGA, at most.", optional=True),
        Column("spram", "integer?", "Large memories of an FPGA.", optional=True),
        Column("clock_mhz", "number?", "Clock of the board.", "MHz", optional=True),
        Column("margin", "number?", "Part of a step that is left by the longest.", optional=True),
        Column("instructions_min", "number?", "The fewest.", "per step", optional=True),
        Column("instructions_max", "number?", "The most.", "per step", optional=True),
        Column("instructions_mean_bitmap", "number?", "By bitmaps.", "per step", optional=True),
        Column("energy_nj", "number?", "Estimated energy.", "nJ per step", optional=True),
        *_SAMPLES,
        Column("cores", "integer?", "Cores of a chip that it takes.", optional=True),
        Facts(
            "utilization",
            (),
            "Of each thing that these cores have, the part in use.",
            is_open=True,
            optional=True,
        ),
        Rows(
            "map",
            (
                Column("core", "integer", "Number of the core."),
                Column("layers", "text", "Layers of its neurons."),
                Column("neurons", "integer", "Compartments in use."),
                Column("decay_pairs", "integer", "Decays that they share."),
                Column("thresholds", "integer", "Thresholds that they share."),
                Column("axons_in", "integer", "Inputs and neurons that send it spikes."),
                Column("axons_out", "integer", "Cores that its neurons send to."),
                Column("synapse_bits", "integer", "Memory of weights.", "bit"),
            ),
            "One per core.",
            title="Cores",
            optional=True,
        ),
        _FITS,
        *_LINES,
    ),
    is_open=True,
)
CHECKED_EVERYWHERE = Kind(
    "checked-everywhere",
    "The cost of a network on every target with limits.",
    (
        Rows(
            "targets",
            (
                Column("target", "text", "Name of the target."),
                Column("part", "text", "The part it stands for."),
                *_COSTS,
                *_SAMPLES,
                _FITS,
                *_LINES,
            ),
            "One per target.",
        ),
    ),
)


@click.command()
@network_argument
@click.option("--target", type=TARGET, help="Target to check. Default: every target with limits.")
@click.option(
    "--architecture",
    help="Sizes to check before any network is trained, in place of NETWORK: inputs, hidden layers"
    " and outputs, as 96-64-2; every neuron with constants of its own, and no weight pruned.",
)
@target_options
def command(
    network: Path | None,
    stale: bool,
    target: str | None,
    architecture: str | None,
    options: dict[str, Any],
) -> Result:
    """Check a network against the limits of a target.

    Report its cost and every limit it exceeds. Without the tools of a target it is not checked,
    and the packages that have them are named. Exit status 1 if the network does not fit a target
    that was checked, or if the target named by --target cannot be checked.
    """
    loaded = _network(network, stale, target, architecture)

    from hw_targets import find_target
    from hw_targets.machines.target import check

    if target is None:
        rows = check_everywhere(loaded, options)
        lines = [f"{', '.join(names)}: {line}" for line, names in _lines(rows).items()]
        code = 1 if any(row["fits"] is False for row in rows) else 0
        return Result(CHECKED_EVERYWHERE, {"targets": rows}, lines, exit_code=code)
    found = _told(check(find_target(target), loaded, options))
    lines = list(_lines([found])) or [f"fits {target}"]
    return Result(CHECKED, found, lines, exit_code=0 if found["fits"] else 1)


def _network(
    network: Path | None, stale: bool, target: str | None, architecture: str | None
) -> "IntegerNetwork":
    """The network to check: a file, or one of given sizes."""
    from rsnnctl.given import refuse
    from rsnnctl.runs import folders

    if architecture is not None:
        refuse("with --architecture", "network", "stale")
        from hw_targets import find_target
        from hw_targets.machines.sketch import sketch

        return sketch(architecture, None if target is None else find_target(target))
    path = folders.chosen(network, folders.NETWORK)

    from rsnnctl.runs import lineage
    from sim.artifact import load_network

    return load_network(lineage.used(path, stale=stale))


def check_everywhere(network: "IntegerNetwork", options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The cost of a network on every target with limits, one row each, and whether it `fits`.

    A target gets those options that it has.
    """
    from hw_targets import targets
    from hw_targets.machines.target import Limits, check

    rows = []
    for target in targets().values():
        if target.check is not None and target.limits != Limits():
            known = {option.name for option in target.options}
            given = {name: value for name, value in options.items() if name in known}
            found = _told(check(target, network, given))
            rows.append(
                {"target": target.name, "part": target.description}
                | {column: found.get(column) for column in _COLUMNS}
                | {column: found[column] for column in _OF_SAMPLES if column in found}
                | {key: found[key] for key in ("fits", *_SAID)}
            )
    return rows


def _told(found: dict[str, Any]) -> dict[str, Any]:
    """What a check found, its lines in the words of the command line."""
    return found | {key: [told(line) for line in found[key]] for key in _SAID}


def _lines(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What is exceeded or not checked, by line, with the targets of which it is said."""
    said: dict[str, list[str]] = {}
    for row in rows:
        lines = [*row["violations"], *(f"not checked: {line}" for line in row["not_checked"])]
        for line in lines:
            said.setdefault(line, []).append(row["target"])
    return said
