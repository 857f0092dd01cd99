"""The definition of a format: data, a function that writes it, and ways to run its files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from base.errors import RsnnError, UnsupportedError
from base.option import Option, chosen

if TYPE_CHECKING:
    from sim.network import IntegerNetwork
    from sim.verify import Backend

_NETWORK = ".int.h5"


@dataclass(frozen=True)
class Format:
    """One format that networks can be written in.

    Its functions import what they need when called, so that listing formats is fast.

    Attributes:
        description: what is written, a phrase that follows "write".
        details: further information for users, in sentences.
        write: (network, path, and each option by keyword) -> the files that were written.
        suffixes: suffixes of the files. One: `path` is the file. Several: each file is `path` and
            one of them. None: `path` is a folder.
        options: options of `write`.
        check: (network) -> nothing, or UnsupportedError with the reason why it cannot be written;
            None if every network can be. `write` refuses it too.
        remarks: (network, and each option by keyword) -> remarks for readers of the files, one
            per line; None if there are never any.
        backends: ways to run the written files here, by name, for `rsnnctl verify`: each
            (network, raster) -> Trace.
        prepared: those of `backends` that take long to get ready, by the same names: (network, new
            folder) -> the backend, for many runs of this network.
        read_digest: a file that was written -> the digest of the network that it names, or None;
            None if files name none.
        open_written: (what was written, the network it is of) -> ways to run it as it is, by name
            as in `backends`, after comparing it with what `write` gives; None if it cannot be read
            back. The first is one of the files, or the folder. It raises MismatchError with the
            array or line that differs.
        name: name of the file, filled in by `formats()`.
    """

    description: str
    details: str
    write: Callable[..., list[Path]]
    suffixes: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    check: Callable[["IntegerNetwork"], None] | None = None
    remarks: Callable[..., list[str]] | None = None
    backends: Mapping[str, "Backend"] = field(default_factory=dict)
    prepared: Mapping[str, Callable[["IntegerNetwork", Path], "Backend"]] = field(
        default_factory=dict
    )
    read_digest: Callable[[Path], str | None] | None = None
    open_written: Callable[[Path, "IntegerNetwork"], Mapping[str, "Backend"]] | None = None
    name: str = ""

    @property
    def writes_one_file(self) -> bool:
        """Whether `path` is a file; otherwise users name a folder."""
        return len(self.suffixes) == 1

    def files(self, path: Path) -> list[Path]:
        """The files that `write` makes of a path, or those that its folder holds."""
        if self.writes_one_file:
            return [path]
        if self.suffixes:
            return [path.with_name(path.name + suffix) for suffix in self.suffixes]
        return sorted(path.iterdir()) if path.is_dir() else []

    def can_write(self, network: "IntegerNetwork") -> bool:
        """Whether a network can be written at all."""
        try:
            if self.check is not None:
                self.check(network)
        except UnsupportedError:
            return False
        return True

    def digests(self, path: Path) -> set[str | None]:
        """The digests of networks that files name, and None if one that should names none.

        Args:
            path: as `write` takes it.
        """
        found = {self._digest_of(file) for file in self.files(path) if file.is_file()}
        return found if self.suffixes else found - {None}

    def named(self, written: Path) -> set[str]:
        """The digests of networks that a file of this format names, or those in a folder."""
        if not self.suffixes:
            files = sorted(written.iterdir()) if written.is_dir() else [written]
        else:
            files = [written] if written.name.endswith(self.suffixes) else []
        found = (self._digest_of(file) for file in files if file.is_file())
        return {digest for digest in found if digest is not None}

    def _digest_of(self, file: Path) -> str | None:
        try:
            return None if self.read_digest is None else self.read_digest(file)
        except RsnnError:
            return None


def write_network(
    format: Format, network: "IntegerNetwork", path: Path | str, options: Mapping[str, Any]
) -> list[Path]:
    """Write a network; return the files.

    Args:
        format: one of `formats()`.
        network: the network.
        path: the file, the files' common beginning, or the folder; see `Format.suffixes`.
        options: by name; those left out have their defaults.

    Raises:
        RangeError: an unknown option, or a value that is refused.
        FileError: a file cannot be written.
    """
    return format.write(network, Path(path), **chosen(format.options, options))


def remarks(format: Format, network: "IntegerNetwork", options: Mapping[str, Any]) -> list[str]:
    """Remarks for readers of the files, one per line; options as in `write_network`."""
    values = chosen(format.options, options)
    return [] if format.remarks is None else format.remarks(network, **values)


def place(format: Format, source: Path, output: Path | None) -> Path:
    """The `path` that a network's file is exported to.

    Args:
        format: one of `formats()`.
        source: the network's file (.int.h5).
        output: the file or folder that a user names. None for a file beside the network; for
            several files, its folder; for a folder, one beside it named like the format.
    """
    stem = source.name.removesuffix(_NETWORK)
    if format.writes_one_file:
        return output or inside(format, source.parent, stem)
    if format.suffixes:
        return inside(format, output or source.parent, stem)
    return output or source.parent / format.name


def inside(format: Format, folder: Path, stem: str) -> Path:
    """The `path` of which all files lie in a folder and, but for suffixes, are called `stem`."""
    if format.writes_one_file:
        return folder / f"{stem}{format.suffixes[0]}"
    return folder / stem if format.suffixes else folder
