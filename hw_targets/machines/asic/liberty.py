"""A library of standard cells in Liberty's format: what its cells hold, draw and leak."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError

_TOKEN = re.compile(r'"[^"]*"|[{}();:,]|[^\s{}();:,"]+')


@dataclass
class Group:
    """A group of a Liberty file: its kind, names, attributes and groups inside."""

    kind: str
    names: list[str]
    values: dict[str, list[str]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)

    def of(self, kind: str) -> Iterator["Group"]:
        """The groups of a kind inside."""
        return (group for group in self.groups if group.kind == kind)

    def number(self, name: str, default: float = 0.0) -> float:
        """A number by name."""
        return float(self.values[name][0]) if name in self.values else default


@dataclass(frozen=True)
class Pin:
    """A pin of a cell.

    Attributes:
        capacitance: F; 0 of an output.
        is_clock: whether it is one.
        energies: tables of J per edge, of loads (F) and slews (s) or of slews alone: index of each
            axis, and values; one per edge and related pin.
    """

    capacitance: float
    is_clock: bool
    energies: tuple[tuple[list[NDArray[np.float64]], NDArray[np.float64]], ...]

    def energy(self, load: float, slew: float) -> float:
        """Mean energy of an edge inside the cell (J), at a load (F) and a slew of inputs (s)."""
        found = [_interpolated(axes, values, (load, slew)) for axes, values in self.energies]
        return sum(found) / len(found) if found else 0.0


@dataclass(frozen=True)
class Cell:
    """A cell: its area (um2), leakage (W) and pins by name."""

    area: float
    leakage: float
    pins: Mapping[str, Pin]


@dataclass(frozen=True)
class Library:
    """Cells by name, and the voltage (V) that they were characterized at."""

    voltage: float
    cells: Mapping[str, Cell]


def read_liberty(path: Path) -> Library:
    """Read a library.

    Its units are those of most libraries, ns, pF, nW and 1 V, so that energies are in pJ.

    Raises:
        DataError: its units are others, or it is none.
    """
    text = re.sub(r"/[*].*?[*]/", "", path.read_text(encoding="latin-1"), flags=re.S)
    tokens = iter(_TOKEN.findall(text.replace("\\\n", " ")))
    top = Group("", [])
    _read(tokens, top)
    (library,) = top.groups or [top]
    units = [library.values.get(name, [""])[0].strip('"') for name in _UNITS]
    load = "".join(library.values.get("capacitive_load_unit", []))
    if units != list(_UNITS.values()) or load.lower() != "1pf":
        raise DataError(f"{path}: units are {', '.join([*units, load])}; {_KNOWN} are known")
    tables = {t.names[0]: t for t in library.of("power_lut_template")}
    cells = {cell.names[0]: _cell(cell, tables) for cell in library.of("cell")}
    return Library(library.number("nom_voltage"), cells)


_UNITS = {"time_unit": "1ns", "voltage_unit": "1V", "leakage_power_unit": "1nW"}
_KNOWN = "1ns, 1V, 1nW, 1pf"


def _read(tokens: Iterator[str], into: Group) -> None:
    """Statements up to the end of a group: `name : value;`, `name (values);` or a group."""
    for name in tokens:
        if name == "}":
            return
        if name == ";":
            continue
        after = next(tokens)
        if after == ":":
            into.values[name] = list(_until(tokens, ";"))
            continue
        if after != "(":
            raise DataError(f"Liberty: `{name}` is followed by `{after}`")
        values = [token for token in _until(tokens, ")") if token != ","]
        after = next(tokens, ";")
        if after == "{":
            group = Group(name, [value.strip('"') for value in values])
            into.groups.append(group)
            _read(tokens, group)
        else:
            into.values[name] = values


def _until(tokens: Iterator[str], end: str) -> Iterator[str]:
    for token in tokens:
        if token == end:
            return
        yield token


def _cell(group: Group, tables: Mapping[str, Group]) -> Cell:
    pins = {pin.names[0]: _pin(pin, tables) for pin in group.of("pin")}
    return Cell(group.number("area"), group.number("cell_leakage_power") * 1e-9, pins)


def _pin(group: Group, tables: Mapping[str, Group]) -> Pin:
    energies = []
    for power in group.of("internal_power"):
        for edge in power.groups:
            axes = [
                _numbers(edge.values[name])
                for name in ("index_1", "index_2")
                if name in edge.values
            ]
            values = _numbers(edge.values["values"]).reshape([len(axis) for axis in axes])
            scales = [1e-12, 1e-9] if len(axes) == 2 else [1e-9]
            scaled = [axis * scale for axis, scale in zip(axes, scales, strict=True)]
            energies.append((scaled, values * 1e-12))
    is_output = group.values.get("direction") == ["output"]
    capacitance = 0.0 if is_output else group.number("capacitance") * 1e-12
    return Pin(capacitance, group.values.get("clock") == ["true"], tuple(energies))


def _numbers(words: list[str]) -> NDArray[np.float64]:
    return np.array([float(w) for text in words for w in text.strip('"').split(",")])


def _interpolated(
    axes: list[NDArray[np.float64]], values: NDArray[np.float64], at: tuple[float, float]
) -> float:
    """A table at a load and a slew, or at a slew, linear between its points and flat beyond."""
    if len(axes) == 1:
        return float(np.interp(at[1], axes[0], values))
    rows = [np.interp(at[1], axes[1], row) for row in values]
    return float(np.interp(at[0], axes[0], rows))
