"""One writer per folder: a lock that the system frees when its holder ends, also by a kill.

Locks are the system's (`flock`). They hold between processes of one machine; between machines only
where a network file system passes them on, as NFS does from version 4 and Lustre with `-o flock`.
Readers take none: files are whole or absent.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from base.errors import FileError
from base.files import reason

NAME = ".lock"


@contextmanager
def only_writer(folder: Path, command: str) -> Iterator[None]:
    """Keep other processes from writing into a folder during the block.

    Args:
        folder: an existing folder.
        command: what the block does, for the message that others get.

    Raises:
        FileError: another process holds the lock, which the message names; or none can be made,
            as on a full disk.
    """
    handle = _locked(folder)
    try:
        try:
            os.truncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} {command}".encode(), 0)
        except OSError as error:
            raise FileError(f"{folder}: cannot be written: {reason(error)}") from error
        yield
    finally:
        with suppress(OSError):  # the folder was removed
            os.unlink(folder / NAME)
        os.close(handle)


@contextmanager
def waiting(folder: Path) -> Iterator[None]:
    """Wait until no other process is in such a block for the folder, which takes moments."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _locked(folder: Path) -> int:
    """An open handle of the folder's lock file, locked."""
    path = folder / NAME
    while True:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as error:
            raise FileError(f"{folder}: cannot be written: {reason(error)}") from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 200, 0).decode("utf-8", "replace")
            os.close(handle)
            process, _, command = holder.partition(" ")
            raise FileError(
                f"{folder}: `{command}` is writing it (process {process}); wait for it or stop it"
            ) from None
        except OSError:  # a file system without locks
            return handle
        with suppress(OSError):
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        os.close(handle)  # its holder removed it as it ended
