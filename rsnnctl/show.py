"""Progress and remarks on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

from base.errors import shown

if TYPE_CHECKING:
    from rsnn.data.stream import OpenStream


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
def trials(total: int, what: str) -> Iterator[Callable[[Any], None]]:
    """Show the trials of a training on stderr, with the time left to the most that are possible.

    Yields a function of a record with `trial`, counted from 0, `mean_loss` and `right`.
    """
    with _progress(what, total, MofNCompleteColumn(), TimeRemainingColumn()) as update:
        yield lambda record: update(
            completed=record.trial + 1,
            remark=f"loss {record.mean_loss:.2f}, right {record.right:.2f}",
        )


@contextmanager
def accuracies(total: int, what: str) -> Iterator[Callable[[Any], None]]:
    """Show the epochs of a training that classifies on stderr, with the time left.

    Yields a function of a record with `epoch`, `train_accuracy` and `test_accuracy`.
    """
    with _progress(what, total, MofNCompleteColumn(), TimeRemainingColumn()) as update:
        yield lambda record: update(
            completed=record.epoch,
            remark=f"train {record.train_accuracy:.3f}, test {record.test_accuracy:.3f}",
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
    parts = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *columns,
        TextColumn("{task.fields[remark]}", markup=False),
    )
    with Progress(*parts, console=console, disable=not console.is_terminal) as bar:
        yield partial(bar.update, bar.add_task(shown(what), total=total, remark=""))


def say(text: str) -> None:
    """Print one line of status on stderr."""
    print(shown(text), file=sys.stderr, flush=True)


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
    except SystemExit:  # how a command ends that has printed its result
        say(text)
        raise
    say(text)
