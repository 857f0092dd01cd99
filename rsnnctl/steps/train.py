"""Train and prune in a run folder: recording in, model, log and the whole recipe out."""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

from rsnn.checkpoint import load_model, save_model
from rsnn.data.session import load_session
from rsnn.data.split import split_session
from rsnn.data.synthetic import synthesize
from rsnn.initialize import initialize, input_rates
from rsnn.model import PRESETS, RSNN
from rsnn.prune import prune
from rsnn.recipe import RETRAINING, TRAINING, TrainConfig
from rsnn.train import EpochRecord, train
from rsnnctl import runs
from rsnnctl.errors import RangeError
from rsnnctl.files import read_label, write_text
from rsnnctl.provenance import provenance

UNPRUNED = "unpruned.rsnn.h5"
LOG = "log.jsonl"
SESSION = "session.mat"
SYNTHETIC_MINUTES = 5.0

T = TypeVar("T")
Report = Callable[[EpochRecord], None]


def recipe(
    name: str | None, preset: str, *, is_synthetic: bool, epochs: int | None, seed: int
) -> tuple[str, TrainConfig]:
    """A recipe of training, by name, as it suits a preset.

    Args:
        name: in `rsnn.recipe.TRAINING`; None is `short` for the synthetic session that `train`
            makes itself, and `published` for any other.
        preset: a name in `rsnn.model.PRESETS`; `big` is trained without the upper regularizer.
        is_synthetic: whether `train` makes the session.
        epochs: instead of the recipe's own.
        seed: of everything random.

    Raises:
        RangeError: no such recipe or preset.
    """
    name = name or ("short" if is_synthetic else "published")
    config = _named("--recipe", name, TRAINING)
    if _named("--model", preset, PRESETS) is PRESETS["big"]:
        config = replace(config, upper_strength=0.0)
    return name, _with(config, epochs, seed)


def retrain_recipe(source: Path | None, *, epochs: int | None, seed: int) -> TrainConfig:
    """The recipe of retraining that goes with the one by which a run was trained."""
    path = source or runs.default_file(runs.MODEL)
    name = str(runs.facts(path.parent).get("recipe", "published"))
    return _with(_named("recipe", name, RETRAINING), epochs, seed)


def train_run(
    source: Path | None,
    preset: str,
    recipe_name: str,
    config: TrainConfig,
    name: str,
    report: Report,
) -> Path:
    """Train a preset on a session from scratch, in a new run folder; return the model's path.

    Args:
        source: the recording; None makes a synthetic one of 5 minutes in the run folder.
        preset: a name in `rsnn.model.PRESETS`.
        recipe_name: of the recipe that `config` comes from; `prune` will go on with it.
        config: the recipe; its seed also seeds weights and the synthetic session.
        name: of the run.
        report: called after every epoch.

    Raises:
        FileError, DataError, RsnnError: what loading, splitting and training refuse.
    """
    facts: dict[str, Any] = {"command": "train", "preset": preset, "recipe": recipe_name}
    with runs.new_run(name, facts) as folder:
        if source is None:
            source = folder / SESSION
            synthesize(source, minutes=SYNTHETIC_MINUTES, seed=config.seed)
        session = load_session(source)
        split = split_session(session)
        facts["session"] = source.resolve() if source.parent != folder else source
        generator = torch.Generator().manual_seed(config.seed)
        model = RSNN(PRESETS[preset](session.n_channels))
        rates = input_rates(session.raster[split.train], session.dt)
        initialize(model, rates=rates, generator=generator)
        result = train(model, session, split, config, report=report, generator=generator)
        _write_log(folder / LOG, "train", result.records)
        history = provenance(
            "train", preset=preset, config=asdict(config), session=session.digest, rates=rates
        )
        save_model(model, folder / runs.MODEL, history)
    return runs.latest() / runs.MODEL


def prune_run(
    source: Path | None, fraction: float, config: TrainConfig, output: Path | None, report: Report
) -> Path:
    """Prune a model of a run and train it again; the unpruned one is kept beside it.

    Pruning the same run again starts from the unpruned model.

    Args:
        source: the model; None takes the newest run's.
        fraction: of each weight matrix that goes.
        config: the recipe of retraining.
        output: where the pruned model goes; None replaces the run's model.
        report: called after every epoch.

    Raises:
        FileError, DataError, RangeError, RsnnError: what loading, pruning and training refuse.
    """
    path = source or runs.default_file(runs.MODEL)
    kept = path.with_name(UNPRUNED)
    if source is None and kept.exists():
        path = kept
    model, history = load_model(path)
    session_path = runs.needed_session(path, None)
    session = load_session(session_path)
    digest = read_label(path).digest
    model = model.float()
    result = prune(model, session, split_session(session), config, fraction=fraction, report=report)
    target = output or path.with_name(runs.MODEL)
    if target.exists() and target.name == runs.MODEL and path == target:
        shutil.copyfile(path, kept)
    facts = provenance(
        "prune", model=digest, fraction=fraction, config=asdict(config), session=session.digest
    )
    save_model(model, target, facts | {"model": history})
    _write_log(path.with_name("prune." + LOG), "prune", result.training.records)
    return target


def _named(option: str, name: str, known: Mapping[str, T]) -> T:
    if name not in known:
        raise RangeError(f"{option} is {name}; known: {', '.join(known)}")
    return known[name]


def _with(config: TrainConfig, epochs: int | None, seed: int) -> TrainConfig:
    return replace(config, epochs=config.epochs if epochs is None else epochs, seed=seed)


def _write_log(path: Path, stage: str, records: Sequence[EpochRecord]) -> None:
    lines = (json.dumps({"stage": stage} | asdict(record)) for record in records)
    write_text(path, "\n".join(lines) + "\n")
