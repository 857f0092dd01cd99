"""Prune in a run folder: to one fraction, or as far as the published search allows."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from base.container import read_label
from base.errors import FileError
from base.files import atomic_path, write_text
from rsnn.checkpoint import load_model, save_model
from rsnn.data.session import load_session
from rsnn.data.split import split_session
from rsnn.model import RSNN
from rsnn.training.config import Config, choices
from rsnn.training.device import find_device
from rsnn.training.prune import prune
from rsnn.training.prune_search import Attempt, search
from rsnn.training.train import kernel_used
from rsnnctl.provenance import provenance
from rsnnctl.runs import folders, stages
from rsnnctl.runs.interrupts import keeping
from rsnnctl.runs.training import Report, config_of, generator_for

LOG = "prune.log.jsonl"
_STAGE = "prune-"  # and the fraction: name of a stage
SEARCH = "pruning.json"
CURVE = "pruning.png"


def settings_for(
    source: Path,
    *,
    config: Path | None,
    settings: tuple[str, ...],
    epochs: int | None,
    device: str | None,
) -> Config:
    """The settings a model was trained with, changed by a TOML file and the options of `prune`.

    An imported model uses the published recipe.

    Raises:
        FileError, DataError, RangeError: as in `rsnn.training.config.resolve`.
        ToolError: the device is not available.
    """
    chosen = choices(("retraining",), device, None)
    changed = () if epochs is None else (f"retraining.epochs={epochs}",)
    found = config_of(source, config, (*chosen, *settings, *changed))
    find_device(found.retraining.device)
    return found


def check_resumable(source: Path) -> None:
    """Refuse to continue where no pruning of a model's run was interrupted.

    Raises:
        FileError: there is none.
    """
    if not any((source.parent / stages.FOLDER).glob(f"{_STAGE}*.h5")):
        raise FileError(
            f"{source.parent}: no pruning was interrupted, so there is none to resume; prune"
            " without `resume`"
        )


def overwritten(source: Path, target: Path, fraction: float | None) -> list[Path]:
    """Files that `prune_run` replaces and of which it keeps no copy.

    Raises:
        FileError: the unpruned model that is kept already is another one.
    """
    found = [source.with_name(LOG)]
    if fraction is None:
        found += [source.with_name(SEARCH), source.with_name(CURVE)]
    if not target.exists() or not source.exists():
        return [*found, target]
    if _replaces_source(source, target):
        unpruned = source.with_name(folders.UNPRUNED)
        if unpruned.exists() and unpruned.read_bytes() != source.read_bytes():
            raise FileError(
                f"{unpruned}: holds the model before an earlier pruning; prune that one, or write"
                " to another file with -o"
            )
        return found
    if target.read_bytes() == source.read_bytes():  # a pruning stopped just before its end
        return found
    return [*found, target]


def _replaces_source(source: Path, target: Path) -> bool:
    return source == source.with_name(folders.MODEL) == target


def prune_run(
    source: Path,
    config: Config,
    *,
    fraction: float | None,
    session_path: Path | None = None,
    output: Path | None,
    resume: bool,
    report: Report,
) -> dict[str, Any]:
    """Prune and retrain a model; the unpruned one is kept beside it.

    Args:
        source: the unpruned model, in its run folder.
        config: every setting; those of retraining and pruning are used.
        fraction: fraction of each weight matrix to prune; None searches for it.
        session_path: recording; None for that of the run.
        output: path of the pruned model; None replaces the run's model.
        resume: continue an interrupted call.
        report: called after every epoch.

    Returns:
        The facts about the pruned model, with the columns of `rsnnctl prune`.

    Raises:
        FileError, DataError, RangeError, RsnnError: loading, pruning or training fails.
    """
    folder = source.parent
    if fraction is None:
        from rsnnctl.plots.decoders import plot_search  # here, because it may be missing
    model, history = load_model(source)
    model = model.float()
    digest = read_label(source).digest
    session = load_session(folders.needed_session(source, session_path))
    split = split_session(session)
    kernel = kernel_used(model, config.retraining)
    if not resume:
        stages.clear(folder, _STAGE)
    names: list[str] = []
    attempts: tuple[Attempt, ...] = ()
    zeros_before = _zeros(model)

    def retrained(candidate: RSNN, fraction: float) -> None:
        name = _stage(fraction)
        names.append(name)
        label = {"model": digest, "session": session.digest, "config": asdict(config.retraining)}

        def work(state, keep):
            return prune(
                candidate,
                session,
                split,
                config.retraining,
                fraction=fraction,
                generator=generator_for(config.retraining, name),
                report=report,
                state=state,
                keep=keep,
            ).training

        stages.stage(folder, name, candidate, label, work)

    if fraction is None:
        with keeping(lambda: stages.told_kept(folder)):
            best, attempts = search(
                model, session, split, config.pruning, config.retraining, retrained
            )
        rows = [asdict(attempt) for attempt in attempts]
        write_text(folder / SEARCH, json.dumps(rows, indent=2) + "\n")
        plot_search(attempts, folder / CURVE)
        fraction = max(a.fraction for a in attempts if a.is_accepted)
    else:
        best = model
        with keeping(lambda: stages.told_kept(folder)):
            retrained(best, fraction)
    target = output or source.with_name(folders.MODEL)
    if _replaces_source(source, target):
        with atomic_path(source.with_name(folders.UNPRUNED)) as temporary:
            shutil.copyfile(source, temporary)
    facts = provenance(
        "prune",
        model=digest,
        fraction=fraction,
        session=session.digest,
        retraining={**asdict(config.retraining), "kernel": kernel},
        pruning=asdict(config.pruning),
    )
    stages.write_log(folder, names, folder / LOG)
    save_model(best, target, facts | {"history": history})
    stages.clear(folder, _STAGE)
    none_accepted = bool(attempts) and not fraction
    record = None if none_accepted else stages.best_record(folder / LOG, _stage(fraction))
    return {
        "attempts": [asdict(attempt) for attempt in attempts],
        "fraction": fraction,
        "weights": sum(weight.numel() for weight in best.connections().values()),
        "zero_weights_before": zeros_before,
        "zero_weights": _zeros(best),
        "epochs": record.n_epochs if record else 0,
        "best_epoch": record.epoch if record else 0,
        "validation_r2": record.validation_r2 if record else attempts[0].validation_r2,
        "file": str(target),
    }


def _stage(fraction: float) -> str:
    return f"{_STAGE}{fraction:g}"


def _zeros(model: RSNN) -> int:
    return sum(int((weight == 0).sum()) for weight in model.connections().values())
