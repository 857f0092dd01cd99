"""Files that are whole or absent: written beside their place, then moved there.

File and folder are synced: a file is complete on the disk before it gets its name, and the name is
there before the command continues. A temporary file is locked as long as its writer lives; the next
write into that folder removes those whose lock it gets, which a kill or a power cut left behind.
"""

import errno
import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from base.errors import FileError

_TEMPORARY = ".rsnnctl-tmp"  # ending of temporary files; no other file ends so
_announce: ContextVar[Callable[[Path, Path], None] | None] = ContextVar("_announce", default=None)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it only when the block succeeds.

    The block writes the file of that name; it does not replace it by another.

    Raises:
        FileError: the folder cannot be made or written, or the disk is full.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_abandoned(path.parent)
        temporary, handle = _temporary(path)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {reason(error)}") from error
    try:
        yield temporary
        os.fsync(handle)
        os.fchmod(handle, 0o666 & ~_umask())
        if (announce := _announce.get()) is not None:
            announce(path, temporary)
        os.replace(temporary, path)
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_UN)  # readers may lock what has its name now
        sync_folder(path.parent)
    except OSError as error:
        raise FileError(f"{path}: cannot be written: {reason(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


@contextmanager
def announcing(announce: Callable[[Path, Path], None]) -> Iterator[None]:
    """In the block, call `announce(path, temporary)` before a complete file gets its name."""
    token = _announce.set(announce)
    try:
        yield
    finally:
        _announce.reset(token)


@contextmanager
def temporary_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder in `folder`, which is removed in the end, with what is still in it.

    Raises:
        OSError: it cannot be made.
    """
    remove_abandoned(folder)
    path = Path(tempfile.mkdtemp(prefix=".", suffix=_TEMPORARY, dir=folder))
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks: nothing is removed there
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(handle)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path`, atomically.

    Raises:
        FileError: as in `atomic_path`.
    """
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        stream.write(content)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, atomically.

    Raises:
        FileError: as in `atomic_path`.
    """
    write_bytes(path, text.encode("utf-8"))


def check_regular(path: Path) -> None:
    """Refuse what is no regular file: reading a pipe or a device may never end.

    Raises:
        FileError: no such file; a folder, a pipe, a device or a socket.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise FileError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise FileError(f"{path}: cannot be read: {why}") from error
    if stat.S_ISDIR(mode):
        raise FileError(f"{path}: is a folder, not a file")
    if not stat.S_ISREG(mode):
        raise FileError(f"{path}: is no regular file; copy its content to one")


def read_bytes(path: Path, limit: int | None = None) -> bytes:
    """The content of a regular file of at most `limit` bytes.

    Raises:
        FileError: as in `check_regular`; the file is longer, or cannot be read.
    """
    check_regular(path)
    try:
        size = path.stat().st_size
        if limit is not None and size > limit:
            raise FileError(f"{path}: has {size} bytes; at most {limit} are read here")
        return path.read_bytes()
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {reason(error)}") from error


def sync_file(path: Path) -> None:
    """Have the bytes of a file on the disk before going on.

    Raises:
        OSError: they cannot be written.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk before going on, where the file system can.

    Raises:
        OSError: they cannot be written.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some file systems sync no folders
            raise
    finally:
        os.close(handle)


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files and folders in a folder whose writers are gone."""
    for entry in os.scandir(folder):
        if entry.name.startswith(".") and entry.name.endswith(_TEMPORARY):
            with suppress(OSError):  # another process removed it, or it is still being written
                handle = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)
                finally:
                    os.close(handle)


def reason(error: OSError) -> str:
    """The words of an operating system's error, in lower case and without its number."""
    return (error.strerror or str(error).splitlines()[0]).lower()


def _temporary(path: Path) -> tuple[Path, int]:
    """A new locked file beside `path`, and its handle."""
    while True:
        temporary = path.with_name(f".{path.name[:200]}.{secrets.token_hex(4)}{_TEMPORARY}")
        with suppress(FileExistsError):
            handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with suppress(OSError):  # a file system without locks: nothing is removed there
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if temporary.exists():  # else another process took it for abandoned
                return temporary, handle
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
