"""Intervals: over these a step bounds every state it can reach from a range of states.

Sound for every kind, and loose where two values depend on each other: a membrane less itself is
not known to be 0. `sim/arithmetic/evaluated.py` knows more, since it sees the terms.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.arithmetic.exact import count, fit, number_of
from sim.arithmetic.ranges import UNBOUNDED, Range, add, decay_of
from sim.contract import NumericContract
from sim.layer import Connection, Layer


class Interval(Range):
    """Ends of an interval for each neuron, both included, (n_neurons,) int64.

    `UNBOUNDED` and beyond stands for no bound.
    """

    def __add__(self, other: Range) -> "Interval":  # type: ignore[override]
        return Interval(add(self.low, other.low), add(self.high, other.high))

    def __sub__(self, other: Range) -> "Interval":
        return Interval(add(self.low, -other.high), add(self.high, -other.low))


class Maybe(NamedTuple):
    """Whether something can be, and whether it can fail to be, (n_neurons,) each."""

    can: NDArray[np.bool_]
    can_not: NDArray[np.bool_]


class Intervals:
    """The operations of `sim/step.py` on intervals."""

    def __init__(self, contract: NumericContract, layer: Layer, *, unlimited: bool = False) -> None:
        """With `unlimited`, state words count as having no width."""
        self.order = contract
        self._layer = layer
        self.unlimited = unlimited

    def delivered(self, connection: Connection, source: Interval) -> Interval:
        """Smallest and largest weighted sums of senders (pre,), each within its interval."""
        weights = connection.weights.astype(np.int64)
        up, down = np.maximum(weights, 0), np.minimum(weights, 0)
        ends = up @ source.low + down @ source.high, up @ source.high + down @ source.low
        return Interval(*(end.astype(np.int64) << connection.shifts for end in ends))

    def scaled(self, acc: Interval) -> Interval:
        """Sums of weights in the unit of the current, cut at `UNBOUNDED`."""
        ends = (np.clip(end << self.order.frac_bits, -UNBOUNDED, UNBOUNDED) for end in acc)
        return Interval(*ends)

    def constant(self, name: str) -> Interval:
        """An array of the layer, as intervals of one value each."""
        return Interval(*[self._layer.values(name)] * 2)

    def decayed(self, x: Interval, name: str) -> Interval:
        """`D` of both ends, since a decay is monotone."""
        decay = self._layer.values(name)
        return Interval(*(decay_of(self.order, end, decay) for end in x))

    def fit(self, x: Interval, word: str) -> Interval:
        """The ends in their word; all of the word where something can wrap around."""
        if self.unlimited:
            return x
        ends, rule = self.order.range_of(word), self.order.overflow_of(word)
        low, high = ends
        if rule == "saturate":
            return Interval(*(fit(end, ends, rule) for end in x))
        leaves = (x.low < low) | (x.high > high)
        return Interval(np.where(leaves, low, x.low), np.where(leaves, high, x.high))

    def over(self, x: Interval, threshold: Interval) -> Maybe:
        """Whether some membrane of the interval is over threshold, and whether some is not."""
        if self.order.fires_when == ">":
            return Maybe(x.high > threshold.low, x.low <= threshold.high)
        return Maybe(x.high >= threshold.low, x.low < threshold.high)

    def where(self, mask: Maybe, a: Interval, b: Interval) -> Interval:
        """The union of whichever of `a` and `b` can be chosen."""
        low = np.where(mask.can & mask.can_not, np.minimum(a.low, b.low), b.low)
        high = np.where(mask.can & mask.can_not, np.maximum(a.high, b.high), b.high)
        always = mask.can & ~mask.can_not
        return Interval(np.where(always, a.low, low), np.where(always, a.high, high))

    def number(self, what: int | str) -> Interval:
        """A whole number, or the contract's field of that name."""
        return Interval(*[np.full(self._layer.n_neurons, number_of(self.order, what))] * 2)

    def positive(self, x: Interval) -> Maybe:
        """Whether some value of the interval is above 0, and whether some is not."""
        return Maybe(x.high > 0, x.low <= 0)

    def larger(self, a: Interval, b: Interval) -> Interval:
        """The larger of both, end by end."""
        return Interval(np.maximum(a.low, b.low), np.maximum(a.high, b.high))

    def each(
        self, x: Interval, senders: Sequence[tuple[Connection, Interval]]
    ) -> tuple[Interval, Interval, Interval]:
        """As if all that raises a word came first, or all that lowers it."""
        asked = x
        for sender in senders:
            asked = asked + around_zero(self.scaled(self.delivered(*sender)))
        return asked, asked, self.fit(asked, "syn")

    def count(self, x: Interval, threshold: Interval) -> Interval:
        """Of both ends, since a count is monotone."""
        return Interval(*(count(self.order, end, threshold.low) for end in x))

    def less(self, x: Interval, n: Interval, threshold: Interval) -> Interval:
        """What the most that can be taken off leaves: less than a threshold, or what is beyond."""
        at_most = threshold.high - (self.order.fires_when == ">=")
        beyond = np.where(x.high < UNBOUNDED, x.high - n.high * threshold.low, x.high)
        high = np.where(n.high > 0, np.maximum(at_most, beyond), x.high)
        return Interval(np.minimum(x.low, 0), high)

    def zero(self, x: Interval) -> Interval:
        """0."""
        return Interval(*[np.zeros_like(x.low)] * 2)


def around_zero(x: Interval) -> Interval:
    """The interval, and 0."""
    return Interval(np.minimum(x.low, 0), np.maximum(x.high, 0))
