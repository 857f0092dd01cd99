"""HDF5 files, read so that no byte of them decides how long it takes, how much memory it needs, or
which other files are read; and written so that a full disk is noticed.

HDF5 swallows errors while it closes a file, so files are built in memory, and Python writes them;
long ones are written block by block, and the errors noted.
"""

import resource
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from base.errors import FileError
from base.files import atomic_path, check_regular, reason, write_bytes

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_FIRST_USER_BLOCK = 512
_HEAP, _HEAP_HEADER, _OBJECT_HEADER = b"GCOL", 16, 16  # bytes, with 8-byte lengths
_MAX_DEPTH = 24  # groups in groups
_MAX_OBJECTS = 100_000  # groups and arrays
MAX_RATIO = 1100  # bytes of an array per byte stored; deflate reaches 1032
_COMPRESSED = 15  # type of the elements of MATLAB 7's files, miCOMPRESSED
_BLOCK = 1 << 20  # bytes that are read at once
_LARGEST_HEAP = 1 << 28  # bytes
_LARGEST_TEXTS = 1 << 28  # bytes of what is of variable length, beyond those of the file
SMALL = 1 << 20  # bytes of an array that may be stored in however few


@contextmanager
def open_hdf5(path: Path, *, item_bytes: int = 1) -> Iterator[h5py.File]:
    """Open any HDF5 file for reading; other files are refused in one line.

    Args:
        path: the file.
        item_bytes: the least bytes per element in which arrays will be computed with.

    Raises:
        FileError: no regular file, not HDF5, truncated, or damaged where it is read; it names other
            files, or its arrays are far larger than what is stored of them.
    """
    path = Path(path)
    check_regular(path)
    try:
        _check_heaps(path)
        file = h5py.File(path, "r", locking=False)  # files are replaced, never changed
    except OSError as error:
        raise FileError(_why_not_opened(path, error)) from error
    try:
        with file:
            _check(path, file, item_bytes)
            yield file
    except (OSError, RuntimeError, KeyError, UnicodeDecodeError) as error:  # what h5py raises
        raise FileError(f"{path}: damaged HDF5 file: {_one_line(error)}") from error


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
    size = 0 if user_block is None else _FIRST_USER_BLOCK
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


def _check_heaps(path: Path) -> None:
    """Refuse a global heap whose objects do not fill it one after the other.

    HDF5 steps from object to object by their sizes; over an object of no size it steps for ever.
    """
    with open(path, "rb") as stream:
        for at in list(_places(stream, _HEAP)):
            stream.seek(at)
            header = stream.read(_HEAP_HEADER)
            if header[4:8] != b"\1\0\0\0":
                continue
            size = int.from_bytes(header[8:], "little")
            stream.seek(at)
            heap = stream.read(min(size, _LARGEST_HEAP))
            if len(heap) < max(size, _HEAP_HEADER) or not _is_filled(heap):
                raise FileError(f"{path}: damaged HDF5 file: a heap of objects without a size")


def _places(stream: BinaryIO, wanted: bytes) -> Iterator[int]:
    """Where some bytes stand in a file, which is read block by block."""
    start, kept = 0, b""
    while block := stream.read(_BLOCK):
        text = kept + block
        at = text.find(wanted)
        while at >= 0:
            yield start + at
            at = text.find(wanted, at + 1)
        kept = text[1 - len(wanted) :]
        start += len(text) - len(kept)


def _is_filled(heap: bytes) -> bool:
    """Whether the objects of a heap lie one behind the other, up to its end."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(heap[at : at + size], "little")

    at = _HEAP_HEADER
    while at + _OBJECT_HEADER <= len(heap):
        size = number(at + 8, 8)
        is_free = number(at, 2) == 0  # free space counts its header, and ends the heap
        needed = size if is_free else _OBJECT_HEADER + -(-size // 8) * 8
        if needed < _OBJECT_HEADER or at + needed > len(heap):
            return False
        at += needed
    return True


def _check(path: Path, file: h5py.File, item_bytes: int) -> None:
    try:
        with _at_most(_LARGEST_TEXTS + path.stat().st_size):
            _check_root(path, file)
            _check_tree(path, file, item_bytes)
    except (MemoryError, TypeError, ValueError) as error:
        raise FileError(f"{path}: damaged HDF5 file: {_one_line(error)}") from error


@contextmanager
def _at_most(more: int) -> Iterator[None]:
    """Let the process have no more than `more` bytes of memory beyond those that it has.

    What asks for more gets none: Python raises MemoryError, and libraries their own errors. Only
    Linux has such a limit; elsewhere there is none.
    """
    if sys.platform != "linux":
        yield
        return
    old, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    new = pages * resource.getpagesize() + more
    for limit in (old, hard):
        if limit != resource.RLIM_INFINITY:
            new = min(new, limit)
    resource.setrlimit(resource.RLIMIT_AS, (new, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (old, hard))


def _check_tree(path: Path, file: h5py.File, item_bytes: int) -> None:
    """Refuse links, cycles, other files, and what is far larger than what is stored of it."""
    waiting: list[tuple[h5py.Group, int]] = [(file, 0)]
    n_objects = 0
    while waiting:
        group, depth = waiting.pop()
        _read_texts(group)
        n_objects += len(group)
        if depth > _MAX_DEPTH or n_objects > _MAX_OBJECTS:
            raise FileError(
                f"{path}: groups lie more than {_MAX_DEPTH} deep or hold more than {_MAX_OBJECTS}"
                " arrays; make the file again"
            )
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise FileError(f"{path}: `{name}` is a link; store it in its place")
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                _check_array(path, name, item, item_bytes)
                _read_texts(item)


def _read_texts(item: h5py.Group | h5py.Dataset) -> None:
    """Read what is of variable length once, while memory is limited.

    HDF5 takes as much memory as such a value says it has, before it looks for the value.
    """
    for index in range(h5py.h5a.get_num_attrs(item.id)):
        attribute = h5py.h5a.open(item.id, index=index)
        if _is_variable(attribute.get_type()):
            item.attrs[attribute.name]
    if (
        isinstance(item, h5py.Dataset)
        and item.shape is not None
        and _is_variable(item.id.get_type())
    ):
        item[()]


def _is_variable(kind: h5py.h5t.TypeID) -> bool:
    if isinstance(kind, h5py.h5t.TypeStringID):
        return bool(kind.is_variable_str())
    return bool(kind.detect_class(h5py.h5t.VLEN))


def _check_array(path: Path, name: str, array: h5py.Dataset, item_bytes: int) -> None:
    if array.is_virtual or array.external:
        raise FileError(f"{path}: `{name}` lies in another file; store it in its place")
    stored = array.id.get_storage_size()
    needed = (array.size or 0) * max(array.dtype.itemsize, item_bytes)
    if needed > max(SMALL, MAX_RATIO * stored):
        raise FileError(
            f"{path}: `{name}` of shape {array.shape} needs {needed} bytes, of which {stored} are"
            " stored; make the file again"
        )


def _check_root(path: Path, file: h5py.File) -> None:
    try:
        len(file.attrs)
    except KeyError as error:  # how h5py reports that the root group itself is damaged
        raise FileError(f"{path}: damaged HDF5 file: {error.args[0]}") from error


def _one_line(error: Exception) -> str:
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    return (text.splitlines() or [type(error).__name__])[0]


def _why_not_opened(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: cannot be read: {reason(error)}"
    with open(path, "rb") as stream:
        head = stream.read(_FIRST_USER_BLOCK + len(SIGNATURE))
    if SIGNATURE not in (head[: len(SIGNATURE)], head[_FIRST_USER_BLOCK:]):
        if version := _matlab_version(head):
            return (
                f"{path}: a MATLAB file of version {version}, which is not HDF5; save it in MATLAB"
                " with the option -v7.3"
            )
        return f"{path}: not an HDF5 file"
    if "truncated" in str(error):
        return f"{path}: truncated: the file ends before its content does; copy or fetch it again"
    return f"{path}: damaged HDF5 file"


def _matlab_version(head: bytes) -> str | None:
    """The version of a MATLAB file that is no HDF5, by the option of `save` that makes it.

    Source: the MAT-File Format documentation of MathWorks, chapters 1 (5 to 7) and 2 (4).
    """
    if head.startswith(b"MATLAB 5.0 MAT-file"):
        is_little = head[126:128] == b"IM"
        first = int.from_bytes(head[128:132], "little" if is_little else "big")
        return "7 (-v7)" if first == _COMPRESSED else "6 (-v6)"
    for order in "<>":
        kind, rows, columns, is_complex, length = struct.unpack(f"{order}5i", head[:20].ljust(20))
        machine, reserved, precision, contents = (kind // 10**k % 10 for k in (3, 2, 1, 0))
        plausible = (
            machine == (order == ">")
            and reserved == 0
            and (0 <= kind < 5000 and precision <= 5 and contents <= 2)
            and (rows >= 0 and columns >= 0 and is_complex in (0, 1))
        )
        if plausible and 1 < length <= 64 and head[20 : 20 + length].endswith(b"\0"):
            return "4 (-v4)"
    return None
