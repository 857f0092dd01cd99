"""Train rate networks on tasks in run folders: model, log and every setting; can be interrupted."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.container import read_label
from base.errors import FileError
from rsnn.rate import file
from rsnn.rate.network import RateNetwork
from rsnn.rate.tasks import find_task
from rsnn.rate.training.config import RateConfig, resolve
from rsnn.rate.training.initialize import draw_network
from rsnn.rate.training.state import load_training, save_training
from rsnn.rate.training.train import Record, Training, train
from rsnnctl import show
from rsnnctl.provenance import provenance
from rsnnctl.runs import folders, stages
from rsnnctl.runs.training import CONFIG, LOG, planned_with
from rsnnctl.runs.work import Report, Row, Work

TASK = "task"  # fact: the name of the task, which only such runs have
_STAGE = "training"


def start_all(
    task: str,
    *,
    units: int | None,
    config: Path | None,
    settings: Sequence[str],
    seeds: Sequence[int],
    name: str,
    output: Path | None = None,
) -> list[Path]:
    """Make a run folder per seed; none is left if one cannot be made.

    Args:
        task: name of the task.
        units: units of each network; None for that of the settings.
        config: TOML file.
        settings: `section.name=value`.
        seeds: one run each.
        name: name of the run; the seed is added if there are several.
        output: folder of the run, or of a folder for each if there are several; None: `runs`.

    Raises:
        RangeError, DataError, FileError: the task or the settings are refused.
    """
    planned = []
    for seed in seeds:
        files = [] if config is None else [config]
        resolved = resolve(files=files, settings=settings, units=units, seed=seed)
        _drawn(task, resolved)  # refuse it before anything is made
        part = [f"seed{seed}"] if len(seeds) > 1 else []
        called = "-".join([name, *part]) if output is None else (part or [output.name])[0]
        facts = {"command": "train", TASK: task}
        planned.append(planned_with(called, facts, resolved.as_toml()))
    place = output if output is None or len(planned) > 1 else output.parent
    folders.tidy(place or folders.ROOT, stages.has_training, stages.clear_training)
    return folders.start(planned, place)


def _settings(folder: Path) -> RateConfig:
    found = resolve(files=[folder / CONFIG])
    find_task(folders.read_facts(folder)[TASK])
    return found


def _drawn(task: str, config: RateConfig) -> tuple[RateNetwork, np.random.Generator]:
    """The network at the start, and its generator, which draws the trials next."""
    generator = np.random.default_rng(config.training.seed)
    found = find_task(task)
    return draw_network(config.network, found.n_inputs, task, generator), generator


def _train(folder: Path, report: Report) -> None:
    config, task = _settings(folder), folders.read_facts(folder)[TASK]
    start, generator = _drawn(task, config)
    label = {"task": task, **config.as_dict()}
    path = stages.state_path(folder, _STAGE)
    training = Training(start, generator)
    if path.exists():
        training, kept = load_training(path, start)
        stages.check_label(path, label, kept)

    def keep(record: Record) -> None:
        save_training(training, path, label)
        stages.write_records(folder / stages.FOLDER / f"{_STAGE}.jsonl", _STAGE, training.records)
        report(record)

    learning_rate, max_trials = config.training.learning_rate, config.training.max_trials
    train(
        training,
        find_task(task),
        max_trials=max_trials,
        learning_rate=learning_rate,
        report=keep,
    )
    stages.write_records(folder / LOG, _STAGE, training.records)
    last = training.records[-1]
    figures = {"trials": len(training.losses), "mean_loss": last.mean_loss, "right": last.right}
    facts = provenance("train", **label, **figures, done=training.done)
    history = _history(training, start)
    file.save(training.before, folder / folders.MODEL, facts, history)


def _history(training: Training, start: RateNetwork) -> dict[str, NDArray[Any]]:
    """What the published files keep of a training, in their names and shapes."""
    return {
        "losses": np.array([training.losses]),
        "w0": start.w,
        "taus_gaus0": start.tau_param[:, None],
        **training.last,
    }


def _progress(folder: Path) -> AbstractContextManager[Report]:
    return show.trials(_settings(folder).training.max_trials, folder.name)


def _row(folder: Path) -> Row:
    path = folder / folders.MODEL
    network, _ = file.load_rate(path)
    made = read_label(path).provenance.get("inputs")
    names = ("trials", "mean_loss", "right", "done")
    if not isinstance(made, dict) or not {*names, "training"} <= made.keys():
        raise FileError(f"{path}: does not say how it was trained; train again")
    return {
        "run": folder.name,
        "task": network.task,
        "units": network.n_units,
        "seed": made["training"]["seed"],
        **{name: made[name] for name in names},
    }


WORK = Work(
    _train,
    _settings,
    _progress,
    _row,
    group=("task", "units"),
    figures=("trials", "mean_loss", "right"),
    steps="trials",
)
