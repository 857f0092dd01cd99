"""`targets`, `check`, `build`: networks on hardware."""

import sys
from pathlib import Path

import click

from rsnnctl.commands.options import FILE, json_option, layout_option

commands = click.Group()


@commands.command()
@json_option
def targets(as_json: bool) -> None:
    """List the hardware that networks can be built for, its limits and missing tools."""
    from rsnnctl import show
    from rsnnctl.steps.hardware import list_targets

    rows = list_targets()
    show.print_json(rows) if as_json else show.print_table(rows)


@commands.command()
@click.argument("network", type=FILE, required=False)
@click.option("--target", help="A name that `targets` lists. Default: every part, a line each.")
@layout_option
@json_option
def check(network: Path | None, target: str | None, layout: str, as_json: bool) -> None:
    """Tell what a network costs on a target and every limit that it breaks; exit 1 if any."""
    from rsnnctl import show
    from rsnnctl.runs import folders
    from rsnnctl.steps.hardware import check_everywhere, check_file

    path = network or folders.default_file(folders.NETWORK)
    if target is None:
        rows = check_everywhere(path, layout)
        if as_json:
            show.print_json(rows)
        else:
            show.print_table([{k: row[k] for k in row if k != "violations"} for row in rows])
            for row in rows:
                for line in row["violations"]:
                    click.echo(f"{row['target']}: {line}")
        if not any(row["fits"] for row in rows):
            sys.exit(1)
        return
    found = check_file(path, target, layout)
    if as_json:
        show.print_json(found)
    else:
        show.print_facts({key: found[key] for key in found if key != "violations"})
        for line in found["violations"] or [f"fits {target}"]:
            click.echo(line)
    if found["violations"]:
        sys.exit(1)


@commands.command()
@click.argument("network", type=FILE, required=False)
@click.option("--target", required=True, help="A name that `targets` lists.")
@layout_option
@click.option("-o", "--output", type=FILE, help="Folder; default: `firmware` beside the network.")
def build(network: Path | None, target: str, layout: str, output: Path | None) -> None:
    """Write a firmware project: C, build files, example with the golden run as self-test."""
    from rsnnctl.runs import folders
    from rsnnctl.steps.hardware import build_file

    source = network or folders.default_file(folders.NETWORK)
    for path in build_file(source, target, output or source.parent / "firmware", layout):
        click.echo(path)
