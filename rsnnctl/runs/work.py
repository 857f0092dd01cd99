"""What `rsnnctl train` does in a run folder, for each sort of network that it trains."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base.lock import only_writer
from rsnnctl.runs import folders, stages

Row = dict[str, Any]
Report = Callable[[Any], None]


@dataclass(frozen=True)
class Work:
    """A sort of training.

    Attributes:
        train: trains the network of a run, or continues to, until its model is written; calls the
            function that it is given with each record of progress.
        settings: reads the settings that a run was started with, or refuses them.
        progress: shows records of a run on stderr; given its folder.
        row: results of a finished run.
        group: columns of a row within which seeds are summarized.
        figures: columns that are summarized.
        steps: what is counted while it runs, in the plural.
    """

    train: Callable[[Path, Report], None]
    settings: Callable[[Path], Any]
    progress: Callable[[Path], AbstractContextManager[Report]]
    row: Callable[[Path], Row]
    group: tuple[str, ...]
    figures: tuple[str, ...]
    steps: str


def run(work: Work, folder: Path, report: Report) -> Path:
    """Run or continue a training; return the model's path.

    An interruption or an error leaves the folder with what is done; `train --resume` continues.

    Args:
        work: what to do.
        folder: of the run, which no other process writes meanwhile.
        report: called with each record of progress.

    Raises:
        FileError, DataError, MismatchError, RsnnError: loading, splitting or training fails.
    """
    with only_writer(folder, "rsnnctl train"):
        path = folder / folders.MODEL
        if not path.exists() or stages.has_begun(folder):  # else it was stopped just before its end
            work.train(folder, report)
        folders.finish(folder)
        stages.clear_training(folder)
    return path
