"""Train first-spike networks in run folders: model, log and every setting; can be interrupted."""

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from base.container import read_label
from base.errors import FileError
from base.settings import settings_in
from base.toml import read_toml
from rsnn.first_spike.config import Change, FirstSpikeConfig, resolve
from rsnn.first_spike.data.parts import Parts, load_parts
from rsnn.first_spike.file import (
    digest_of,
    load_network,
    load_training,
    save_network,
    save_training,
)
from rsnn.first_spike.training import Record, Training, start, train
from rsnnctl import show
from rsnnctl.provenance import provenance
from rsnnctl.runs import folders, stages
from rsnnctl.runs.first_spike.samples import SAMPLES, TICKS
from rsnnctl.runs.training import CONFIG, LOG, planned_with
from rsnnctl.runs.work import Report, Row, Work

SAVED_EVERY = 2.0  # s; a state takes longer to write than most epochs take
_STAGE = "training"
_FIGURES = ("train_accuracy", "validation_accuracy", "test_accuracy")


def start_all(
    source: str,
    *,
    ticks: int | None,
    changes: Sequence[Change],
    seeds: Sequence[int],
    name: str,
    output: Path | None = None,
) -> list[Path]:
    """Make a run folder per seed; none is left if one cannot be made.

    Args:
        source, ticks: the samples, as in `rsnn.first_spike.data.parts.load_parts`.
        changes: settings, as `rsnn.first_spike.config.gathered` returns them.
        seeds: one run each.
        name: name of the run; the seed is added if there are several.
        output: folder of the run, or of a folder for each if there are several; None: `runs`.

    Raises:
        RsnnError: samples or settings are refused.
    """
    parts, planned = load_parts(source, ticks), []
    path = Path(source)
    facts = {
        "command": "train",
        SAMPLES: str(path.resolve()) if path.exists() else source,
        TICKS: ticks,
    }
    for seed in seeds:
        config = resolve(changes, seed=seed)
        start(config, parts)  # refuse it before anything is made
        part = [f"seed{seed}"] if len(seeds) > 1 else []
        called = "-".join([name, *part]) if output is None else (part or [output.name])[0]
        planned.append(planned_with(called, facts, config.as_toml()))
    place = output if output is None or len(planned) > 1 else output.parent
    folders.tidy(place or folders.ROOT, stages.has_training, stages.clear_training)
    return folders.start(planned, place)


def settings_of(folder: Path) -> FirstSpikeConfig:
    """The settings that a run was started with.

    Raises:
        FileError, DataError, RangeError: they are not there any more, or were damaged.
    """
    path = folder / CONFIG
    return resolve(list(settings_in(path, read_toml(path))))


def parts_of(folder: Path) -> Parts:
    """The samples of a run.

    Raises:
        RsnnError: they cannot be read any more.
    """
    facts = folders.read_facts(folder)
    return load_parts(facts[SAMPLES], facts.get(TICKS))


def _train(folder: Path, report: Report) -> None:
    config, parts = settings_of(folder), parts_of(folder)
    label = {SAMPLES: digest_of(parts), **config.as_dict()}
    path = stages.state_path(folder, _STAGE)
    if path.exists():
        training, kept = load_training(path, config, parts)
        stages.check_label(path, label, kept)
    else:
        training = start(config, parts)
    saved = time.monotonic()

    def keep(record: Record) -> None:
        nonlocal saved
        if time.monotonic() - saved >= SAVED_EVERY:
            save_training(training, path, label)
            stages.write_records(
                folder / stages.FOLDER / f"{_STAGE}.jsonl", _STAGE, training.records
            )
            saved = time.monotonic()
        report(record)

    train(training, parts, report=keep)
    stages.write_records(folder / LOG, _STAGE, training.records)
    facts = provenance("train", **label, **figures(training))
    save_network(training.network(), folder / folders.MODEL, facts, training.records)


def figures(training: Training) -> dict[str, Any]:
    """Epochs, the epoch that is kept, and its accuracies, as values for JSON."""
    record = training.record
    epochs = {"epochs": len(training.records), "best_epoch": training.best}
    return epochs | {name: getattr(record, name) for name in _FIGURES}


def _progress(folder: Path) -> AbstractContextManager[Report]:
    return show.accuracies(settings_of(folder).trainer.epochs, folder.name)


def _row(folder: Path) -> Row:
    path = folder / folders.MODEL
    network, _ = load_network(path)
    made = read_label(path).provenance.get("inputs")
    names = ("epochs", "best_epoch", *_FIGURES)
    if not isinstance(made, dict) or not {*names, "optimizer", "trainer"} <= made.keys():
        raise FileError(f"{path}: does not say how it was trained; train again")
    return {
        "run": folder.name,
        "samples": Path(folders.read_facts(folder)[SAMPLES]).name,
        "method": made["optimizer"]["method"],
        "neurons": len(network.w),
        "seed": made["trainer"]["seed"],
        **{name: made[name] for name in names},
    }


WORK = Work(
    _train,
    settings_of,
    _progress,
    _row,
    group=("samples", "method", "neurons"),
    figures=_FIGURES,
    steps="epochs",
)
