"""Results that are files: what was written, and the digest of what can be read back."""

from collections.abc import Iterable
from pathlib import Path

from rsnnctl.results.kind import Column, Kind, Result

STDOUT = Path("-")
FILES = Kind(
    "files",
    "The files that a command wrote.",
    (Column("files", "texts", "Paths of the files."),),
)
MADE = Kind(
    "made",
    "A model or network that was made of another file.",
    (
        Column("file", "text", "Path of the model or network."),
        Column("digest", "text", "SHA-256 of all but its metadata."),
    ),
)


def files(paths: Iterable[Path]) -> Result:
    """The files that were written, one per line for people; on stderr if one went to stdout."""
    names = [str(path) for path in paths]
    return Result(FILES, {"files": names}, names, is_plain=True, on_stderr=str(STDOUT) in names)


def made(path: Path, digest: str) -> Result:
    """A model or network, and its digest; on stderr if it went to stdout."""
    value = {"file": str(path), "digest": digest}
    lines = [str(path), f"digest {digest}"]
    return Result(MADE, value, lines, is_plain=True, on_stderr=path == STDOUT)
