"""Run folders: `runs/<name>/` holds what belongs together, `runs/latest` points to the newest.

A folder appears under its name only when the command that makes it has succeeded.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rsnnctl.errors import FileError, RangeError
from rsnnctl.files import write_text

ROOT = Path("runs")
MODEL = "model.rsnn.h5"
NETWORK = "model.int.h5"
_FACTS = "run.json"
_LATEST = "latest"


@contextmanager
def new_run(name: str, facts: Mapping[str, Any]) -> Iterator[Path]:
    """Yield a folder to fill; when the block succeeds it becomes `runs/<name>` and the latest.

    A number is appended to a name that is taken. `facts` are kept in `run.json`; a value that is a
    path inside the folder is kept relative to it.

    Raises:
        RangeError: a name that is not one plain folder name.
        FileError: the folder cannot be made.
    """
    if not re.fullmatch(r"\w[\w.+-]*", name) or name == _LATEST:
        raise RangeError(
            f"--name is {name!r}; letters, digits and ._+- make a name, and `{_LATEST}` is taken"
        )
    try:
        ROOT.mkdir(exist_ok=True)
        folder = ROOT / f".{name}.{os.getpid()}"
        folder.mkdir()
    except OSError as error:
        raise FileError(f"{ROOT}/{name}: cannot be made: {error.strerror}") from error
    try:
        yield folder
        text = json.dumps(_relative(facts, folder), indent=2, sort_keys=True)
        write_text(folder / _FACTS, text + "\n")
        _publish(folder, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # it stays if it holds other runs
            ROOT.rmdir()


def latest() -> Path:
    """The newest run's folder.

    Raises:
        FileError: there is none yet.
    """
    link = ROOT / _LATEST
    if not link.is_dir():
        raise FileError(
            f"{link}: there is no run yet; start with `rsnnctl train` or `rsnnctl import-weights`,"
            " or name a file"
        )
    return ROOT / os.readlink(link)


def facts(folder: Path) -> dict[str, Any]:
    """What is known about the run that `folder` holds; empty for any other folder."""
    path = folder / _FACTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def default_file(name: str) -> Path:
    """A file of the newest run.

    Raises:
        FileError: there is no run, or it has no such file.
    """
    path = latest() / name
    if not path.exists():
        makers = {MODEL: "train", NETWORK: "quantize"}
        raise FileError(
            f"{path}: no such file in the latest run; `rsnnctl {makers[name]}` makes it"
        )
    return path


def present(*names: str) -> list[Path]:
    """Those of the named files that the newest run has.

    Raises:
        FileError: there is no run, or it has none of them.
    """
    found = [latest() / name for name in names if (latest() / name).exists()]
    return found or [default_file(names[0])]


def session_of(path: Path) -> Path | None:
    """The recording that belongs to a file's run, or None."""
    recorded = facts(path.parent).get("session")
    return None if recorded is None else path.parent / recorded


def needed_session(path: Path, given: Path | None) -> Path:
    """The recording that was given, or the one of the file's run.

    Raises:
        FileError: there is neither.
    """
    found = given or session_of(path)
    if found is None:
        raise FileError(
            f"{path}: belongs to no run with a recording; name one, `rsnnctl data synth` makes one"
        )
    return found


def _relative(facts: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Facts with paths made relative to the folder, so that they outlive its renaming."""
    return {
        key: os.path.relpath(value, folder) if isinstance(value, Path) else value
        for key, value in facts.items()
    }


def _publish(folder: Path, name: str) -> None:
    number = 1
    while True:
        target = ROOT / (name if number == 1 else f"{name}-{number}")
        try:
            folder.rename(target)
            break
        except OSError:  # taken, and not empty
            number += 1
    link = ROOT / f".latest.{os.getpid()}"
    link.symlink_to(target.name)
    os.replace(link, ROOT / _LATEST)
