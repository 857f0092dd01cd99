"""`rsnnctl check`: the cost of a network on a target, and every limit it exceeds."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsnnctl.options import TARGET, json_option, layout_option, network_argument, told

if TYPE_CHECKING:
    from sim.network import IntegerNetwork

_COLUMNS = ("flash", "ram", "instructions_mean", "instructions_worst_case", "worst_case_ms")


@click.command()
@network_argument
@click.option("--target", type=TARGET, help="Target to check. Default: every target with limits.")
@layout_option
@json_option
def command(network: Path | None, target: str | None, layout: str | None, as_json: bool) -> None:
    """Check a network against the limits of a target.

    Report its cost and every limit it exceeds; exit status 1 if it exceeds one or, without
    --target, if it fits no target.
    """
    from hw_targets import find_target
    from hw_targets.machines.target import check
    from rsnnctl import show
    from rsnnctl.runs import folders
    from sim.artifact import load_network

    loaded = load_network(folders.chosen(network, folders.NETWORK))
    if target is None:
        rows = check_everywhere(loaded, layout)
        if as_json:
            show.print_json(rows)
        else:
            show.print_table([{k: row[k] for k in row if k != "violations"} for row in rows])
            for row in rows:
                for line in row["violations"]:
                    click.echo(f"{row['target']}: {line}")
        sys.exit(0 if any(row["fits"] for row in rows) else 1)
    found = check(find_target(target), loaded, {"layout": layout})
    violations = [told(line) for line in found["violations"]]
    if as_json:
        show.print_json(found | {"violations": violations})
    else:
        show.print_facts({key: found[key] for key in found if key != "violations"})
        for line in violations or [f"fits {target}"]:
            click.echo(line)
    sys.exit(1 if violations else 0)


def check_everywhere(network: "IntegerNetwork", layout: str | None) -> list[dict[str, Any]]:
    """The cost of a network on every target with limits, one row each, and whether it `fits`."""
    from base.errors import ToolError
    from hw_targets import targets
    from hw_targets.machines.target import check

    rows = []
    for target in targets().values():
        if target.check is None:
            continue
        try:
            found = check(target, network, {"layout": layout})
        except ToolError as error:
            found = {"violations": [f"not checked: {error}"]}
        rows.append(
            {"target": target.name, "part": target.description}
            | {column: found.get(column) for column in _COLUMNS}
            | {
                "fits": not found["violations"],
                "violations": [told(line) for line in found["violations"]],
            }
        )
    return rows
