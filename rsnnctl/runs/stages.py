"""Stages of a run: finished ones are not repeated, an interrupted one continues."""

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from base.errors import FileError, MismatchError, RsnnWarning
from base.files import read_bytes, write_text
from rsnn.checkpoint import load_model, save_model
from rsnn.model import RSNN
from rsnn.training.state import EpochRecord, TrainState, load_state, save_state
from rsnn.training.train import TrainResult
from rsnnctl.runs.checksum import checksum

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FOLDER = "stages"
_TRAINING = ("pretraining.", "training.")
_CHECK = "checksum"
_MAX_LOG = 1 << 28  # bytes
Work = Callable[[TrainState | None, Callable[[TrainState], None]], TrainResult]


def stage(folder: Path, name: str, model: RSNN, label: Mapping[str, Any], work: Work) -> None:
    """Train a model in place, or set it to the result this stage already has.

    Every epoch is kept in `stages/<name>.state.h5` and listed in `stages/<name>.jsonl`, the
    finished model in `stages/<name>.rsnn.h5`.

    Args:
        folder: folder of the run.
        name: name of the stage.
        model: the model at the beginning of the stage.
        label: everything that decides the result, as JSON values.
        work: trains the model from a state, or from the start, and passes on every state.

    Raises:
        MismatchError: the stage was begun with another label.
    """
    done = folder / FOLDER / f"{name}.rsnn.h5"
    label = as_json(label)
    if done.exists():
        finished, provenance = load_model(done)
        check_label(done, label, provenance["label"])
        model.load_state_dict(finished.state_dict())
        return
    state, keep = under_way(folder, name, label)
    result = work(state, keep)
    records = [asdict(record) for record in result.records]
    save_model(model, done, {"label": label, "records": records})
    forget(folder, name)


def under_way(
    folder: Path, name: str, label: Mapping[str, Any]
) -> tuple[TrainState | None, Callable[[TrainState], None]]:
    """The kept state of a stage, or None, and the function that keeps another.

    Raises:
        MismatchError: the stage was begun with another label.
    """
    path = state_path(folder, name)
    label = as_json(label)
    state = None
    if path.exists():
        state, provenance = load_state(path)
        check_label(path, label, provenance["label"])

    def keep(state: TrainState) -> None:
        save_state(state, path, {"label": label})
        write_records(folder / FOLDER / f"{name}.jsonl", name, state.records)

    return state, keep


def is_under_way(folder: Path, name: str) -> bool:
    """Whether a state of a stage is kept."""
    return state_path(folder, name).exists()


def forget(folder: Path, name: str) -> None:
    """Remove the kept state of a stage; its log stays."""
    state_path(folder, name).unlink(missing_ok=True)


def state_path(folder: Path, name: str) -> Path:
    """Where the state of a stage is kept."""
    return folder / FOLDER / f"{name}.state.h5"


def has_begun(folder: Path) -> bool:
    """Whether any epoch of any stage of the run is kept."""
    return any((folder / FOLDER).glob("*.h5"))


def told_kept(folder: Path) -> str:
    """The words about epochs that are kept of an interrupted stage; empty if none are."""
    if not has_begun(folder):
        return ""
    return f"the epochs done are kept in {folder}; the same command with --resume continues"


def write_log(folder: Path, names: Sequence[str], path: Path) -> None:
    """Write one JSON line per epoch of the named finished stages."""
    text = ""
    for name in names:
        _, provenance = load_model(folder / FOLDER / f"{name}.rsnn.h5")
        text += _lines(name, provenance["records"])
    write_text(path, text)


def write_records(path: Path, name: str, records: Sequence["DataclassInstance"]) -> None:
    """Write one JSON line per record of a stage, each a dataclass."""
    write_text(path, _lines(name, [asdict(record) for record in records]))


def clear(folder: Path, prefix: str = "") -> None:
    """Remove the stages of a run whose names begin with `prefix`."""
    for path in (folder / FOLDER).glob(f"{prefix}*"):
        path.unlink(missing_ok=True)
    with suppress(OSError):  # it holds other stages, or was never made
        (folder / FOLDER).rmdir()


def has_training(folder: Path) -> bool:
    """Whether anything is kept of a training's stages."""
    return any(path for name in _TRAINING for path in (folder / FOLDER).glob(f"{name}*"))


def clear_training(folder: Path) -> None:
    """Remove the stages of a finished training; those of pruning and of integers stay."""
    for name in _TRAINING:
        clear(folder, name)


def best_record(path: Path, stage: str | None = None) -> EpochRecord:
    """The epoch of a log whose parameters were kept: the best of a stage, by default the last.

    Raises:
        FileError: the log cannot be read, or has no whole line of the stage.

    Warns:
        RsnnWarning: damaged lines were skipped.
    """
    lines = read_bytes(path, _MAX_LOG).splitlines()
    records = [record for line in lines if (record := _read_line(line)) is not None]
    if n_damaged := len(lines) - len(records):
        text = f"{path}: {n_damaged} of {len(lines)} lines are damaged and skipped"
        warnings.warn(text, RsnnWarning, stacklevel=1)
    wanted = stage or (records[-1][0] if records else None)
    found = [record for name, record in records if name == wanted]
    if not found:
        raise FileError(f"{path}: has no whole line of an epoch; restore it, or train again")
    return max(found, key=lambda record: record.validation_r2)


def _lines(name: str, records: Sequence[Mapping[str, Any]]) -> str:
    """A line per epoch, with the first digits of the checksum of what stands before it."""
    lines = ({"stage": name, **record} for record in records)
    return "".join(json.dumps({**line, _CHECK: _check_of(line)}) + "\n" for line in lines)


def _read_line(line: bytes) -> tuple[str, EpochRecord] | None:
    """The stage and the epoch of a line of a log, or None if it is damaged.

    Lines of an older rsnnctl have no checksum.
    """
    try:
        values = json.loads(line)
        check = values.pop(_CHECK, None)
        is_whole = check is None or check == _check_of(values)
        name, record = values.pop("stage"), EpochRecord(**values)
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError):
        return None
    numbers = all(type(value) in (int, float) for value in vars(record).values())
    return (name, record) if is_whole and numbers and isinstance(name, str) else None


def _check_of(line: Mapping[str, Any]) -> str:
    return checksum(line)[:8]


def as_json(label: Mapping[str, Any]) -> dict[str, Any]:
    """A label as a file gives it back: with lists for tuples."""
    return json.loads(json.dumps(label))


def check_label(path: Path, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse a file that was made with another label than the one wanted.

    Raises:
        MismatchError: the labels differ; their first difference is named.
    """
    wanted = as_json(wanted)
    different = [key for key in wanted if wanted[key] != found.get(key)]
    if different:
        raise MismatchError(
            f"{path}: was made with another `{different[0]}`; start afresh without --resume"
        )
