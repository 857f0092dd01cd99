"""Many trainings of first-spike networks: k-fold validation and grids, kept one by one."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from base.checks import check_at_most, check_count
from base.errors import FileError
from base.files import reason, write_text
from base.lock import only_writer
from rsnn.first_spike.config import (
    MOST_RUNS,
    Change,
    FirstSpikeConfig,
    expanded,
    resolve,
)
from rsnn.first_spike.data.parts import Parts
from rsnn.first_spike.file import digest_of
from rsnn.first_spike.folds import stratified_folds, stratified_split
from rsnn.first_spike.training import start, train
from rsnnctl.runs.checksum import checksum, keep_row, kept_row
from rsnnctl.runs.cluster import MOST_JOBS, die_with_parent
from rsnnctl.runs.cluster import cluster as parallel_on
from rsnnctl.runs.first_spike.training import figures
from rsnnctl.runs.interrupts import keeping

KFOLD, GRID = "kfold", "grid"
FOLDER = "runs"
"""Below the output: what is kept of each run."""
BEST = "best.toml"
MOST_FOLDS = 1000
_GRID_SHARE, _GRID_SEED = 0.1, 0  # of the training part for validation, as published
Row = dict[str, Any]
Curves = dict[str, list[float | None]]


@dataclass(frozen=True)
class Run:
    """A training of a search.

    Attributes:
        columns: first columns of its row.
        config: its settings.
        numbers: of the training part, the samples to train and to validate on; None for all, and
            for the validation part that there is.
        is_grid: it may be abandoned.
    """

    columns: Row
    config: FirstSpikeConfig
    numbers: tuple[np.ndarray, np.ndarray] | None
    is_grid: bool = False

    def parts(self, whole: Parts) -> Parts:
        """What it is trained, validated and tested on."""
        if self.numbers is None:
            return whole
        train, validation = (whole.train.take(numbers) for numbers in self.numbers)
        return Parts(train, validation, whole.test)


@dataclass(frozen=True)
class Found:
    """Rows of a search, and of each run the accuracies of its epochs by part."""

    rows: list[Row]
    curves: list[Curves]


def folds(parts: Parts, changes: Sequence[Change], n_folds: int) -> list[Run]:
    """The runs of a k-fold validation on the training part; fold i has seed i.

    Raises:
        RangeError, DataError, MismatchError: settings or number of folds are refused.
    """
    check_at_most("folds", n_folds, MOST_FOLDS)
    found = stratified_folds(parts.train.label, n_folds)
    every = np.arange(parts.train.n_samples)
    return [
        Run(
            {"fold": number},
            resolve(changes, seed=number),
            (np.setdiff1d(every, chosen), chosen),
        )
        for number, chosen in enumerate(found)
    ]


def combinations(parts: Parts, changes: Sequence[Change]) -> list[Run]:
    """The runs of a grid: every combination of settings that are lists.

    Where there is no validation part, a tenth of the training part of each class is taken, by seed
    0.

    Raises:
        RangeError, DataError, MismatchError: a combination is refused, or there are too many.
    """
    numbers = None
    if parts.validation is None:
        numbers = stratified_split(parts.train.label, _GRID_SHARE, _GRID_SEED)
    return [
        Run({"run": number} | settings, resolve(chosen), numbers, is_grid=True)
        for number, (settings, chosen) in enumerate(expanded(changes), 1)
    ]


def run_all(
    runs: Sequence[Run],
    parts: Parts,
    *,
    jobs: int,
    cluster: str,
    output: Path,
    name: str,
    advance: Callable[[], None],
) -> Found:
    """Train every run, except those that were trained before; write the table, and the best.

    Args:
        runs: as `folds` or `combinations` returns them.
        parts: the samples.
        jobs, cluster: number to train at the same time, and where, as for `train`.
        output: folder of `runs/` and of the table.
        name: of the table, and of what is searched.
        advance: called after each run.

    Raises:
        RangeError: too many jobs.
        FileError: another process writes the folder, or it cannot be written.
        RsnnError: a run is refused.
    """
    check_count("jobs", jobs, MOST_JOBS)
    check_count("runs", len(runs), MOST_RUNS)
    samples = digest_of(parts)
    for each in runs:
        start(each.config, each.parts(parts))  # refuse it before anything is made
    with only_writer(_made(output / FOLDER), f"rsnnctl first-spike {name}"):
        found = _results(runs, parts, samples, jobs, cluster, output / FOLDER, name, advance)
        rows = [each.columns | row["row"] for each, row in zip(runs, found, strict=True)]
        if name == GRID:
            write_text(output / BEST, runs[best_of(rows)].config.as_toml())
        write_text(output / f"{name}.json", json.dumps(rows, indent=2) + "\n")
    return Found(rows, [row["curves"] for row in found])


def _results(
    runs: Sequence[Run],
    parts: Parts,
    samples: str,
    jobs: int,
    cluster: str,
    folder: Path,
    name: str,
    advance: Callable[[], None],
) -> list[Row]:
    """What is kept of each run in a folder, after those that were missing are trained."""
    places = [folder / f"{name}{number:05}.json" for number in range(len(runs))]
    labels = [_label(each, samples) for each in runs]
    found: dict[int, Row] = {}
    for number, (place, label) in enumerate(zip(places, labels, strict=True)):
        kept = kept_row(place, label)
        if kept is not None:
            found[number] = kept
            advance()
    missing = [number for number in range(len(runs)) if number not in found]
    told = f"the runs done are kept in {folder}; the same command continues"
    work = joblib.delayed(_trained)
    with (
        keeping(lambda: told if found else ""),
        parallel_on(cluster, max(1, min(jobs, len(missing)))) as parallel,
    ):
        for number, row in parallel(work(n, runs[n], parts, jobs == 1) for n in missing):
            keep_row(places[number], labels[number], row)
            found[number] = row
            advance()
    return [found[number] for number in range(len(runs))]


def best_of(rows: Sequence[Row]) -> int:
    """The place of the row of the highest validation accuracy; the first of equals."""
    return max(range(len(rows)), key=lambda k: (not rows[k]["abandoned"], _validated(rows[k])))


def summary_of(rows: Sequence[Row]) -> list[Row]:
    """Mean and standard deviation over folds, of all folds and not of a sample of them."""
    names = ("train_accuracy", "validation_accuracy", "test_accuracy")
    columns = {name: [row[name] for row in rows] for name in names}
    return [
        {"statistic": statistic} | {name: float(figure(v)) for name, v in columns.items()}
        for statistic, figure in (("mean", np.mean), ("sd", np.std))
    ]


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder}: cannot be made: {reason(error)}") from error
    return folder


def _validated(row: Row) -> float:
    found = row["validation_accuracy"]
    return -1.0 if found is None else float(found)


def _label(run: Run, samples: str) -> Mapping[str, Any]:
    numbers = None if run.numbers is None else [part.tolist() for part in run.numbers]
    return {"samples": samples, "config": run.config.as_dict(), "numbers": checksum(numbers)}


def _trained(number: int, run: Run, parts: Parts, is_alone: bool) -> tuple[int, Row]:
    if not is_alone:
        die_with_parent()
    own = run.parts(parts)
    training = start(run.config, own)
    train(training, own, is_grid=run.is_grid)
    curves = {
        part: [getattr(record, f"{part}_accuracy") for record in training.records]
        for part in ("train", "validation", "test")
    }
    row = {**figures(training), "abandoned": training.abandoned}
    return number, {"row": row, "curves": curves}
