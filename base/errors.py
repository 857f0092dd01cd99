"""Errors that a user can fix, and warnings. Each text is one line: name, value, limit, way out."""


def shown(text: str) -> str:
    """A text in which every character that cannot be printed is escaped, as `repr` does.

    Texts may hold names out of files of others: a newline, a terminal's control codes, marks that
    turn the direction of writing, and bytes that are no text become `\\n`, `\\x1b`, `\\u202e` and
    `\\udcff`.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


class RsnnError(Exception):
    """Base of every error that `rsnnctl` prints as one line before it exits with 1."""

    def __str__(self) -> str:
        return shown(super().__str__())


class FileError(RsnnError):
    """A file is missing, damaged, of another kind, or cannot be written."""


class DataError(RsnnError):
    """A recording, raster or set of weights holds something that cannot be used."""


class RangeError(RsnnError):
    """A number lies outside the range in which it has a meaning."""


class MismatchError(RsnnError):
    """Two things that must agree do not: shapes, channel counts, digests, traces."""


class ToolError(RsnnError):
    """An outside program or an optional package is missing; the text names its package."""


class UnsupportedError(RangeError):
    """A format cannot express a network; other formats can."""


class RsnnWarning(UserWarning):
    """A remark on something that stops no work but that users should know; one line."""

    def __str__(self) -> str:
        return shown(super().__str__())
