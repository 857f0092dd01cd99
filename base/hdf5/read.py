"""HDF5 files, read so that no byte of them decides how long it takes, how much memory it needs,
whether the process lives, or which other files are read.
"""

import resource
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import BinaryIO

import h5py

from base.errors import FileError
from base.files import check_regular, reason
from base.hdf5.raw import FIRST_USER_BLOCK, FIXED, SINGLE, TREE, Index, check_heaps, index_of

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MAX_DEPTH = 24  # groups in groups
_MAX_OBJECTS = 100_000  # groups and arrays
MAX_RATIO = 1100  # bytes of an array per byte stored; deflate reaches 1032
_COMPRESSED = 15  # type of the elements of MATLAB 7's files, miCOMPRESSED
_VARIABLE_KIND = 3  # place of what a type of variable length is, in its encoded form
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
        check_heaps(path)
        file = h5py.File(path, "r", locking=False)  # files are replaced, never changed
    except OSError as error:
        raise FileError(_why_not_opened(path, error)) from error
    try:
        with file:
            _check(path, file, item_bytes)
            yield file
    except (OSError, RuntimeError, KeyError, UnicodeDecodeError) as error:  # what h5py raises
        raise FileError(f"{path}: damaged HDF5 file: {_one_line(error)}") from error


def _check(path: Path, file: h5py.File, item_bytes: int) -> None:
    try:
        with _at_most(_LARGEST_TEXTS + path.stat().st_size):
            _check_root(path, file)
            with open(path, "rb") as stream:
                _check_tree(path, file, item_bytes, stream)
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


def _check_tree(path: Path, file: h5py.File, item_bytes: int, stream: BinaryIO) -> None:
    """Refuse links, cycles, other files, and what is far larger than what is stored of it."""
    sizes = file.id.get_create_plist().get_sizes()
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
            at = group.id.links.get_info(name.encode()).u
            index = index_of(stream, at, file.userblock_size, sizes)
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                _check_array(path, name, item, item_bytes)
                _check_index(item, index)
                _read_texts(item)


def _read_texts(item: h5py.Group | h5py.Dataset) -> None:
    """Read what is of variable length once, while memory is limited.

    HDF5 takes as much memory as such a value says it has, before it looks for the value.
    """
    for index in range(h5py.h5a.get_num_attrs(item.id)):
        attribute = h5py.h5a.open(item.id, index=index)
        _ = attribute.dtype  # refuses types that numpy lacks
        if _is_variable(attribute.get_type()):
            item.attrs[attribute.name]
    if (
        isinstance(item, h5py.Dataset)
        and item.shape is not None
        and _is_variable(item.id.get_type())
    ):
        item[()]


def _is_variable(kind: h5py.h5t.TypeID) -> bool:
    """Whether values of a type, or parts of them, have no fixed length.

    Raises:
        ValueError: a type of variable length that is neither a text nor a sequence, of which HDF5
            would take anything for the function that reads it.
    """
    if isinstance(kind, h5py.h5t.TypeStringID):
        return bool(kind.is_variable_str())
    if isinstance(kind, h5py.h5t.TypeCompoundID):
        found = [_is_variable(kind.get_member_type(i)) for i in range(kind.get_nmembers())]
        return any(found)
    if isinstance(kind, h5py.h5t.TypeArrayID):
        return _is_variable(kind.get_super())
    if kind.get_class() != h5py.h5t.VLEN:
        return False
    if kind.encode()[_VARIABLE_KIND] & 0xF:
        raise ValueError("a type of variable length that is neither a text nor a sequence")
    _is_variable(kind.get_super())
    return True


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


def _check_index(array: h5py.Dataset, index: Index | None) -> None:
    """Refuse an array whose chunks are found in another way than its size asks for.

    HDF5 takes the index for what the size says, and reads beyond its end.
    """
    if index is None:
        return
    if array.chunks is None or array.maxshape is None:
        raise ValueError("an array with an index of chunks, and without chunks or a size")
    unlimited = array.maxshape.count(None)
    fits = unlimited == 0
    if index.kind == SINGLE:
        fits = array.shape == array.maxshape == array.chunks
    elif index.kind == FIXED and fits and index.entries is not None:
        sizes = zip(array.maxshape, array.chunks, strict=True)
        fits = index.entries == prod(-(-size // chunk) for size, chunk in sizes)
    elif index.kind > FIXED:
        fits = unlimited == 1 if index.kind < TREE else unlimited > 1
    if not fits:
        raise ValueError("an array whose index of chunks is not that of its size")


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
        head = stream.read(FIRST_USER_BLOCK + len(SIGNATURE))
    if SIGNATURE not in (head[: len(SIGNATURE)], head[FIRST_USER_BLOCK:]):
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
