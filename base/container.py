"""The HDF5 container of models and networks: sealed, so that a flipped byte is refused.

A container is an HDF5 file with root attributes `format`, `format_version` and `digest`, a
`/provenance` group, and a 512-byte HDF5 user block that holds the size and SHA-256 of everything
behind it. Any HDF5 reader opens it; any flipped or missing byte is refused by `open_container`.
"""

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom, BufferedReader
from pathlib import Path
from typing import Any

import h5py

from base.errors import FileError
from base.files import atomic_path

_USER_BLOCK = 512  # the smallest user block that HDF5 allows, in bytes
FORMAT_VERSION = 1  # of all files that rsnnctl writes; increases when any layout changes
_MARK = b"rsnnctl container, "
_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_COMPRESSED = 15  # type of the elements of MATLAB 7's files, miCOMPRESSED
_MAX_DEPTH = 4  # groups in groups
_MAX_OBJECTS = 100_000  # groups and arrays
_MAX_RATIO = 1100  # bytes of an array per byte stored; deflate reaches 1032


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open any HDF5 file for reading; other files are refused in one line.

    Raises:
        FileError: no such file, a folder, not HDF5, truncated, or damaged where it is read.
    """
    path = Path(path)
    if not path.exists():
        raise FileError(f"{path}: no such file")
    if path.is_dir():
        raise FileError(f"{path}: is a folder, not a file")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise FileError(_why_not_opened(path, error)) from error
    try:
        with file:
            _check_root(path, file)
            yield file
    except (OSError, RuntimeError) as error:  # what h5py raises for a damaged dataset
        raise FileError(f"{path}: damaged HDF5 file: {error}".splitlines()[0]) from error


@contextmanager
def create_container(
    path: Path,
    *,
    format: str,
    digest: str,
    provenance: Mapping[str, Any],
) -> Iterator[h5py.File]:
    """Write one container atomically; fill the yielded file, it is sealed on leaving the block."""
    with atomic_path(path) as temporary:
        with h5py.File(temporary, "w", userblock_size=_USER_BLOCK, libver="v110") as file:
            file.attrs["format"] = format
            file.attrs["format_version"] = FORMAT_VERSION
            file.attrs["digest"] = digest
            yield file
            group = file.create_group("provenance")
            for key, value in provenance.items():
                group.attrs[key] = json.dumps(value, sort_keys=True)
        with open(temporary, "rb+") as stream:
            stream.write(_seal(stream))


@contextmanager
def open_container(path: Path, *, format: str) -> Iterator[h5py.File]:
    """Open a container of the given format and check that it is whole.

    Raises:
        FileError: as in `open_hdf5`; another format; a newer version; an edited file.
    """
    with _open_sealed(path) as file:
        found = str(file.attrs["format"])
        if found != format:
            raise FileError(
                f"{path}: holds `{found[:60]}`; a file of format `{format}` is needed here"
            )
        yield file


@dataclass(frozen=True)
class Label:
    """A container's own statement of its content: its format, its digest and what made it."""

    format: str
    digest: str
    provenance: Mapping[str, Any]


def read_label(path: Path) -> Label:
    """Read the format, the digest and the provenance that a container names.

    Raises:
        FileError: as in `open_container`, except for another format.
    """
    with _open_sealed(path) as file:
        format, digest = (str(file.attrs[name]) for name in ("format", "digest"))
        return Label(format, digest, read_provenance(file))


def read_provenance(file: h5py.File) -> dict[str, Any]:
    """Return the `/provenance` group of an open container as a dictionary."""
    try:
        return {key: json.loads(value) for key, value in file["provenance"].attrs.items()}
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FileError(
            f"{file.filename}: its provenance cannot be read; make the file again"
        ) from error


def made_by(path: Path) -> str | None:
    """The command that a container names as its maker; None if it is none, or is not whole."""
    try:
        command = read_label(path).provenance.get("command")
    except FileError:
        return None
    return command if isinstance(command, str) else None


@contextmanager
def _open_sealed(path: Path) -> Iterator[h5py.File]:
    """Open a container of any format and version whose user block fits what is behind it.

    Only the version, a number, is read before that check: a flipped byte in a text can keep HDF5
    busy for ever.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        with open(path, "rb") as stream:
            header = stream.read(_USER_BLOCK)
            stream.seek(0)
            if not header.startswith(_MARK) or "format_version" not in file.attrs:
                raise FileError(f"{path}: is HDF5 but not written by rsnnctl; make or name another")
            version = _version(path, file)
            if version > FORMAT_VERSION:
                raise FileError(
                    f"{path}: format version {version} is newer than {FORMAT_VERSION}, the newest"
                    " that this rsnnctl reads; upgrade rsnnctl"
                )
            if header != _seal(stream):
                raise FileError(
                    f"{path}: its content does not match its checksum; the file was edited or"
                    " damaged, make it again"
                )
        _check_content(path, file)
        yield file


def _version(path: Path, file: h5py.File) -> int:
    try:
        return int(file.attrs["format_version"])
    except (TypeError, ValueError, OverflowError) as error:
        raise FileError(f"{path}: its format version is no number; make the file again") from error


def _check_content(path: Path, file: h5py.File) -> None:
    """Refuse links out of a file, cycles, and arrays far larger than their stored bytes."""
    for name in ("format", "digest"):
        if not isinstance(file.attrs.get(name), str):
            raise FileError(f"{path}: has no text `{name}`; make the file again")
    waiting: list[tuple[h5py.Group, int]] = [(file, 0)]
    n_objects = 0
    while waiting:
        group, depth = waiting.pop()
        n_objects += len(group)
        if depth > _MAX_DEPTH or n_objects > _MAX_OBJECTS:
            raise FileError(
                f"{path}: groups lie more than {_MAX_DEPTH} deep or hold more than {_MAX_OBJECTS}"
                " arrays; make the file again"
            )
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise FileError(f"{path}: `{name}` is a link; make the file again")
            item = group[name]
            if isinstance(item, h5py.Group):
                waiting.append((item, depth + 1))
            elif isinstance(item, h5py.Dataset):
                _check_array(path, name, item)


def _check_array(path: Path, name: str, array: h5py.Dataset) -> None:
    if array.is_virtual or array.external:
        raise FileError(f"{path}: `{name}` lies in another file; make the file again")
    stored = array.id.get_storage_size()
    if (array.nbytes or 0) > _MAX_RATIO * stored:
        raise FileError(
            f"{path}: `{name}` of shape {array.shape} needs {array.nbytes} bytes, of which {stored}"
            " are stored; make the file again"
        )


def _seal(stream: BufferedReader | BufferedRandom) -> bytes:
    """Return the user block that belongs to the bytes behind it; leave the stream at 0."""
    stream.seek(_USER_BLOCK)
    body = hashlib.file_digest(stream, "sha256")
    size = stream.tell() - _USER_BLOCK
    stream.seek(0)
    line = f"{size} bytes follow this block, sha256 {body.hexdigest()}\n"
    return (_MARK + line.encode("ascii")).ljust(_USER_BLOCK, b"\0")


def _check_root(path: Path, file: h5py.File) -> None:
    try:
        len(file.attrs)
    except KeyError as error:  # how h5py reports that the root group itself is damaged
        raise FileError(f"{path}: damaged HDF5 file: {error.args[0]}") from error


def _why_not_opened(path: Path, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"{path}: cannot be read: permission denied"
    with open(path, "rb") as stream:
        head = stream.read(_USER_BLOCK + len(_HDF5_SIGNATURE))
    if _HDF5_SIGNATURE not in (head[: len(_HDF5_SIGNATURE)], head[_USER_BLOCK:]):
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
