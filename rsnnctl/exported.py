"""Exported files, read back: their format, and the network that they were made of."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from base.container import read_label
from base.errors import FileError, MismatchError
from export.format import Format
from export.formats import formats


def format_of(path: Path) -> Format | None:
    """The format that a file or folder was exported in; None for any other file.

    Raises:
        FileError: a folder that holds nothing exported.
    """
    for format in formats().values():
        if format.open_written is not None:
            is_file = bool(format.suffixes) and path.name.endswith(format.suffixes)
            if is_file or (not format.suffixes and format.named(path)):
                return format
    if path.is_dir():
        raise FileError(f"{path}: is a folder, not a file, and holds no exported network")
    return None


def network_of(path: Path, format: Format, given: Path | None) -> Path:
    """The file of the network that an exported file or folder was made of.

    Args:
        path: the exported file or folder.
        format: its format.
        given: the network's file; None for the one that lies beside `path`, or for a file of a
            folder, beside that.

    Raises:
        FileError: it names no network, or several, or one that is not there.
        MismatchError: it names another network than the given one.
    """
    named = format.named(path)
    if len(named) != 1:
        several = ", ".join(f"{digest[:12]}.." for digest in sorted(named))
        what = f"several networks, {several}" if named else "no network"
        raise FileError(f"{path}: names {what}; export it again")
    (digest,) = named
    if given is not None:
        found = read_label(given).digest
        if found != digest:
            raise MismatchError(
                f"{path}: names network {digest[:12]}.., but {given} is {found[:12]}..; export it"
                " again, or name the network that it was made of"
            )
        return given
    for network in _beside(path, format):
        with suppress(FileError):  # a damaged one is none that is named
            if read_label(network).digest == digest:
                return network
    raise FileError(
        f"{path}: names network {digest[:12]}.., which no file beside it is; name that file with"
        " --network, or export it again"
    )


def _beside(path: Path, format: Format) -> Iterator[Path]:
    place = path.absolute().parent
    yield from sorted(place.glob("*.int.h5"))
    if not format.suffixes and not path.is_dir():
        yield from sorted(place.parent.glob("*.int.h5"))
