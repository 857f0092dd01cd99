"""Settings in sections, dataclasses of defaults: changed by TOML files and `section.name=value`."""

import dataclasses
import difflib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from base.errors import DataError
from base.toml import parse_toml, read_toml


def changed(
    defaults: Mapping[str, Any], files: Sequence[Path], settings: Sequence[str], example: str
) -> dict[str, dict[str, Any]]:
    """What files and settings change, by section and name; later ones win.

    Args:
        defaults: dataclass of each section; a value keeps the type of its default.
        files: TOML with these sections and names.
        settings: such as `training.epochs=50`; values are written as in TOML, bare words are text.
        example: a setting, for messages.

    Raises:
        DataError: an unknown section or name (the nearest known one is named), a value of another
            type, or a file that is not TOML.
        FileError: no such file.
    """
    changes = [change for file in files for change in settings_in(file, read_toml(Path(file)))]
    changes += [parsed(setting, example) for setting in settings]
    return applied(defaults, changes)


def applied(
    defaults: Mapping[str, Any], changes: Iterable[tuple[str, str, Any]]
) -> dict[str, dict[str, Any]]:
    """What changes, by section and name, of changes (section, name, value); later ones win.

    Raises:
        DataError: as in `changed`.
    """
    known = {s: {f.name for f in dataclasses.fields(v)} for s, v in defaults.items()}
    values: dict[str, dict[str, Any]] = {section: {} for section in known}
    for section, name, value in changes:
        _check_known(section, name, known)
        current = getattr(defaults[section], name)
        values[section][name] = _as_type_of(f"{section}.{name}", current, value)
    return values


def as_toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Settings by section and name as TOML text, which `changed` reads back."""
    return "\n".join(_toml_lines(sections))


def settings_in(path: Path, tables: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Section, name and value of each setting in the tables of a file.

    Raises:
        DataError: a value outside any section.
    """
    for section, table in tables.items():
        if not isinstance(table, Mapping):
            raise DataError(
                f"{path}: `{section}` stands outside any section; write it below a [section]"
            )
        for name, value in table.items():
            yield section, name, value


def parsed(setting: str, example: str) -> tuple[str, str, Any]:
    """Section, name and value of a setting such as `training.epochs=50`.

    Raises:
        DataError: it is written otherwise; the message shows the example.
    """
    key, equals, text = setting.partition("=")
    section, dot, name = key.strip().partition(".")
    if not equals or not dot:
        raise DataError(f"`settings={setting}`: write section.name=value, as in {example}")
    try:
        value = parse_toml(f"value = {text}")["value"]
    except ValueError:
        value = text.strip()
    return section, name, value


def _check_known(section: str, name: str, known: Mapping[str, set[str]]) -> None:
    if name in known.get(section, ()):
        return
    every = [f"{s}.{n}" for s, names in known.items() for n in sorted(names)]
    nearest = difflib.get_close_matches(f"{section}.{name}", every, n=1, cutoff=0.0)[0]
    raise DataError(f"there is no setting `{section}.{name}`; the nearest is `{nearest}`")


def _as_type_of(key: str, current: Any, value: Any) -> Any:
    """`value` in the type of the setting's current value, or an error that names both."""
    if isinstance(current, bool):
        fits, kind = isinstance(value, bool), "true or false"
    elif isinstance(current, int):
        fits, kind = isinstance(value, int) and not isinstance(value, bool), "a whole number"
    elif isinstance(current, float):
        fits, kind = _is_number(value), "a number"
        value = float(value) if fits else value
    elif isinstance(current, tuple):
        is_list, of_floats = isinstance(value, list | tuple), float in map(type, current)
        fits = is_list and all(_is_number(v) if of_floats else type(v) is int for v in value)
        kind = "a list of numbers" if of_floats else "a list of whole numbers"
        value = tuple(map(float, value) if of_floats else value) if fits else value
    else:
        fits, kind = isinstance(value, str), "a text"
    if not fits:
        raise DataError(f"{key} is {value!r}; {kind} is needed")
    return value


def _is_number(value: Any) -> bool:
    if isinstance(value, float):
        return True
    return type(value) is int and abs(value) <= sys.float_info.max


def _toml_lines(sections: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for section, values in sections.items():
        yield f"[{section}]"
        for name, value in values.items():
            yield f"{name} = {json.dumps(value)}"  # texts, numbers and lists are the same in both
        yield ""
