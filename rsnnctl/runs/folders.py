"""Run folders: `runs/<name>/` holds the files of a run, `runs/latest` points to the newest.

A failed run leaves no folder; a run interrupted between two epochs can be continued.
"""

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from base.errors import FileError, RangeError
from base.files import (
    read_bytes,
    reason,
    remove_abandoned,
    sync_folder,
    temporary_folder,
    write_text,
)
from base.lock import NAME as LOCK
from base.lock import only_writer
from rsnnctl.runs.checksum import checksum

ROOT = Path("runs")
MODEL = "model.rsnn.h5"
NETWORK = "model.int.h5"
SPIKING = ".lif.h5"
"""Ending of the spiking network that a rate network is mapped to."""
UNPRUNED = "unpruned.rsnn.h5"
_ENDINGS = (".int.h5", ".rsnn.h5", SPIKING)
_FACTS = "run.json"
_MAX_FACTS = 1 << 20  # bytes
_FINISHED = "finished"
_ROOT = "runs"  # fact: the way to `ROOT` from a folder that lies elsewhere
_LATEST = "latest"
_NAME = r"\w[\w.+-]*"
_GROUP = ".started-"  # beginning of the name of a folder of runs that have no names yet


@dataclass(frozen=True)
class Planned:
    """A run to be made: the name of its folder, facts for `run.json`, what fills the folder."""

    name: str
    facts: Mapping[str, Any]
    fill: Callable[[Path], None] = lambda folder: None


def start(planned: Sequence[Planned], place: Path | None = None) -> list[Path]:
    """Make the folders of runs; each becomes the latest when it is finished.

    They get their names when everything is in all of them: after a kill there are none, or
    `resume_start` gives the rest their names.

    Args:
        planned: names of folders in `runs`; a number is appended to one that is taken.
        place: a folder that takes the place of `runs`, for exactly these names.

    Raises:
        RangeError: a name that is not one plain folder name.
        FileError: a folder cannot be made, or one in `place` exists.
    """
    root = ROOT if place is None else place
    way = {} if place is None else {_ROOT: os.path.relpath(ROOT, place / "run")}
    for run in planned:
        folder = root / run.name
        if place is not None and folder.exists():
            raise FileError(f"{folder}: exists already; name a new folder for the run")
        if place is None and (not re.fullmatch(_NAME, run.name) or run.name == _LATEST):
            raise RangeError(
                f"`name` is {run.name!r}; letters, digits and ._+- make a name, and `{_LATEST}` is"
                " taken"
            )
    named: list[Path] = []
    group = root
    try:
        root.mkdir(parents=True, exist_ok=True)
        for folder in _runs(root):
            remove_abandoned(folder)  # nothing else may ever be written there
        with temporary_folder(root) as staging:
            group = staging / "group"
            for number, run in enumerate(planned):
                made = group / f"{number:04} {run.name}"
                made.mkdir(parents=True)
                run.fill(made)
                note(made, {**run.facts, **way, _FINISHED: False})
            if len(planned) > 1:  # else its own name is all that a kill could miss
                group = group.rename(root / f"{_GROUP}{secrets.token_hex(4)}")
                sync_folder(root)
            for folder in _give_names(group, root):
                named.append(folder)
    except BaseException as error:
        for folder in (*named, group) if group != root else ():
            shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            name = planned[0].name
            raise FileError(f"{root / name}: cannot be made: {reason(error)}") from error
        raise
    return named


def tidy(root: Path, has_left: Callable[[Path], bool], clear: Callable[[Path], None]) -> None:
    """Complete what kills and errors have left to do in finished runs of a folder.

    Locks are freed, and a folder that `has_left` something is cleared. Runs that another process
    writes are left to it.
    """
    for folder in _runs(root):
        if (folder / LOCK).exists() or has_left(folder):
            with suppress(FileError), only_writer(folder, "rsnnctl train"):
                if has_model(folder) and not _is_unfinished(folder):
                    clear(folder)


def resume_start(root: Path) -> None:
    """Give their names to runs whose start was killed when some of them had theirs.

    Raises:
        FileError: another process is doing so, or a folder cannot be written.
    """
    for group in sorted(root.glob(f"{_GROUP}*")):
        with only_writer(group, "rsnnctl train"):
            try:
                list(_give_names(group, root))
            except OSError as error:
                raise FileError(f"{group}: cannot be written: {reason(error)}") from error


def _give_names(group: Path, root: Path) -> Iterator[Path]:
    """Move the runs of a group to their names in a folder."""
    for made in sorted(group.glob("[0-9]*")):
        yield _named(made, root, made.name.partition(" ")[2])
    shutil.rmtree(group)
    sync_folder(root)


def _named(made: Path, root: Path, name: str) -> Path:
    """Give a folder a name, with a number if it is taken; an empty folder is not in the way."""
    for number in count(1):
        folder = root / (name if number == 1 else f"{name}-{number}")
        try:
            return made.rename(folder)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
    raise AssertionError


def name_of(path: Path) -> str:
    """The name of a run that is named like a file."""
    return re.sub(r"[^\w.+-]+", "-", path.stem).strip("-.+") or "run"


def note(folder: Path, facts: Mapping[str, Any]) -> None:
    """Add to the facts about a run."""
    known = {**read_facts(folder), **facts}
    checked = {"facts": known, "sha256": checksum(known)}
    write_text(folder / _FACTS, json.dumps(checked, indent=2, sort_keys=True) + "\n")


def finish(folder: Path) -> None:
    """Make a run the latest, and mark it as finished."""
    root = Path(os.path.normpath(folder.resolve() / read_facts(folder).get(_ROOT, "..")))
    try:
        root.mkdir(exist_ok=True)
        with temporary_folder(root) as staging:
            link = staging / _LATEST
            link.symlink_to(os.path.relpath(folder.resolve(), root))
            os.replace(link, root / _LATEST)
        sync_folder(root)
    except OSError as error:
        shown = os.path.relpath(root / _LATEST)
        raise FileError(f"{shown}: cannot be made: {reason(error)}") from error
    note(folder, {_FINISHED: True})


def has_model(folder: Path) -> bool:
    """Whether a training has written its model."""
    return (folder / MODEL).exists()


def discard(folder: Path) -> None:
    """Remove a run that this call has made and that produced nothing; one with a model stays."""
    if has_model(folder):
        return
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.name == ROOT.name:
        with suppress(OSError):  # it stays if it holds other runs
            folder.parent.rmdir()


def unfinished(root: Path = ROOT) -> list[Path]:
    """Runs that were started in a folder, or are it, and have not finished, by name."""
    return [folder for folder in _runs(root) if _is_unfinished(folder)]


def check_facts(root: Path) -> None:
    """Read the facts of every run in a folder.

    Raises:
        FileError: those of a run cannot be read.
    """
    for folder in _runs(root):
        read_facts(folder)


def _runs(root: Path) -> list[Path]:
    """The runs in a folder, or the one that it is, by name."""
    found = (path.parent for path in (root / _FACTS, *root.glob(f"*/{_FACTS}")) if path.exists())
    return sorted(folder for folder in found if not folder.is_symlink())


def _is_unfinished(folder: Path) -> bool:
    with suppress(FileError):  # a damaged run stands in the way of no other
        return read_facts(folder).get(_FINISHED) is False
    return False


def make(name: str, facts: Mapping[str, Any], fill: Callable[[Path], None]) -> Path:
    """Make the folder of a run that is finished once it is filled; arguments as in `start`.

    Raises:
        RangeError, FileError: as in `start`.
    """
    (folder,) = start([Planned(name, facts, fill)])
    finish(folder)
    return folder


def latest() -> Path:
    """The newest run's folder.

    Raises:
        FileError: there is none yet, or only one that was interrupted; or a newer one has a model
            and was stopped before it was the latest.
    """
    link = ROOT / _LATEST
    begun = unfinished()
    for folder in begun:
        if _is_newer(folder / MODEL, link) and not (link.exists() and folder.samefile(link)):
            raise FileError(
                f"{folder}: was stopped when it had its model and was not finished; `rsnnctl train"
                " --resume` finishes it, or name a file"
            )
    if not link.is_dir():
        if begun:
            raise FileError(
                f"{begun[0]}: its training was interrupted; `rsnnctl train --resume` continues it"
            )
        raise FileError(
            f"{link}: there is no run yet; start with `rsnnctl train` or `rsnnctl import-weights`,"
            " or name a file"
        )
    return Path(os.path.normpath(ROOT / os.readlink(link)))


def _is_newer(model: Path, link: Path) -> bool:
    """Whether there is a model that was written after a run became the latest, if any has."""
    if not link.is_symlink():
        return model.exists()
    return model.exists() and model.stat().st_mtime_ns > link.lstat().st_mtime_ns


def writing(folder: Path, command: str) -> AbstractContextManager[None]:
    """Keep other processes from writing into the folder of a run; other folders are not locked."""
    return only_writer(folder, command) if is_run(folder) else nullcontext()


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run."""
    return (folder / _FACTS).exists()


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts about the run in `folder`; empty for any other folder.

    Raises:
        FileError: they cannot be read, or are not what their checksum says.
    """
    path = folder / _FACTS
    if not path.exists():
        return {}
    try:
        found = json.loads(read_bytes(path, _MAX_FACTS))
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, dict) and found.keys() & {"facts", "sha256"}:  # else of an older rsnnctl
        facts = found.get("facts")
        if found.get("sha256") != checksum(facts):
            raise FileError(
                f"{path}: its content does not match its checksum; the file was edited or damaged:"
                f" restore it, or move {folder} elsewhere"
            )
        found = facts
    texts = ("session", _ROOT, "command", "recipe", "task", "samples")
    if not isinstance(found, dict) or not all(isinstance(found.get(k, ""), str) for k in texts):
        raise FileError(f"{path}: is damaged; restore it, or move {folder} elsewhere")
    return found


def chosen(given: Path | None, name: str) -> Path:
    """The given file, or else the one of that name in the newest run.

    Raises:
        FileError: none was given, and there is no run or it has no such file.
    """
    if given is not None:
        return given
    path = latest() / name
    if not path.exists():
        makers = {MODEL: "train", NETWORK: "quantize"}
        raise FileError(
            f"{path}: no such file in the latest run; `rsnnctl {makers[name]}` makes it"
        )
    return path


def chosen_unpruned(given: Path | None) -> Path:
    """The given model, or else the one of the newest run as it was before it was pruned."""
    model = chosen(given, MODEL)
    unpruned = model.with_name(UNPRUNED)
    return unpruned if given is None and unpruned.exists() else model


def present(*names: str) -> list[Path]:
    """The named files that exist in the newest run.

    Raises:
        FileError: there is no run, or it has none of them.
    """
    found = [latest() / name for name in names if (latest() / name).exists()]
    return found or [chosen(None, names[0])]


def beside(path: Path, ending: str) -> Path:
    """The path of a file derived from a model or network: beside it, with another ending."""
    stem = path.name
    for known in _ENDINGS:
        stem = stem.removesuffix(known)
    return path.with_name(stem + ending)


def session_of(path: Path) -> Path | None:
    """The recording that belongs to a file's run, or None."""
    recorded = read_facts(path.parent).get("session")
    return None if recorded is None else path.parent / recorded


def needed_session(path: Path, given: Path | None) -> Path:
    """The given recording, or that of the file's run.

    Raises:
        FileError: there is neither.
    """
    found = given or session_of(path)
    if found is None:
        raise FileError(
            f"{path}: belongs to no run with a recording; name one, `rsnnctl data synth` makes one"
        )
    return found
