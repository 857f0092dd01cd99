"""The JSON schema of a kind of result, as kept in `docs/schemas`."""

from collections.abc import Iterable
from typing import Any

from rsnnctl.results.kind import SCHEMA, Column, Facts, Field, Kind, Rows

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_END = {"type": ["number", "null"]}
TYPES: dict[str, dict[str, Any]] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "text": {"type": "string"},
    "texts": {"type": "array", "items": {"type": "string"}},
    "shape": {"type": "array", "items": {"type": "integer"}},
    "numbers": {"type": "array", "items": {"type": "number"}},
    "range": {
        "type": "object",
        "properties": {"min": _END, "max": _END},
        "required": ["min", "max"],
        "additionalProperties": False,
    },
    "object": {"type": "object"},
}
"""JSON types by name; one that ends in `?` may also be null."""


def schema_of(kind: Kind) -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of the documents of a kind."""
    fields = _object(kind.fields, kind.is_open)
    return {
        "$schema": _DIALECT,
        "title": kind.schema_name,
        "description": kind.about,
        **fields,
        "properties": {SCHEMA: {"const": kind.schema_name}, **fields["properties"]},
        "required": [SCHEMA, *fields["required"]],
    }


def _object(fields: Iterable[Field], is_open: bool) -> dict[str, Any]:
    fields = tuple(fields)
    return {
        "type": "object",
        "properties": {field.name: _of(field) for field in fields},
        "required": [field.name for field in fields if not field.optional],
        "additionalProperties": is_open,
    }


def _of(field: Field) -> dict[str, Any]:
    about = {"description": field.about}
    match field:
        case Column():
            found = TYPES[field.type.removesuffix("?")]
            if field.type.endswith("?"):
                found = {**found, "type": [found["type"], "null"]}
            return found | about | ({"x-unit": field.unit} if field.unit else {})
        case Facts():
            found = _object(field.columns, field.is_open)
            return found | {"type": ["object", "null"]} | about
        case Rows(key=""):
            return {"type": "array", "items": _object(field.columns, field.is_open)} | about
        case _:
            row = _object(field.columns, field.is_open)
            return {"type": "object", "additionalProperties": row} | about
