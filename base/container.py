"""The HDF5 container of models and networks: sealed, so that a flipped byte is refused.

A container is an HDF5 file with root attributes `format`, `format_version` and `digest`, a
`/provenance` group, and a 512-byte HDF5 user block that holds the size and SHA-256 of everything
behind it. Any HDF5 reader opens it; any flipped or missing byte is refused by `open_container`.

Such a seal also stands in the user block of other files, behind what they keep there.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from base.errors import FileError
from base.files import check_regular, read_bytes, reason
from base.hdf5.read import open_hdf5
from base.hdf5.write import create_hdf5

_USER_BLOCK = 512  # the smallest user block that HDF5 allows, in bytes
FORMAT_VERSION = 1  # of all files that rsnnctl writes; increases when any layout changes
_MARK = b"rsnnctl container, "


@contextmanager
def create_container(
    path: Path,
    *,
    format: str,
    digest: str,
    provenance: Mapping[str, Any],
) -> Iterator[h5py.File]:
    """Write one container atomically; fill the yielded file, it is sealed on leaving the block."""
    with create_hdf5(path, user_block=_seal, libver="v110") as file:
        file.attrs["format"] = format
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["digest"] = digest
        yield file
        group = file.create_group("provenance")
        for key, value in provenance.items():
            group.attrs[key] = json.dumps(value, sort_keys=True)


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

    The checksum is compared before HDF5 sees a byte of it.
    """
    path = Path(path)
    content = read_bytes(path)
    header = content[:_USER_BLOCK]
    is_whole = header == _seal(content[_USER_BLOCK:])
    with open_hdf5(path) as file:
        if not header.startswith(_MARK) or "format_version" not in file.attrs:
            raise FileError(f"{path}: is HDF5 but not written by rsnnctl; make or name another")
        version = _version(path, file)
        if version > FORMAT_VERSION:
            raise FileError(
                f"{path}: format version {version} is newer than {FORMAT_VERSION}, the newest"
                " that this rsnnctl reads; upgrade rsnnctl"
            )
        if not is_whole:
            raise _not_whole(path)
        for name in ("format", "digest"):
            if not isinstance(file.attrs.get(name), str):
                raise FileError(f"{path}: has no text `{name}`; make the file again")
        yield file


def _version(path: Path, file: h5py.File) -> int:
    try:
        return int(file.attrs["format_version"])
    except (TypeError, ValueError, OverflowError) as error:
        raise FileError(f"{path}: its format version is no number; make the file again") from error


def seal(content: bytes) -> bytes:
    """The line for the user block of a file that belongs to the bytes behind the block."""
    return _line(len(content), hashlib.sha256(content).hexdigest())


def check_seal(path: Path, at: int) -> None:
    """Compare a file with the seal in its user block, if it has one, block by block.

    Args:
        path: the file.
        at: place of the seal in the user block, in bytes.

    Raises:
        FileError: no regular file, or its content is not what the seal says.
    """
    check_regular(path)
    try:
        with open(path, "rb") as stream:
            line = stream.read(_USER_BLOCK)[at:].rstrip(b"\0")
            if not line.startswith(_MARK):
                return
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            size = stream.tell() - _USER_BLOCK
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {reason(error)}") from error
    if line != _line(size, digest):
        raise _not_whole(path)


def _seal(content: bytes) -> bytes:
    """Return the user block that belongs to the bytes behind it."""
    return seal(content).ljust(_USER_BLOCK, b"\0")


def _line(size: int, digest: str) -> bytes:
    return _MARK + f"{size} bytes follow this block, sha256 {digest}\n".encode("ascii")


def _not_whole(path: Path) -> FileError:
    return FileError(
        f"{path}: its content does not match its checksum; the file was edited or damaged, make it"
        " again"
    )
