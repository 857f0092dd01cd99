"""Tables of integers as C writes them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

_SPARSE = 0.25  # share of weights up to which only those that are not 0 are stored


def table(name: str, values: NDArray[np.integer]) -> Iterator[str]:
    """Lines of a C table of one or two axes."""
    sizes = "".join(f"[{n}]" for n in values.shape)
    yield f"static const {values.dtype.name}_t {name}{sizes} = {{"
    if values.ndim == 1:
        yield from wrapped("    ", _words(values), "")
    else:
        yield from table_rows(values)
    yield "};"


def table_rows(table: NDArray[np.integer]) -> Iterator[str]:
    """Lines of a C table of two axes."""
    for row in table:
        yield from wrapped("    {", _words(row), "},")


def _words(row: NDArray[np.integer]) -> list[str]:
    if row.dtype == np.uint32:
        return [f"0x{word:08x}u" for word in row.tolist()]
    return [literal(word) for word in row.tolist()]


def literal(value: int) -> str:
    """A number of up to 32 bits; C has no literal for the smallest."""
    return str(value) if value > -(1 << 31) else "-2147483647 - 1"


def wrapped(start: str, words: Sequence[str], end: str) -> Iterator[str]:
    """Words as lines of up to 100 columns, each after `start` or as many blanks, then `end`."""
    line = start
    for i, word in enumerate(words):
        piece = word + (", " if i + 1 < len(words) else end)
        if len(line) + len(piece) > 100:
            yield line.rstrip()
            line = " " * len(start)
        line += piece
    yield line


def is_constant(array: NDArray[np.integer]) -> bool:
    """Whether all neurons have the same value."""
    return bool(np.all(array == array[0]))


def element(name: str, key: str, array: NDArray[np.integer]) -> str:
    """The value of neuron i."""
    return f"({literal(int(array[0]))})" if is_constant(array) else f"{name}_{key}[i]"


def is_sparse(weights: NDArray[np.integer]) -> bool:
    """Whether only the weights that are not 0 are stored."""
    return bool(0 < np.count_nonzero(weights) <= weights.size * _SPARSE)
