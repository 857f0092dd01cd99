"""A result as tables of texts, which every format but JSON prints."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from base.errors import shown
from rsnnctl.results.kind import Column, Facts, Result, Rows

_SHOWN = 8  # values of a list in a cell; a longer one is counted
_FIGURES = ("integer", "number", "range", "shape")


@dataclass(frozen=True)
class Table:
    """Texts in columns; what they hold that cannot be printed is escaped.

    Attributes:
        title: none if empty.
        headers: one per column.
        rows: a text per column.
        figures: per column, whether it holds figures, which are aligned and never broken.
    """

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    figures: tuple[bool, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "title", shown(self.title))
        object.__setattr__(self, "headers", tuple(map(shown, self.headers)))
        object.__setattr__(self, "rows", tuple(tuple(map(shown, row)) for row in self.rows))


def tables_of(result: Result, *, exact: bool = False) -> list[Table]:
    """The tables of a result: its single values first, then each of its lists and groups.

    Args:
        result: the result.
        exact: numbers as they are, and nothing where a value is missing, instead of figures of
            four digits and `-`.
    """
    made = []
    pending: tuple[Rows, list[Mapping[str, Any]]] | None = None
    for field in result.kind.fields:
        value = result.value.get(field.name)
        if (field.hidden and not exact) or not value or isinstance(field, Column):
            continue
        if isinstance(field, Facts):
            made.append(_facts(field.name, field.columns, value, exact))
            continue
        rows = _listed(field, value)
        if field.joined and pending is not None:
            first, before = pending
            names = {column.name for column in first.columns}
            more = tuple(column for column in field.columns if column.name not in names)
            pending = (replace(first, columns=first.columns + more), before + rows)
            made[-1] = _rows(*pending, exact)
        else:
            pending = (field, rows)
            made.append(_rows(field, rows, exact))
    single = tuple(field for field in result.kind.fields if isinstance(field, Column))
    nested = {f.name for f in result.kind.fields if not isinstance(f, Column)}
    values = {name: value for name, value in result.value.items() if name not in nested}
    facts = _facts("", single, values, exact)
    return [facts, *made] if facts.rows else made


def text_of(value: Any, *, exact: bool = False) -> str:
    """A value in a cell: figures of four digits, or as they are; `-` or nothing for none."""
    match value:
        case None:
            return "" if exact else "-"
        case bool():
            return ("true" if value else "false") if exact else ("yes" if value else "no")
        case float():
            return _number(value, exact)
        case Mapping() if set(value) == {"min", "max"}:
            ends = (text_of(value[end], exact=exact) for end in ("min", "max"))
            return " .. ".join(ends)
        case str() | int():
            return str(value)
        case Mapping():
            return ", ".join(f"{key} {text_of(v, exact=exact)}" for key, v in value.items())
        case Sequence() if all(isinstance(v, int) for v in value) and len(value) <= _SHOWN:
            return " x ".join(map(str, value))
        case Sequence() if any(isinstance(v, Mapping) for v in value) or len(value) > _SHOWN:
            return f"{len(value)} values"
        case Sequence():
            return ", ".join(text_of(v, exact=exact) for v in value)
        case _:
            return str(value)


def _number(value: float, exact: bool) -> str:
    if not math.isfinite(value):
        return "" if exact else "-"
    if exact:
        return repr(value)
    whole = value == round(value) or abs(value) >= 1000
    return f"{value:.0f}" if whole else f"{value:.4g}"


def _listed(field: Rows, value: Any) -> list[Mapping[str, Any]]:
    if field.key:
        return [{field.key: name} | dict(row) for name, row in value.items()]
    return list(value)


def _rows(field: Rows, rows: Sequence[Mapping[str, Any]], exact: bool) -> Table:
    columns = list(field.columns)
    if field.key:
        columns.insert(0, Column(field.key, "text", ""))
    known = {column.name for column in columns}
    found = dict.fromkeys(name for row in rows for name in row)
    columns = [column for column in columns if column.name in found]
    columns = [column for column in columns if exact or not column.hidden]
    columns += [_column(name, rows) for name in found if name not in known]
    return Table(
        field.title,
        tuple(column.header for column in columns),
        tuple(tuple(_cell(column, row, exact) for column in columns) for row in rows),
        tuple(column.type.removesuffix("?") in _FIGURES for column in columns),
    )


def _cell(column: Column, row: Mapping[str, Any], exact: bool) -> str:
    value = row.get(column.name)
    if not exact and value is None:
        return column.null
    if not exact and value is False:
        return column.false
    return text_of(value, exact=exact)


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> Column:
    """A column that is not declared; figures if no value of it is a text."""
    texts = any(isinstance(row.get(name), str | bool) for row in rows)
    return Column(name, "text" if texts else "number", "")


def _facts(title: str, columns: Sequence[Column], values: Mapping[str, Any], exact: bool) -> Table:
    declared = {column.name: column for column in columns}
    rows = []
    for name, value in values.items():
        column = declared.get(name, Column(name, "object", ""))
        if column.hidden and not exact:
            continue
        for path, each in _leaves(column.header, value):
            rows.append((path, _cell(column, {column.name: each}, exact)))
    return Table(title, ("what", "value"), tuple(rows), (False, False))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Values of nested groups, under names with dots."""
    if isinstance(value, Mapping) and value and set(value) != {"min", "max"}:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner)
    else:
        yield name, value
