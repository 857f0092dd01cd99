"""Train in a run folder: writes model, log and every setting; can be interrupted."""

import hashlib
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from base.errors import FileError, RsnnWarning
from base.files import read_bytes, write_text
from rsnn.checkpoint import load_model, save_model
from rsnn.data.session import Session, load_session
from rsnn.data.split import Split, split_session
from rsnn.data.synthetic import synthesize
from rsnn.evaluate import evaluate
from rsnn.model import RSNN
from rsnn.training.config import Config, resolve
from rsnn.training.initialize import initialize, input_rates
from rsnn.training.recipe import TrainConfig
from rsnn.training.train import kernel_used, train
from rsnnctl import show
from rsnnctl.provenance import provenance
from rsnnctl.runs import folders, stages
from rsnnctl.runs.folders import Planned
from rsnnctl.runs.work import Report, Row, Work, run

CONFIG = "config.toml"
LOG = "log.jsonl"
SESSION = "session.mat"
SYNTHETIC_MINUTES = 5.0
_SETTINGS = "config_sha256"  # fact: digest of `CONFIG` as it was when the run was started


def planned_training(
    source: Path | None,
    config: Config,
    *,
    name: str,
    recipe: str,
    pretrain_on: tuple[Path, ...] = (),
) -> Planned:
    """A training to be started by `folders.start`, for `train_run`.

    Args:
        source: the recording; None makes a synthetic one of 5 minutes in the folder.
        config: every setting.
        name: name of the run.
        recipe: name of the recipe that `config` comes from, for `prune`.
        pretrain_on: recordings to train on together first; the same for every run that shares them.
    """
    facts = {
        "command": "train",
        "recipe": recipe,
        "pretrain_on": [str(path.resolve()) for path in pretrain_on],
        "session": SESSION if source is None else str(source.resolve()),
    }

    def fill(folder: Path) -> None:
        if source is None:
            synthesize(folder / SESSION, minutes=SYNTHETIC_MINUTES, seed=config.training.seed)

    return planned_with(name, facts, config.as_toml(), fill)


def planned_with(
    name: str,
    facts: Mapping[str, Any],
    settings: str,
    fill: Callable[[Path], None] = lambda folder: None,
) -> Planned:
    """A run that keeps its settings, TOML text, and the digest that they had at its start."""

    def fill_all(folder: Path) -> None:
        fill(folder)
        write_text(folder / CONFIG, settings)

    digest = hashlib.sha256(settings.encode()).hexdigest()
    return Planned(name, {**facts, _SETTINGS: digest}, fill_all)


def train_run(folder: Path, report: Report) -> Path:
    """Run or continue a training on a session, as `rsnnctl.runs.work.run` does."""
    return run(WORK, folder, report)


def train_config(folder: Path) -> Config:
    """The settings that a run was started with.

    Raises:
        FileError: the run has none.
    """
    return resolve(files=[folder / CONFIG])


def warn_if_edited(folder: Path) -> None:
    """Tell where the settings of a run are not those that it was started with.

    Raises:
        FileError: they are not there any more.

    Warns:
        RsnnWarning: they were edited.
    """
    path = folder / CONFIG
    digest = folders.read_facts(folder).get(_SETTINGS)
    if digest is None:  # no training, or of an older rsnnctl
        return
    if not path.exists():
        raise FileError(f"{path}: no such file, though the run was started with it; restore it")
    if hashlib.sha256(read_bytes(path)).hexdigest() != digest:
        text = f"{path}: was edited since the run was started; it is used as it is now"
        warnings.warn(text, RsnnWarning, stacklevel=1)


def config_of(source: Path, file: Path | None, settings: tuple[str, ...]) -> Config:
    """The settings of the run that a model belongs to, changed by a TOML file and settings.

    Raises:
        FileError: the run was started with settings that are not there any more.
        FileError, DataError, RangeError: as in `rsnn.training.config.resolve`.
    """
    kept = source.with_name(CONFIG)
    warn_if_edited(source.parent)
    files = [path for path in (kept if kept.exists() else None, file) if path is not None]
    return resolve(files=files, settings=settings)


def generator_for(config: TrainConfig, purpose: str) -> torch.Generator:
    """A separate generator for each purpose, from the config's seed."""
    digest = hashlib.sha256(f"{purpose} {config.seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:7], "big"))


def _train(folder: Path, report: Report) -> None:
    facts = folders.read_facts(folder)
    config = train_config(folder)
    session, split = _load(folder / facts["session"])
    model = RSNN(config.model.architecture(session.n_channels))
    rates = input_rates(session.raster[split.train], session.dt)
    initialize(model, rates=rates, generator=generator_for(config.training, "weights"))
    history: dict[str, Any] = {"session": session.digest, "rates": rates, **config.as_dict()}
    names = [*(["pretraining"] if facts["pretrain_on"] else []), "training"]
    kernels = {name: kernel_used(model, getattr(config, name)) for name in names}
    if facts["pretrain_on"]:
        first, *others = [_load(Path(path)) for path in facts["pretrain_on"]]
        history["pretrained_on"] = [each.digest for each, _ in (first, *others)]
    label = history
    if any(history[name]["device"] != "cpu" for name in names):
        label = history | {"kernels": kernels}  # another card may need others
    if facts["pretrain_on"]:

        def pretrain(state, keep):
            return train(
                model,
                *first,
                config.pretraining,
                others=others,
                generator=generator_for(config.pretraining, "pretraining"),
                report=report,
                state=state,
                keep=keep,
            )

        stages.stage(folder, "pretraining", model, label, pretrain)

    def fine_tune(state, keep):
        return train(
            model,
            session,
            split,
            config.training,
            generator=generator_for(config.training, "training"),
            report=report,
            state=state,
            keep=keep,
        )

    stages.stage(folder, "training", model, label, fine_tune)
    stages.write_log(folder, names, folder / LOG)
    for name, kernel in kernels.items():
        history[name]["kernel"] = kernel
    save_model(model, folder / folders.MODEL, provenance("train", **history))


def _load(path: Path) -> tuple[Session, Split]:
    session = load_session(path)
    return session, split_session(session)


def _progress(folder: Path) -> AbstractContextManager[Report]:
    return show.epochs(train_config(folder).training.epochs, folder.name)


def _row(folder: Path) -> Row:
    config = train_config(folder)
    session, split = _load(folder / folders.read_facts(folder)["session"])
    model, _ = load_model(folder / folders.MODEL)
    metrics = evaluate(model, session.raster[split.test], session.velocity[split.test])
    best = stages.best_record(folder / LOG)
    return {
        "run": folder.name,
        "session": session.name,
        "seed": config.training.seed,
        "epochs": best.n_epochs,
        "best_epoch": best.epoch,
        "validation_r2": best.validation_r2,
        "test_r2": metrics.r2,
        "connection_sparsity": metrics.connection_sparsity,
        "activation_sparsity": metrics.activation_sparsity,
    }


WORK = Work(
    _train,
    train_config,
    _progress,
    _row,
    group=("session",),
    figures=("validation_r2", "test_r2", "connection_sparsity", "activation_sparsity"),
    steps="epochs",
)
