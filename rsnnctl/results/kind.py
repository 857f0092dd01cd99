"""What a command returns: a value, and the kind that declares its columns and units once.

From a kind come the headers and units of every table and the JSON schema in `docs/schemas`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA = "schema"  # the key of a JSON document that names its kind and version

_WRITTEN = {"acs": "ACs", "macs": "MACs", "md5": "MD5", "r2": "R2", "ram": "RAM"}


@dataclass(frozen=True)
class Column:
    """One value of a result.

    Attributes:
        name: key in JSON.
        type: a name in `rsnnctl.results.schema.TYPES`.
        about: one sentence that explains it.
        unit: shown in headers.
        optional: the key may be missing.
        hidden: left out of tables for people, because lines say it or it is too long.
        null, false: text in tables where the value is null, or a boolean that is false.
    """

    name: str
    type: str
    about: str
    unit: str = ""
    optional: bool = False
    hidden: bool = False
    null: str = "-"
    false: str = "no"

    @property
    def header(self) -> str:
        """The name in words, with the unit."""
        suffix = "_" + self.unit.lower().replace("/", "_per_").partition(" ")[0]
        name = self.name.removesuffix(suffix) if self.unit else self.name
        words = " ".join(_WRITTEN.get(word, word) for word in name.split("_"))
        return f"{words} ({self.unit})" if self.unit else words


@dataclass(frozen=True)
class Rows:
    """A list of rows of one kind, or a mapping from a name to such a row.

    Attributes:
        name: key in JSON.
        columns: of each row.
        about: one sentence that explains them.
        title: of the table; none if empty.
        key: header of the names if it is a mapping; empty if it is a list.
        is_open: rows may have further columns, whose names are known only when they are made.
        joined: in tables, the rows continue those of the table before.
        optional, hidden: as for `Column`.
    """

    name: str
    columns: tuple[Column, ...]
    about: str
    title: str = ""
    key: str = ""
    is_open: bool = False
    joined: bool = False
    optional: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class Facts:
    """Named values that belong together, a JSON object; null if there are none.

    Attributes:
        name: key in JSON, and the title of the table.
        columns: its values; with `is_open`, also others.
        about: one sentence that explains them.
        is_open, optional, hidden: as for `Rows`.
    """

    name: str
    columns: tuple[Column, ...]
    about: str
    is_open: bool = False
    optional: bool = False
    hidden: bool = False


Field = Column | Rows | Facts


@dataclass(frozen=True)
class Kind:
    """One kind of result: name and version of its schema, and its fields in order.

    `is_open` allows further fields, whose names are known only when the result is made.
    """

    name: str
    about: str
    fields: tuple[Field, ...]
    version: int = 1
    is_open: bool = False

    @property
    def schema_name(self) -> str:
        """Name and version, as in `evaluation/1`."""
        return f"{self.name}/{self.version}"


@dataclass(frozen=True)
class Result:
    """What a command returns; it is printed once, in the format that was asked for.

    Attributes:
        kind: the declaration of `value`.
        value: the fields by name.
        lines: for people, below the tables.
        is_plain: people read the lines alone, without tables.
        exit_code: exit status of the command.
        on_stderr: it is printed there, because stdout has something else.
    """

    kind: Kind
    value: Mapping[str, Any]
    lines: Sequence[str] = ()
    is_plain: bool = False
    exit_code: int = 0
    on_stderr: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The JSON document: its schema, then the fields."""
        return {SCHEMA: self.kind.schema_name} | dict(self.value)
