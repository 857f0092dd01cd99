"""Results for people on stdout, JSON for machines, progress on stderr."""

import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from base.metrics import Metrics

if TYPE_CHECKING:
    from rsnn.data.stream import OpenStream

_WIDE = 200  # columns, if stdout is a file or a pipe


def print_json(value: Any) -> None:
    """Print one JSON document; numbers that are not finite become null."""
    print(json.dumps(_finite(value), indent=2))


def print_table(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> None:
    """Print rows under the union of their keys; `-` where a row has no such key."""
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    table = Table(title=title, title_justify="left")
    names = list(dict.fromkeys(name for row in rows for name in row))
    for name in names:
        is_text = any(isinstance(row.get(name), str) for row in rows)
        table.add_column(name, justify="left" if is_text else "right")
    for row in rows:
        table.add_row(*(_text(row.get(name, "-")) for name in names))
    console.print(table)


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print rows as JSON for machines or as a table for people."""
    print_json(rows) if as_json else print_table(rows)


def print_facts(facts: Mapping[str, Any], title: str | None = None) -> None:
    """Print names and values, two columns."""
    print_table([{"what": name, "value": _text(v)} for name, v in facts.items()], title)


def print_description(description: Mapping[str, Any]) -> None:
    """Print nested facts: one table for plain values, one per group and per list."""
    plain = {k: v for k, v in description.items() if not isinstance(v, Mapping | list)}
    print_facts(plain)
    for name, value in description.items():
        if (
            isinstance(value, Mapping)
            and value
            and all(isinstance(v, Mapping) for v in value.values())
        ):
            print_table([{"name": key} | dict(row) for key, row in value.items()], name)
        elif isinstance(value, Mapping) and value:
            print_facts(value, name)
        elif isinstance(value, list) and value:
            print_table(value, name)


def metrics_row(name: str, stream: str, metrics: Metrics) -> dict[str, Any]:
    """One row of NeuroBench's table, ready for `print_table` and `print_json`."""
    return {"model": name, "session": stream} | asdict(metrics)


@contextmanager
def epochs(total: int, what: str) -> Iterator[Callable[[Any], None]]:
    """Show the epochs of a training on stderr, with the time left.

    Yields a function of a record with `epoch`, `train_r2` and `validation_r2`.
    """
    with _progress(what, total, MofNCompleteColumn(), TimeRemainingColumn()) as update:
        yield lambda record: update(
            completed=record.epoch,
            remark=f"R2 train {record.train_r2:.3f}, validation {record.validation_r2:.3f}",
        )


@contextmanager
def count(total: int, what: str) -> Iterator[Callable[[], None]]:
    """Show on stderr how many of `total` are done; yields a function to call for each."""
    with _progress(what, total, MofNCompleteColumn(), TimeRemainingColumn()) as update:
        yield lambda: update(advance=1)


@contextmanager
def download_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a download on stderr; yields a function of (bytes done, bytes in all)."""
    columns = (DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with _progress(what, None, *columns) as update:
        yield lambda done, total: update(completed=done, total=total or None)


@contextmanager
def _progress(
    what: str, total: float | None, *columns: ProgressColumn
) -> Iterator[Callable[..., None]]:
    """A progress bar on stderr, if it is a terminal; yields the function that updates it."""
    console = Console(stderr=True)
    shown = (
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TextColumn("{task.fields[remark]}"),
    )
    with Progress(*shown, console=console, disable=not console.is_terminal) as bar:
        yield partial(bar.update, bar.add_task(what, total=total, remark=""))


def say(text: str) -> None:
    """Print one line of status on stderr."""
    print(text, file=sys.stderr, flush=True)


def say_step(stream: "OpenStream", dt: float) -> None:
    """Say on stderr that a raster without a step of its own is taken at a network's `dt` s."""
    from rsnn.data.stream import step_taken

    if stream.dt is None:
        say(step_taken(stream.name, dt))


def say_at_end(text: str) -> None:
    """Print one line of status on stderr once the running command is over without an error."""
    click.get_current_context().with_resource(_said_at_end(text))


@contextmanager
def _said_at_end(text: str) -> Iterator[None]:
    try:
        yield
    except SystemExit:  # a verdict, such as that of `check`
        say(text)
        raise
    say(text)


def say_report(facts: Mapping[str, Any], *, as_json: bool) -> None:
    """Print facts about a finished step on stderr, where stdout has the results themselves."""
    if as_json:
        say(json.dumps(_finite(facts)))
    else:
        say(", ".join(f"{name} {_text(value)}" for name, value in facts.items()))


def _text(value: Any) -> str:
    if isinstance(value, float):
        if math.isnan(value):
            return "-"
        whole = value == round(value) or abs(value) >= 1000
        return f"{value:.0f}" if whole else f"{value:.4g}"
    if isinstance(value, Mapping) and set(value) == {"min", "max"}:
        return f"{_text(value['min'])} .. {_text(value['max'])}"
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {_text(v)}" for key, v in value.items())
    if isinstance(value, list | tuple):
        return " x ".join(_text(v) for v in value)
    return "-" if value is None else str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return value
