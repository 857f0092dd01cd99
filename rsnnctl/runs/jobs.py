"""Parallel trainings: every session or task with every seed, on this machine or a cluster."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch

from base.checks import LARGEST_SEED
from base.errors import DataError, FileError, MismatchError, RangeError, RsnnError
from base.lock import only_writer
from rsnn.data.session import check_once, load_session
from rsnn.data.split import split_session
from rsnn.training.config import choices, resolve
from rsnn.training.device import find_device
from rsnnctl import show
from rsnnctl.runs import folders, stages, training
from rsnnctl.runs.cluster import cluster as parallel_on
from rsnnctl.runs.cluster import die_with_parent
from rsnnctl.runs.first_spike import training as first_spike
from rsnnctl.runs.interrupts import keeping
from rsnnctl.runs.rate import training as rate
from rsnnctl.runs.training import CONFIG, planned_training, warn_if_edited
from rsnnctl.runs.work import Row, Work, run

_MOST_SEEDS = 10_000
_WORKS = {
    "recordings": training.WORK,
    "tasks": rate.WORK,
    "samples": first_spike.WORK,
}


def start_all(
    *,
    sessions: Sequence[Path],
    preset: str | None,
    recipe: str | None,
    config: Path | None,
    settings: Sequence[str],
    epochs: int | None,
    kernel: str | None,
    device: str | None,
    seeds: str,
    pretrain: bool,
    name: str,
    output: Path | None = None,
) -> list[Path]:
    """Make a run folder for every session and seed; none is left if one cannot be made.

    Args:
        sessions: recordings; if empty, a synthetic one per seed.
        preset: preset of the network; None for that of the settings, or `tiny`.
        recipe: None for `short` without sessions and `published` with them.
        config: TOML file.
        settings: `section.name=value`.
        epochs: epochs of training; overrides all other settings.
        kernel, device: kernel and device of every stage, names in `rsnn.training.names.KERNELS` and
            `DEVICES`; settings override them. A device without a kernel gets its fastest one.
        seeds: as read by `parse_seeds`.
        pretrain: train on all sessions together first.
        name: name of the run; session and seed are added if there are several.
        output: folder of the run, or of a folder for each if there are several; None: `runs`.

    Raises:
        RangeError, DataError, FileError: the settings or the recordings are refused, or a recording
            is named twice.
        ToolError: the device is not available.
    """
    used = recipe or ("published" if sessions else "short")
    numbers = parse_seeds(seeds)
    if pretrain and not sessions:
        raise DataError("`pretrain` is given but no session; name the recordings to train on")
    check_once(sessions)
    chosen = choices(("pretraining", "training", "retraining"), device, kernel)
    changed = () if epochs is None else (f"training.epochs={epochs}",)
    planned: list[folders.Planned] = []
    sources: Sequence[Path | None] = sessions or [None]
    for source in sources:
        if source is not None:
            split_session(load_session(source))  # refuse it before anything is made
        for seed in numbers:
            parts = [folders.name_of(source)] if source is not None and len(sessions) > 1 else []
            parts += [f"seed{seed}"] if len(numbers) > 1 else []
            resolved = resolve(
                used,
                preset=preset or "tiny",
                files=[config] if config else [],
                settings=(*chosen, *settings, *changed),
                seed=seed,
            )
            if preset not in (None, resolved.model.preset):
                raise RangeError(
                    f"`preset` is {preset}, but model.preset is {resolved.model.preset} in the"
                    " settings, which decide; leave one out"
                )
            find_device(resolved.training.device)
            planned.append(
                planned_training(
                    source,
                    resolved,
                    name="-".join([name, *parts] if output is None else parts or [output.name]),
                    recipe=used,
                    pretrain_on=tuple(sessions) if pretrain else (),
                )
            )
    place = output if output is None or len(planned) > 1 else output.parent
    folders.tidy(place or folders.ROOT, stages.has_training, stages.clear_training)
    return folders.start(planned, place)


def resumable(root: Path | None = None) -> list[Path]:
    """Interrupted trainings in a folder, or the one that it is; None for `runs`.

    Those whose start was interrupted are started, and imports that only lack their end finished.

    Raises:
        FileError: there is none, or only such whose facts or settings cannot be read.

    Warns:
        RsnnWarning: the settings of one were edited.
    """
    root = root or folders.ROOT
    folders.resume_start(root)
    folders.tidy(root, stages.has_training, stages.clear_training)
    found = folders.unfinished(root)
    imported = [run for run in found if folders.read_facts(run).get("command") != "train"]
    for folder in imported:
        folders.finish(folder)
        show.say(f"{folder}: finished")
    if not found:
        folders.check_facts(root)
        raise FileError(
            f"{root}: no run was interrupted, so there is none to resume; start one with"
            " `rsnnctl train`"
        )
    usable: list[Path] = []
    refused: list[FileError] = []
    for folder in found:
        if folder not in imported:
            try:
                warn_if_edited(folder)
                work_of([folder]).settings(folder)
                usable.append(folder)
            except RsnnError as why:  # it stands in the way of no other
                place = "" if str(why).startswith(str(folder)) else f"{folder / CONFIG}: "
                refused.append(FileError(f"{place}{why}"))
    if refused and not usable:
        raise refused[0]
    for error in refused:
        show.say(f"Warning: {error}")
    return usable


def run_all(
    started: Sequence[Path], *, n_jobs: int, cluster: str, are_new: bool = True
) -> tuple[list[Row], list[Row]]:
    """Run trainings, `n_jobs` at a time, and gather their results.

    One training at a time shows its epochs; several show how many are done.

    Args:
        started: result of `start_all` or `resumable`.
        n_jobs: processes; if there are several, each computes with one thread.
        cluster: where the processes run, one of `rsnnctl.runs.cluster.CLUSTERS`.
        are_new: `started` comes from `start_all`: they are removed if nothing came of any. Else
            all stay after an error, so that `train --resume` trains each that was asked for.

    Returns:
        One row per run; and the mean and sd over the seeds of each session, or task and number of
        units, that has several.

    Raises:
        MismatchError: they are of several sorts.
        ToolError: the cluster's package is not installed.
        RsnnError: a training is refused.
    """
    work = work_of(started)
    with keeping(lambda: _kept(started, work.steps)):
        try:
            rows = list(_rows(work, started, n_jobs, cluster))
        except BaseException:
            if are_new:
                _discard_empty(started)
            raise
    if n_jobs > 1:
        rows.sort(key=lambda row: (*(row[key] for key in work.group), row["seed"]))
    return rows, list(_summaries(work, rows))


def work_of(started: Sequence[Path]) -> Work:
    """What is to be done in runs: training on sessions, on a task, or on samples.

    Raises:
        MismatchError: they are of several sorts.
    """
    sorts = sorted({_sort(folders.read_facts(folder)) for folder in started})
    if len(sorts) > 1:
        raise MismatchError(
            f"{started[0].parent}: holds interrupted trainings on {' and on '.join(sorts)}; name"
            " the folder of one with -o"
        )
    return _WORKS[sorts[0]] if sorts else training.WORK


def _sort(facts: Mapping[str, Any]) -> str:
    if rate.TASK in facts:
        return "tasks"
    return "samples" if first_spike.SAMPLES in facts else "recordings"


def _rows(work: Work, started: Sequence[Path], n_jobs: int, cluster: str) -> Iterator[Row]:
    """One row per run as it finishes."""
    if n_jobs == 1:
        for folder in started:
            with work.progress(folder) as report:
                run(work, folder, report)
            yield work.row(folder)
        return
    calls = [joblib.delayed(_train_alone)(folder.resolve()) for folder in started]
    with (
        parallel_on(cluster, min(n_jobs, len(calls))) as parallel,
        show.count(len(calls), "runs") as advance,
    ):
        for row in parallel(calls):
            advance()
            yield row
    folders.finish(started[-1])  # the latest, whichever ended last


def _discard_empty(started: Sequence[Path]) -> None:
    """Remove runs of one call if nothing came of any, and no other process writes them."""
    if not any(stages.has_begun(folder) or folders.has_model(folder) for folder in started):
        for folder in started:
            with suppress(FileError), only_writer(folder, "rsnnctl train"):
                folders.discard(folder)


def _kept(started: Sequence[Path], steps: str) -> str:
    """What is left of runs that were interrupted, and how to continue them."""
    begun = [folder for folder in started if stages.has_begun(folder)]
    if not begun:
        return ""
    again = "rsnnctl train --resume"
    if folders.ROOT not in begun[0].parents:
        again += f" -o {started[0] if len(started) == 1 else started[0].parent}"
    names = ", ".join(map(str, begun))
    return f"the {steps} done are kept in {names}; `{again}` continues"


def parse_seeds(text: str) -> list[int]:
    """Read `3`, `1,4` or `1..5`.

    Raises:
        RangeError: anything else, or a seed twice.
    """
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*(\d{1,99})(?:\.\.(\d{1,99}))?\s*", part)
        if not found:
            raise RangeError(f"`seeds` is {text}; write one as 3, several as 1,4 or 1..5")
        first, last = int(found[1]), int(found[2] or found[1])
        if last > LARGEST_SEED or len(numbers) + last - first >= _MOST_SEEDS:
            raise RangeError(
                f"`seeds` is {text}; at most {_MOST_SEEDS} seeds up to {LARGEST_SEED} are possible"
            )
        numbers += range(first, last + 1)
    if not numbers or len(set(numbers)) < len(numbers):
        raise RangeError(f"`seeds` is {text}; at least one and none twice is needed, as in 1..5")
    return numbers


def _train_alone(folder: Path) -> Row:
    die_with_parent()
    torch.set_num_threads(1)
    work = work_of([folder])
    run(work, folder, lambda record: None)
    return work.row(folder)


def _summaries(work: Work, rows: Sequence[Row]) -> Iterator[Row]:
    def of(row: Row) -> Row:
        return {key: row[key] for key in work.group}

    for same in ([row for row in rows if of(row) == group] for group in _distinct(map(of, rows))):
        if len(same) > 1:
            for name, figure in (("mean", np.mean), ("sd", lambda v: np.std(v, ddof=1))):
                columns = {key: [row[key] for row in same] for key in work.figures}
                values = {k: None if None in v else float(figure(v)) for k, v in columns.items()}
                yield {"statistic": name} | of(same[0]) | values


def _distinct(groups: Iterable[Row]) -> list[Row]:
    found: list[Row] = []
    for group in groups:
        if group not in found:
            found.append(group)
    return found
