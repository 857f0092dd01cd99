"""Storage of a matrix's weights in flash, and the code that adds a spike's row to the sums."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from export.firmware.options import LAYOUT
from sim.network import IntegerNetwork

LAYOUTS = LAYOUT.choices[:2]
"""Layouts that hand-written C of every network has."""
CONSTANT = LAYOUT.choices[2]
"""The layout of which a step costs the same for every input: that of `fast`, and a row of zeros."""
_LANE_ROWS = 256  # weights that a sum of 16 bits holds, whatever their values
_MOST_LISTED = 255  # senders, so that a byte holds the number of the row behind theirs
_FAR = 255  # the longest gap; a weight of 0 halves a longer one


@dataclass(frozen=True)
class Storage:
    """One matrix in flash.

    Attributes:
        name: name of the matrix and its tables.
        form: form of its rows, documented in `add_<form>.c` in `templates/`.
        tables: stored arrays, by the suffix of their names.
        shape: (pre, post).
    """

    name: str
    form: str
    tables: dict[str, NDArray[np.integer]]
    shape: tuple[int, int]

    @property
    def in_lanes(self) -> bool:
        """Whether four weights share a word, and rows are added up when their sums are needed."""
        return self.form == "lanes"

    @property
    def size(self) -> int:
        """Bytes in flash."""
        return sum(table.nbytes for table in self.tables.values())

    def adding(self, sums: str, row: str) -> str:
        """The C statement that adds a row to sums; rows in lanes are gathered instead."""
        (_, n), name = self.shape, self.name
        if self.form == "plain":
            return f"add_plain({sums}, {name}, {n}u * {row}, {n}u);"
        if self.form == "nonzero":
            bits = f"{name}_nonzero[{row}], {-(-n // 8)}u"
            return f"add_nonzero({sums}, {bits}, {name}, {name}_start[{row}]);"
        ends = f"{name}_start[{row}], {name}_start[{row} + 1u]"
        return f"add_gaps({sums}, {name}_gap, {name}, {ends});"


def store(network: IntegerNetwork, layout: str) -> dict[str, Storage]:
    """Every matrix of a network by name, `w_in0`, `w_rec0` ... `w_out`, each in its form.

    In layout `fast` that is the fastest, in `compact` the smallest; `compact` packs weights of at
    most 4 bits two per byte.
    """
    bits = weight_bits(network, layout)
    found = {}
    for name, weights in _matrices(network):
        if layout == "compact":
            forms = [f(name, weights.T, bits) for f in (_plain, _nonzero, _gaps)]
            found[name] = min(forms, key=lambda form: form.size)
        elif name != "w_out" and bits == 8 and weights.shape[1] <= _LANE_ROWS:
            found[name] = _lanes(name, weights.T)
        else:
            found[name] = _plain(name, weights.T, bits)
    if layout == CONSTANT:
        return {name: _with_zeros(storage) for name, storage in found.items()}
    return found


def can_be_constant(network: IntegerNetwork) -> bool:
    """Whether a network can have layout `constant`: rows in lanes, of up to 255 senders."""
    stored = store(network, LAYOUTS[0])
    return all(
        storage.shape[0] <= _MOST_LISTED and (storage.in_lanes or name == "w_out")
        for name, storage in stored.items()
    )


def _with_zeros(storage: Storage) -> Storage:
    """The same with a row of zeros behind the others, for a sender that has not fired."""
    weights = storage.tables[""]
    rows = weights.reshape(storage.shape[0], -1)
    padded = np.vstack([rows, np.zeros_like(rows[:1])])
    whole = padded if storage.in_lanes else padded.ravel()
    return replace(storage, tables=storage.tables | {"": whole})


def weight_bits(network: IntegerNetwork, layout: str) -> int:
    """Width of a weight in flash, the same for all weights that are not in lanes."""
    if layout == "compact" and network.contract.weight_bits <= 4:
        return 4
    return 8 * network.readout.w_out.dtype.itemsize


def sum_bits(network: IntegerNetwork, layout: str) -> int:
    """Width of a sum of weights, the same for all sums that are not in lanes."""
    most = max(int(np.abs(w.astype(np.int64)).sum(1).max()) for _, w in _matrices(network))
    return 16 if layout == "compact" and most < 1 << 15 else 32


def _matrices(network: IntegerNetwork) -> Iterator[tuple[str, NDArray[np.integer]]]:
    for i, layer in enumerate(network.layers):
        for connection in layer.connections():
            number = "" if layer.is_readout() else f"{i}"
            yield f"{connection.name}{number}", connection.weights


def _lanes(name: str, rows: NDArray[np.integer]) -> Storage:
    """Four weights plus 128 per word, the second and third exchanged."""
    n_pre, n = rows.shape
    padded = np.zeros((n_pre, -(-n // 4) * 4), np.int64)
    padded[:, :n] = rows
    quads = (padded + 128).reshape(n_pre, -1, 4)[:, :, [0, 2, 1, 3]]
    words = (quads << np.array([0, 8, 16, 24])).sum(2).astype(np.uint32)
    return Storage(name, "lanes", {"": words}, rows.shape)


def _plain(name: str, rows: NDArray[np.integer], bits: int) -> Storage:
    """Every weight."""
    return Storage(name, "plain", {"": _packed(rows, bits)}, rows.shape)


def _nonzero(name: str, rows: NDArray[np.integer], bits: int) -> Storage:
    """The nonzero weights, and a bit per weight that marks them."""
    tables = {
        "": _packed(rows[rows != 0], bits),
        "_nonzero": np.packbits(rows != 0, axis=1),
        "_start": _starts(np.count_nonzero(rows, axis=1)[:-1]),
    }
    return Storage(name, "nonzero", tables, rows.shape)


def _gaps(name: str, rows: NDArray[np.integer], bits: int) -> Storage:
    """The nonzero weights, and the distance of each from the one before."""
    weights: list[int] = []
    gaps: list[int] = []
    counts = []
    for row in rows:
        before, start = 0, len(gaps)
        for i in np.flatnonzero(row).tolist():
            while i - before > _FAR:
                gaps.append(_FAR)
                weights.append(0)
                before += _FAR
            gaps.append(i - before)
            weights.append(int(row[i]))
            before = i
        counts.append(len(gaps) - start)
    tables = {
        "": _packed(np.array(weights, rows.dtype), bits),
        "_gap": np.array(gaps or [0], np.uint8),
        "_start": _starts(np.array(counts)),
    }
    return Storage(name, "gaps", tables, rows.shape)


def _starts(counts: NDArray[np.integer]) -> NDArray[np.unsignedinteger]:
    """Index of the first weight of each row."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    return starts.astype(np.uint16 if starts[-1] < 1 << 16 else np.uint32)


def _packed(weights: NDArray[np.integer], bits: int) -> NDArray[np.integer]:
    """Weights one after another; of 4 bits two per byte, the first in its upper half."""
    flat = weights.ravel() if weights.size else np.zeros(1, weights.dtype)
    if bits != 4:
        return flat
    halves = np.zeros(-(-flat.size // 2) * 2, np.uint8)
    halves[: flat.size] = flat.astype(np.uint8) & 15
    return halves[::2] << 4 | halves[1::2]
