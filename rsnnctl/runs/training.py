"""Train in a run folder: writes model, log and every setting; can be interrupted."""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from base.errors import FileError, RsnnWarning
from base.files import read_bytes, write_text
from base.lock import only_writer
from rsnn.checkpoint import save_model
from rsnn.data.session import Session, load_session
from rsnn.data.split import Split, split_session
from rsnn.data.synthetic import synthesize
from rsnn.model import RSNN
from rsnn.training.config import Config, resolve
from rsnn.training.initialize import initialize, input_rates
from rsnn.training.recipe import TrainConfig
from rsnn.training.state import EpochRecord
from rsnn.training.train import train
from rsnnctl.provenance import provenance
from rsnnctl.runs import folders, stages
from rsnnctl.runs.folders import Planned

CONFIG = "config.toml"
LOG = "log.jsonl"
SESSION = "session.mat"
SYNTHETIC_MINUTES = 5.0
_SETTINGS = "config_sha256"  # fact: digest of `CONFIG` as it was when the run was started

Report = Callable[[EpochRecord], None]


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
    settings = config.as_toml()
    facts = {
        "command": "train",
        "recipe": recipe,
        _SETTINGS: hashlib.sha256(settings.encode()).hexdigest(),
        "pretrain_on": [str(path.resolve()) for path in pretrain_on],
        "session": SESSION if source is None else str(source.resolve()),
    }

    def fill(folder: Path) -> None:
        if source is None:
            synthesize(folder / SESSION, minutes=SYNTHETIC_MINUTES, seed=config.training.seed)
        write_text(folder / CONFIG, settings)

    return Planned(name, facts, fill)


def train_run(folder: Path, report: Report, *, is_new: bool = True) -> Path:
    """Run or continue a training; return the model's path.

    An interruption or an error leaves the epochs done, if any; `train --resume` continues.

    Args:
        folder: of the run, which no other process writes meanwhile.
        report: called after every epoch.
        is_new: the folder was made by this call, so it is removed if nothing came of it.

    Raises:
        FileError, DataError, MismatchError, RsnnError: loading, splitting or training fails.
    """
    with only_writer(folder, "rsnnctl train"):
        path = folder / folders.MODEL
        if not path.exists() or stages.has_begun(folder):  # else it was stopped just before its end
            try:
                _train(folder, report)
            except BaseException:
                if is_new and not stages.has_begun(folder):
                    folders.discard(folder)
                raise
        folders.finish(folder)
        stages.clear_training(folder)
    return path


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
    names = []
    if facts["pretrain_on"]:
        names.append("pretraining")
        first, *others = [_load(Path(path)) for path in facts["pretrain_on"]]
        history["pretrained_on"] = [each.digest for each, _ in (first, *others)]

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

        stages.stage(folder, "pretraining", model, history, pretrain)

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

    names.append("training")
    stages.stage(folder, "training", model, history, fine_tune)
    stages.write_log(folder, names, folder / LOG)
    save_model(model, folder / folders.MODEL, provenance("train", **history))


def _load(path: Path) -> tuple[Session, Split]:
    session = load_session(path)
    return session, split_session(session)
