"""Exact integers in numpy: over these a step is the reference.

States have the layer's neurons as their last axis and any axes before it: (n_neurons,) for one
step, (n_steps, n_neurons) for all steps of a trace at once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.order import Order
from sim.contract import NumericContract
from sim.layer import Connection, Layer

Words = NDArray[np.int64]
Mask = NDArray[np.bool_]


class Exact:
    """The operations of `sim/step.py` on int64, in which nothing overflows unintentionally."""

    def __init__(
        self, contract: NumericContract, layer: Layer, neurons: NDArray[np.intp] | None = None
    ) -> None:
        """Compute with a layer's integers, or with those of some of its neurons."""
        self.order = contract
        self._rows = slice(None) if neurons is None else neurons
        self._constants = {
            name: value.astype(np.int64)[self._rows] for name, value in _integers(layer)
        }
        self._columns: dict[str, NDArray[np.float64]] = {}

    def delivered(self, connection: Connection, source: NDArray[Any]) -> Words:
        """Weighted sums (..., post) of what `source` (..., pre) sends, shifted row by row.

        Summed in float64, which is exact: a neuron's weights add up to less than 2^31.
        """
        if connection.name not in self._columns:  # once for all steps
            rows = connection.weights[self._rows]
            self._columns[connection.name] = np.ascontiguousarray(rows.T, np.float64)
        sums = source.astype(np.float64) @ self._columns[connection.name]
        return sums.astype(np.int64) << connection.shifts[self._rows]

    def scaled(self, acc: Words) -> Words:
        """Sums of weights in the unit of the current."""
        return acc << self.order.frac_bits

    def constant(self, name: str) -> Words:
        """An array of the layer (n_neurons,)."""
        return self._constants[name]

    def decayed(self, x: Words, name: str) -> Words:
        """`D(x, d)`, as the contract says."""
        return decayed(self.order, x, self._constants[name])

    def fit(self, x: Words, word: str) -> Words:
        """`x` in a word of `syn_bits` or `mem_bits`."""
        return fit(x, self.order.range_of(word), self.order.overflow_of(word))

    def over(self, x: Words, threshold: Words) -> Mask:
        """Whether a membrane is over threshold."""
        return x > threshold if self.order.fires_when == ">" else x >= threshold

    def where(self, mask: Mask, a: Words, b: Words) -> Words:
        """`a` where the mask holds, else `b`."""
        return np.where(mask, a, b)

    def number(self, what: int | str) -> Words:
        """A whole number, or the contract's field of that name."""
        return np.array(number_of(self.order, what))

    def positive(self, x: Words) -> Mask:
        """Whether `x` is above 0."""
        return x > 0

    def larger(self, a: Words, b: Words) -> Words:
        """The larger of `a` and `b`."""
        return np.maximum(a, b)

    def each(
        self, x: Words, senders: Sequence[tuple[Connection, NDArray[Any]]]
    ) -> tuple[Words, Words, Words]:
        """Spikes one after the other: the least and the most asked, and the word after them."""
        ends, rule = self.order.range_of("syn"), self.order.overflow_of("syn")
        least = most = word = x
        for connection, source in senders:
            weights = connection.weights[self._rows].astype(np.int64)
            weights = weights << (connection.shifts[self._rows] + self.order.frac_bits)[:, None]
            for sender in range(weights.shape[1]):
                times = source[..., sender : sender + 1]
                for n in range(int(np.abs(times).max(initial=0))):
                    sign = np.sign(times) * (np.abs(times) > n)
                    asked = word + sign * weights[:, sender]
                    least, most = np.minimum(least, asked), np.maximum(most, asked)
                    word = fit(asked, ends, rule)
        return least, most, word

    def count(self, x: Words, threshold: Words) -> Words:
        """How often the threshold can be taken off `x` while it is over it."""
        return count(self.order, x, threshold)

    def less(self, x: Words, n: Words, threshold: Words) -> Words:
        """`x` less `n` times the threshold."""
        return x - n * threshold

    def zero(self, x: Words) -> Words:
        """Zeros like `x`."""
        return np.zeros_like(x)


def number_of(order: Order, what: int | str) -> int:
    """`what`, or the value of the field of that name."""
    return int(getattr(order, what)) if isinstance(what, str) else what


def decayed(c: NumericContract, x: Words, decay: NDArray[Any]) -> Words:
    """`D(x, decay)`: a product, rounded as the contract says, or `x` less a part of it."""
    if c.decay == "shift":
        part = x >> decay
        return x - np.where((part == 0) & (x > 0), 1, part)
    product: Words = x * decay
    if c.rounding == "floor":
        return product >> c.decay_frac
    rounded: Words = np.sign(product) * (np.abs(product) >> c.decay_frac)
    return rounded


def count(c: NumericContract, x: Words, threshold: Words) -> Words:
    """How often a threshold above 0 can be taken off `x` while it is over it, with the limit."""
    reached = x - (c.fires_when == ">")  # a whole number is over threshold, or at it
    times: Words = np.clip(reached // threshold, 0, c.max_spikes)
    return times


def fit(x: Words, ends: tuple[int, int], overflow: str) -> Words:
    """Bring `x` into a word of the range `ends`, saturating or wrapping."""
    low, high = ends
    if overflow == "saturate":
        return np.clip(x, low, high)
    return ((x - low) & (high - low)) + low


def _integers(layer: Layer) -> list[tuple[str, NDArray[Any]]]:
    declared = layer.declared()
    return [
        (name, value)
        for name, value in layer.arrays()
        if declared[name].content not in ("weight", "scale")
    ]
