"""Arguments and options that several commands share."""

from pathlib import Path

import click

FILE = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
session_option = click.option(
    "--session", type=FILE, help="Recording (.mat); default: the one of the run."
)
layout_option = click.option(
    "--layout", default="fast", show_default=True, help="Of weights in flash: fast or compact."
)
seed_option = click.option("--seed", default=1, show_default=True, help="Of everything random.")


def output_option(what: str):
    """`-o/--output` for a file that is `what`."""
    return click.option("-o", "--output", type=FILE, help=f"{what}; default: beside the input.")
