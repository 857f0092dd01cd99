"""Hardware targets: what there is, and whether a network fits."""

import sys
from pathlib import Path

import click

from rsnnctl.commands.options import FILE, json_option

commands = click.Group()


@commands.command("targets")
@json_option
def list_targets(as_json: bool) -> None:
    """List hardware targets, their limits, and whether their tools are here."""
    from rsnnctl import show
    from rsnnctl.steps.hardware import describe_targets

    rows = describe_targets()
    show.print_json(rows) if as_json else show.print_table(rows)


@commands.command()
@click.argument("network", type=FILE, required=False)
@click.option("--target", required=True, help="One of `rsnnctl targets`.")
@json_option
def check(network: Path | None, target: str, as_json: bool) -> None:
    """Count what a network costs on a target; exit 1 if it breaks a limit, and say each."""
    from rsnnctl import runs, show
    from rsnnctl.steps.hardware import check_file

    found = check_file(network or runs.default_file(runs.NETWORK), target)
    show.print_json(found) if as_json else show.print_facts(
        {key: value for key, value in found.items() if key != "violations"}
    )
    for violation in found["violations"]:
        show.say(f"{target}: {violation}")
    if found["violations"]:
        sys.exit(1)
