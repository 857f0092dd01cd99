"""Print a result in the format that was asked for, and the options that ask for it."""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from base.errors import shown
from rsnnctl.results.kind import Column, Kind, Result

FORMATS = ("table", "csv", "md", "latex", "json")
_CHOSEN = f"{__name__}.format"  # key of click's `meta`

ERROR = Kind(
    "error",
    "Why a command refused its work, or was interrupted.",
    (
        Column("error", "text", "Class of the error, as in `base.errors`, or `UsageError`."),
        Column("message", "text", "One line for people: what, value, limit, way out."),
        Column("exit_code", "integer", "Exit status of the command."),
    ),
)


def add_formats(command: click.Command) -> None:
    """Give a command, or each of a group, `--format` and `--json`."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            add_formats(each)
        return
    command.params += [
        click.Option(
            ["--format", "output_format"],
            type=click.Choice(FORMATS),
            help="Format of the result. Default: table.",
            expose_value=False,
            callback=_choose,
        ),
        click.Option(
            ["--json", "output_json"],
            is_flag=True,
            help="Print the result as JSON, like --format json.",
            expose_value=False,
            callback=_choose,
        ),
    ]


def print_result(result: Result) -> None:
    """Print a result in the format that the user chose."""
    stream = sys.stderr if result.on_stderr else sys.stdout
    chosen = _chosen()
    if chosen == "json":
        print(as_json(result, indent=None if result.on_stderr else 2), file=stream)
        return
    from rsnnctl.results.tables import tables_of

    if chosen == "table":
        if not result.is_plain:
            from rsnnctl.results.terminal import print_tables

            print_tables(tables_of(result), stream)
        for line in result.lines:
            print(shown(line), file=stream)
        return
    from rsnnctl.results.markup import as_csv, as_latex, as_markdown

    write = {"csv": as_csv, "md": as_markdown, "latex": as_latex}[chosen]
    tables = tables_of(result, exact=chosen == "csv")
    print("\n".join(map(write, tables)), end="", file=stream)


def as_json(result: Result, indent: int | None = 2) -> str:
    """One JSON document; numbers that are not finite become null."""
    return json.dumps(_finite(result.as_dict()), indent=indent)


def is_json() -> bool:
    """Whether the command that runs prints one JSON document."""
    return _chosen() == "json"


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, even one that cannot be parsed."""
    pairs = zip(words, [*words[1:], ""], strict=True)
    return any(word in ("--json", "--format=json") for word in words) or any(
        pair == ("--format", "json") for pair in pairs
    )


def _chosen() -> str:
    return click.get_current_context().meta.get(_CHOSEN, "table")


def _choose(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    wanted = "json" if value is True else value
    if not wanted:
        return
    before = context.meta.setdefault(_CHOSEN, wanted)
    if before != wanted:
        other = wanted if before == "json" else before
        raise click.UsageError(f"--json and --format {other} ask for two formats; leave one out")


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
