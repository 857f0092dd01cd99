"""Which files a command wrote, known by digest: only those are overwritten without asking.

A folder that a command writes into keeps `.rsnnctl.json`: for each file the command and the SHA-256
of what it wrote. A file whose bytes are others is the user's, and so is one that is not listed; but
a sealed container (`base/container.py`) says itself which command made it.
"""

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from base.container import made_by
from base.errors import FileError
from base.files import announcing, reason, sync_file, sync_folder, temporary_folder, write_text
from base.lock import waiting

MANIFEST = ".rsnnctl.json"


@dataclass(frozen=True)
class Written:
    """Files that were written into a folder.

    Attributes:
        files: every file, in order, also those that were kept.
        kept: of these, the user's own, which were left as they are.
        replaced: of these, the user's own, which `force` overwrote.
    """

    files: list[Path]
    kept: list[Path]
    replaced: list[Path]


def is_own(path: Path, command: str) -> bool:
    """Whether a command wrote a file that was not changed since."""
    listed = _manifest(path.parent).get(path.name)
    if listed is not None and listed.get("by") != command:
        return False
    digests = set() if listed is None else {listed.get("sha256"), listed.get("before")}
    is_as_noted = _digest(path) in digests  # as it was before: the command was killed
    return is_as_noted or made_by(path) == command


def check_replaceable(paths: Iterable[Path], command: str, *, force: bool = False) -> list[Path]:
    """Refuse to overwrite a file that a command did not write, or that was changed since.

    Args:
        paths: files that the command is about to write.
        command: its name.
        force: overwrite them all the same.

    Returns:
        Those that exist and are not the command's own.

    Raises:
        FileError: there is such a file and no `force`; or a path cannot be written.
    """
    foreign = []
    for path in paths:
        _check_writable(path)
        if path.exists() and not is_own(path, command):
            foreign.append(path)
    if foreign and not force:
        raise FileError(_refusal(foreign[0], command))
    return foreign


def record(paths: Iterable[Path], command: str) -> None:
    """Note that a command wrote files as they are now."""
    _note({path: {"by": command, "sha256": _digest(path)} for path in paths})


def _note(entries: Mapping[Path, Mapping[str, str]]) -> None:
    """Add to the manifests of the files' folders."""
    folders: dict[Path, dict[str, Mapping[str, str]]] = {}
    for path, entry in entries.items():
        folders.setdefault(path.parent, {})[path.name] = entry
    for folder, new in folders.items():
        with waiting(folder):
            known = {name: v for name, v in _manifest(folder).items() if (folder / name).exists()}
            text = json.dumps({"files": known | new}, indent=1, sort_keys=True)
            write_text(folder / MANIFEST, text + "\n")


@contextmanager
def overwriting(
    paths: Sequence[Path], command: str, *, force: bool = False
) -> Iterator[list[Path]]:
    """Check before the block that files may be written, and note each before it is replaced.

    The block writes them by `base.files.atomic_path`.

    Yields what `check_replaceable` returns; arguments and errors are those of that function.
    """
    found = check_replaceable(paths, command, force=force)

    def announce(path: Path, temporary: Path) -> None:
        if path in paths:
            _note({path: _becoming(path, temporary, command)})

    with announcing(announce):
        yield found


def write_into(
    folder: Path,
    write: Callable[[Path], Sequence[Path]],
    command: str,
    *,
    force: bool = False,
    editable: Collection[str] = (),
) -> Written:
    """Write files into a folder: all of them, or none.

    A file whose bytes would stay the same counts as not overwritten, by whichever command it is.

    Args:
        folder: created if missing.
        write: writes files into the folder it is given and returns them.
        command: name of the command that writes them.
        force: also overwrite files that the command did not write, or that were changed since.
        editable: names of files that are the user's once written: changed ones are kept.

    Raises:
        FileError: there is a file that may not be overwritten; or one cannot be written.
    """
    _check_writable(folder / MANIFEST)
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_folder(folder) as staging:
            made = {folder / path.relative_to(staging): path for path in write(staging)}
            foreign = [
                target
                for target, source in made.items()
                if target.exists()
                and not is_own(target, command)
                and _digest(target) != _digest(source)
            ]
            kept = [path for path in foreign if path.name in editable and not force]
            replaced = [path for path in foreign if path not in kept]
            if replaced and not force:
                raise FileError(_refusal(replaced[0], command))
            written = {target: source for target, source in made.items() if target not in kept}
            for target, source in written.items():
                _check_writable(target)
                target.parent.mkdir(parents=True, exist_ok=True)
                sync_file(source)
            _note(
                {target: _becoming(target, source, command) for target, source in written.items()}
            )
            for target, source in written.items():
                os.replace(source, target)
            for place in {target.parent for target in written}:
                sync_folder(place)
    except OSError as error:
        raise FileError(f"{folder}: cannot be written: {reason(error)}") from error
    finally:
        if is_new:
            with suppress(OSError):  # it holds files
                folder.rmdir()
    return Written(list(made), kept, replaced)


def _becoming(target: Path, source: Path, command: str) -> dict[str, str]:
    """The entry of a file before it is replaced: after a kill it is known as either."""
    entry = {"by": command, "sha256": _digest(source)}
    if target.exists() and is_own(target, command) and _digest(target) != entry["sha256"]:
        entry["before"] = _digest(target)
    return entry


def _refusal(path: Path, command: str) -> str:
    is_listed = _manifest(path.parent).get(path.name, {}).get("by") == command
    why = f"was changed since {command} wrote it" if is_listed else f"{command} did not write it"
    return f"{path}: exists, and {why}; name another place, or overwrite it with `force`"


def _check_writable(path: Path) -> None:
    """Refuse, before any work, a path that is a folder or lies where nothing can be written."""
    if path.is_dir():
        raise FileError(f"{path}: cannot be written: is a directory")
    above = next(parent for parent in path.absolute().parents if parent.exists())
    if not above.is_dir():
        raise FileError(f"{path}: cannot be written: {above} is not a folder")
    if not os.access(above, os.W_OK | os.X_OK):
        raise FileError(f"{path}: cannot be written: permission denied in {above}")


def _manifest(folder: Path) -> Mapping[str, Any]:
    """The files that a folder's manifest lists; none if there is none or it cannot be read."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return {name: entry for name, entry in files.items() if isinstance(entry, dict)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _digest(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
