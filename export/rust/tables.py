"""Tables of integers as Rust writes them."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from export.firmware.tables import wrapped


def kind_of(values: NDArray[np.integer]) -> str:
    """Rust's type of an array's elements."""
    return f"{'u' if values.dtype.kind == 'u' else 'i'}{8 * values.dtype.itemsize}"


def table(name: str, values: NDArray[np.integer], kind: str = "") -> Iterator[str]:
    """Lines of a static table of one or two axes, of elements of a type, the array's by default."""
    of = kind or kind_of(values)
    for n in reversed(values.shape):
        of = f"[{of}; {n}]"
    yield f"static {name}: {of} = ["
    if values.ndim == 1:
        yield from wrapped("    ", _words(values), ",")
    else:
        yield from table_rows(values)
    yield "];"


def table_rows(values: NDArray[np.integer]) -> Iterator[str]:
    """Lines of the rows of a table of two axes."""
    for row in values:
        yield from wrapped("    [", _words(row), "],")


def _words(row: NDArray[np.integer]) -> Sequence[str]:
    if row.dtype == np.uint32:
        return [f"0x{word:08x}" for word in row.tolist()]
    return [str(word) for word in row.tolist()]
