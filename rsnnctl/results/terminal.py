"""Tables in the width of a terminal: wrapped headers, folded texts, columns below each other.

A figure is never cut or broken.
"""

import os
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TextIO

from rich.console import Console
from rich.table import Table as RichTable

from rsnnctl.results.tables import Table

_NAMES = 36  # columns that a name keeps at least beside one value, if it is longer
_FIRST = 22  # that a text in the first of several columns keeps
_FOLDED = 14  # that other texts keep
_GAP = 2  # columns between a name and its value
_ENDLESS = 10_000  # columns, where nothing limits them


def print_tables(tables: Sequence[Table], stream: TextIO) -> None:
    """Print tables, no wider than the terminal.

    Where `stream` is a file or a pipe, the variable COLUMNS limits the width, if it is set.
    """
    width = _width(stream)
    console = Console(file=stream, width=width, markup=False, emoji=False, highlight=False)
    for table in (_encodable(table, stream.encoding or "utf-8") for table in tables):
        parts = parted(table, width)
        for part in parts or ():
            console.print(_across(part, fitted(part, width) or ()))
        if parts is None:
            console.print(_upright(table, width))


def parted(table: Table, width: int) -> list[Table] | None:
    """Tables of some columns each, and the first in all, that fit; None if a column does not.

    A table that fits is not parted, and one row reads better with a line per value.
    """
    if fitted(table, width) is not None:
        return [table]
    if len(table.rows) < 2:
        return None
    parts = [[0]]
    for column in range(1, len(table.headers)):
        if fitted(_only(table, [*parts[-1], column]), width) is None:
            parts.append([0])
        parts[-1].append(column)
    made = [_only(table, part) for part in parts]
    return None if any(fitted(part, width) is None for part in made) else made


def fitted(table: Table, width: int) -> list[int] | None:
    """A width per column with which the table takes at most `width`; None if there are none.

    Headers are wrapped first, then texts folded; figures keep their length.
    """
    cells = [max(map(_len, column), default=0) for column in _columns(table)]
    natural = [max(len(h), c) for h, c in zip(table.headers, cells, strict=True)]
    words = [max(map(len, header.split()), default=0) for header in table.headers]
    wrapped = [max(w, c) for w, c in zip(words, cells, strict=True)]
    texts = [_NAMES if len(words) == 2 else _FIRST] + [_FOLDED] * (len(words) - 1)
    least = [
        most if figure else max(word, min(most, text))
        for most, word, text, figure in zip(wrapped, words, texts, table.figures, strict=True)
    ]
    room = width - 3 * len(natural) - 1  # without the lines between columns
    if sum(natural) <= room:
        return natural
    if sum(least) > room:
        return None
    found = list(wrapped)
    while sum(found) > room:
        longest = max(range(len(found)), key=lambda i: found[i] - least[i])
        found[longest] -= 1
    return found


def _encodable(table: Table, encoding: str) -> Table:
    """A table whose letters a terminal of that encoding has; others are escaped, and have room."""

    def escaped(texts: Sequence[str]) -> tuple[str, ...]:
        return tuple(t.encode(encoding, "backslashreplace").decode(encoding) for t in texts)

    rows = tuple(map(escaped, table.rows))
    return replace(
        table, title=escaped([table.title])[0], headers=escaped(table.headers), rows=rows
    )


def _only(table: Table, columns: Sequence[int]) -> Table:
    """Some columns of a table; its title stands above the first."""
    return Table(
        table.title if 1 in columns else "",
        tuple(table.headers[i] for i in columns),
        tuple(tuple(row[i] for i in columns) for row in table.rows),
        tuple(table.figures[i] for i in columns),
    )


def _width(stream: TextIO) -> int:
    if stream.isatty() or os.environ.get("COLUMNS", "").isdigit():
        return shutil.get_terminal_size().columns
    return _ENDLESS


def _len(text: str) -> int:
    return max(map(len, text.splitlines()), default=0)


def _columns(table: Table) -> list[list[str]]:
    return [[row[i] for row in table.rows] for i in range(len(table.headers))]


def _across(table: Table, widths: Sequence[int]) -> RichTable:
    shown = RichTable(title=table.title or None, title_justify="left")
    for header, width, figure in zip(table.headers, widths, table.figures, strict=True):
        lines = "\n".join(textwrap.wrap(header, width))
        justify: Literal["left", "right"] = "right" if figure else "left"
        shown.add_column(lines, justify=justify, width=width, overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    return shown


def _upright(table: Table, width: int) -> RichTable:
    """One line per value, a blank line between rows."""
    room = width - _GAP
    figures = [i for i, figure in enumerate(table.figures) if figure]
    figure = max((len(row[i]) for row in table.rows for i in figures), default=0)
    value = max((len(text) for row in table.rows for text in row), default=0)
    name = max(map(len, table.headers))
    name = max(1, min(name, max(room - value, min(room // 2, room - figure))))
    shown = RichTable.grid(padding=(0, _GAP, 0, 0))
    shown.title, shown.title_justify = table.title or None, "left"
    shown.add_column(width=name, overflow="fold")
    shown.add_column(width=max(1, min(value, room - name)), overflow="fold")
    for i, row in enumerate(table.rows):
        if i:
            shown.add_row("", "")
        for header, text in zip(table.headers, row, strict=True):
            shown.add_row(header, text)
    return shown
