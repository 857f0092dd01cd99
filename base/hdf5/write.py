"""HDF5 files, written so that a full disk is noticed.

HDF5 swallows errors while it closes a file, so files are built in memory, and Python writes them;
long ones are written block by block, and the errors noted.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any

import h5py

from base.files import atomic_path, write_bytes
from base.hdf5.raw import FIRST_USER_BLOCK


@contextmanager
def create_hdf5(
    path: Path,
    *,
    user_block: Callable[[bytes], bytes] | None = None,
    libver: Any = None,
) -> Iterator[h5py.File]:
    """Write an HDF5 file atomically: fill the file that is yielded.

    Args:
        path: the file.
        user_block: what comes before the file's bytes, given those: up to 512 bytes.
        libver: h5py's bounds of the format's version.

    Raises:
        FileError: the file cannot be written, or the disk is full.
    """
    size = 0 if user_block is None else FIRST_USER_BLOCK
    with h5py.File(
        "in memory",
        "w",
        driver="core",
        backing_store=False,
        block_size=1 << 20,
        libver=libver,
        userblock_size=size,
    ) as file:
        yield file
        file.flush()
        image = file.id.get_file_image()
    before = b"" if user_block is None else user_block(image).ljust(size, b"\0")
    write_bytes(path, before + image)


@contextmanager
def stream_hdf5(path: Path) -> Iterator[h5py.File]:
    """Write an HDF5 file that may be larger than memory, atomically: fill the file yielded.

    Raises:
        FileError: the file cannot be written, or the disk is full.
    """
    with atomic_path(path) as temporary, _Noting(temporary, "r+") as raw:
        try:
            with h5py.File(raw, "w") as file:
                yield file
        finally:
            raw.check()


class _Noting(FileIO):
    """A file whose errors are noted, since HDF5 swallows them."""

    _error: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        done = 0
        try:
            while done < len(view) and self._error is None:
                done += super().write(view[done:])
        except OSError as error:
            self._error = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self._error = self._error or error
            return size or 0

    def check(self) -> None:
        """Raise the first error, if there was one."""
        if self._error is not None:
            raise self._error
