"""Run folders: `runs/<name>/` holds the files of a run, `runs/latest` points to the newest.

A failed run leaves no folder; a run interrupted between two epochs can be continued.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from base.errors import FileError, RangeError
from base.files import write_text

ROOT = Path("runs")
MODEL = "model.rsnn.h5"
NETWORK = "model.int.h5"
UNPRUNED = "unpruned.rsnn.h5"
_ENDINGS = (".int.h5", ".rsnn.h5")
_FACTS = "run.json"
_FINISHED = "finished"
_ROOT = "runs"  # fact: the way to `ROOT` from a folder that lies elsewhere
_LATEST = "latest"


def start(name: str, facts: Mapping[str, Any], place: Path | None = None) -> Path:
    """Make the folder of a long run; it becomes the latest when it is finished.

    Args:
        name: of the folder in `runs`; a number is appended to one that is taken.
        facts: kept in `run.json`.
        place: the folder itself, wherever it is, instead of one in `runs`.

    Raises:
        RangeError: a name that is not one plain folder name.
        FileError: the folder cannot be made, or `place` exists.
    """
    if place is not None:
        try:
            place.mkdir(parents=True)
        except FileExistsError as error:
            raise FileError(f"{place}: exists already; name a new folder for the run") from error
        except OSError as error:
            raise FileError(f"{place}: cannot be made: {error.strerror}") from error
        note(place, {**facts, _ROOT: os.path.relpath(ROOT, place), _FINISHED: False})
        return place
    if not re.fullmatch(r"\w[\w.+-]*", name) or name == _LATEST:
        raise RangeError(
            f"`name` is {name!r}; letters, digits and ._+- make a name, and `{_LATEST}` is taken"
        )
    try:
        ROOT.mkdir(exist_ok=True)
        for number in count(1):
            folder = ROOT / (name if number == 1 else f"{name}-{number}")
            with suppress(FileExistsError):
                folder.mkdir()
                break
    except OSError as error:
        raise FileError(f"{ROOT}/{name}: cannot be made: {error.strerror}") from error
    note(folder, {**facts, _FINISHED: False})
    return folder


def note(folder: Path, facts: Mapping[str, Any]) -> None:
    """Add to the facts about a run."""
    known = {**read_facts(folder), **facts}
    write_text(folder / _FACTS, json.dumps(known, indent=2, sort_keys=True) + "\n")


def finish(folder: Path) -> None:
    """Mark a run as finished and make it the latest."""
    note(folder, {_FINISHED: True})
    root = Path(os.path.normpath(folder.resolve() / read_facts(folder).get(_ROOT, "..")))
    root.mkdir(exist_ok=True)
    link = root / f".{_LATEST}.{os.getpid()}"
    link.symlink_to(os.path.relpath(folder.resolve(), root))
    os.replace(link, root / _LATEST)


def discard(folder: Path) -> None:
    """Remove a run that produced nothing."""
    shutil.rmtree(folder, ignore_errors=True)
    if folder.parent.name == ROOT.name:
        with suppress(OSError):  # it stays if it holds other runs
            folder.parent.rmdir()


def unfinished(root: Path = ROOT) -> list[Path]:
    """Runs that were started in a folder, or are it, and have not finished, by name."""
    return sorted(
        path.parent
        for path in (root / _FACTS, *root.glob(f"*/{_FACTS}"))
        if not path.parent.is_symlink() and read_facts(path.parent).get(_FINISHED) is False
    )


@contextmanager
def new_run(name: str, facts: Mapping[str, Any]) -> Iterator[Path]:
    """Yield a run's folder to fill; it is finished when the block succeeds and discarded if not."""
    folder = start(name, facts)
    try:
        yield folder
        finish(folder)
    except BaseException:
        discard(folder)
        raise


def latest() -> Path:
    """The newest run's folder.

    Raises:
        FileError: there is none yet, or only one that was interrupted.
    """
    link = ROOT / _LATEST
    if not link.is_dir():
        if begun := unfinished():
            raise FileError(
                f"{begun[0]}: its training was interrupted; `rsnnctl train --resume` continues it"
            )
        raise FileError(
            f"{link}: there is no run yet; start with `rsnnctl train` or `rsnnctl import-weights`,"
            " or name a file"
        )
    return Path(os.path.normpath(ROOT / os.readlink(link)))


def is_run(folder: Path) -> bool:
    """Whether a folder is that of a run."""
    return (folder / _FACTS).exists()


def read_facts(folder: Path) -> dict[str, Any]:
    """The facts about the run in `folder`; empty for any other folder."""
    path = folder / _FACTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


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
