"""`rsnnctl check`: the cost of a network on a target, and every limit it exceeds."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsnnctl.options import TARGET, json_option, layout_option, network_argument, told

if TYPE_CHECKING:
    from sim.network import IntegerNetwork

_COLUMNS = ("flash", "ram", "instructions_mean", "instructions_worst_case", "worst_case_ms")
_LINES = ("violations", "not_checked")
_FITS = {True: "yes", False: "no", None: "not checked"}


@click.command()
@network_argument
@click.option("--target", type=TARGET, help="Target to check. Default: every target with limits.")
@layout_option
@json_option
def command(
    network: Path | None, stale: bool, target: str | None, layout: str | None, as_json: bool
) -> None:
    """Check a network against the limits of a target.

    Report its cost and every limit it exceeds. Without the tools of a target it is not checked,
    and the packages that have them are named. Exit status 1 if the network does not fit a target
    that was checked, or if the target named by --target cannot be checked.
    """
    from hw_targets import find_target
    from hw_targets.machines.target import check
    from rsnnctl import show
    from rsnnctl.runs import folders, lineage
    from sim.artifact import load_network

    loaded = load_network(lineage.used(folders.chosen(network, folders.NETWORK), stale=stale))
    if target is None:
        rows = check_everywhere(loaded, layout)
        if as_json:
            show.print_json(rows)
        else:
            show.print_table([_facts(row) for row in rows])
            for line, names in _lines(rows).items():
                click.echo(f"{', '.join(names)}: {line}")
        sys.exit(1 if any(row["fits"] is False for row in rows) else 0)
    found = _told(check(find_target(target), loaded, {"layout": layout}))
    if as_json:
        show.print_json(found)
    else:
        show.print_facts(_facts(found))
        for line in _lines([found]) or [f"fits {target}"]:
            click.echo(line)
    sys.exit(0 if found["fits"] else 1)


def check_everywhere(network: "IntegerNetwork", layout: str | None) -> list[dict[str, Any]]:
    """The cost of a network on every target with limits, one row each, and whether it `fits`."""
    from hw_targets import targets
    from hw_targets.machines.target import check

    rows = []
    for target in targets().values():
        if target.check is not None:
            found = _told(check(target, network, {"layout": layout}))
            rows.append(
                {"target": target.name, "part": target.description}
                | {column: found.get(column) for column in _COLUMNS}
                | {key: found[key] for key in ("fits", *_LINES)}
            )
    return rows


def _told(found: dict[str, Any]) -> dict[str, Any]:
    """What a check found, its lines in the words of the command line."""
    return found | {key: [told(line) for line in found[key]] for key in _LINES}


def _facts(found: dict[str, Any]) -> dict[str, Any]:
    """What a check found but its lines, for a table."""
    return {key: found[key] for key in found if key not in _LINES} | {"fits": _FITS[found["fits"]]}


def _lines(rows: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What is exceeded or not checked, by line, with the targets of which it is said."""
    said: dict[str, list[str]] = {}
    for row in rows:
        lines = [*row["violations"], *(f"not checked: {line}" for line in row["not_checked"])]
        for line in lines:
            said.setdefault(line, []).append(row["target"])
    return said
