"""Words that filter spikes: how large they become when senders need time between their spikes.

A word that decays, and to which sums of spikes are added, is linear up to rounding, and so is one
to which such a word is added. What a neuron sends that spikes at most once in `period` steps adds
up to a geometric series of every period-th power of the decay.

- In one filter the worst case is exact: D is monotone, and D(x + w) <= D(x) + w for whole w >= 0,
  so a spike never counts for less when it comes later. The word is largest in a step in which all
  senders spike, as they do every `period` steps before: the limit of x -> D(..D(x)..) + sum.
- Through several filters, the spikes of each sender count as if all came at the phase that is
  worst, in real numbers; rounding toward 0 only makes that smaller, and rounding down is counted.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from sim.arithmetic.evaluated import Evaluated
from sim.arithmetic.intervals import Interval, Intervals, around_zero
from sim.arithmetic.ranges import UNBOUNDED
from sim.arithmetic.symbols import Term
from sim.layer import Layer

_MARGIN = 1 + 1e-9  # far above the rounding of a float64 series
_STEPS = 1024  # after which a limit of integers counts as not found
_EVERY = Term("number", (1,))  # stands for all that comes in each step
_Waves = dict[Term, NDArray[np.float64]]
"""By sum of spikes: sizes (2, period, n_neurons) below and above 0, by step of the period."""


class Filters:
    """The words of a layer that filter spikes."""

    def __init__(
        self,
        o: Intervals,
        layer: Layer,
        named: Mapping[str, Term],
        terms: Evaluated,
        periods: Mapping[Term, int],
    ) -> None:
        """Look for them.

        Args:
            o: the arithmetic of the ranges, whose words may have no width.
            layer: of any kind.
            named: the equations of its step.
            terms: sound ranges of the layer's terms.
            periods: least steps from a spike to the next, by the term of what is sent.
        """
        self._o, self._layer, self._named, self._terms = o, layer, named, terms
        self._periods = periods
        self._found: dict[str, _Waves | None] = {}

    def asked(self) -> Iterator[tuple[Term, Interval]]:
        """The terms that these words are asked to hold, and ranges that they never leave."""
        for state, word in self._layer.STATES.items():
            if word and (waves := self._word(state)) is not None:
                yield self._named[state].operands[0], self._exact(state) or _ends(waves)

    def _word(self, state: str) -> _Waves | None:
        """A word's sizes after each step of a period, or None if it is no filter."""
        if state not in self._found:
            self._found[state] = None  # while it is computed: words that depend on each other
            self._found[state] = self._filtered(state)
        return self._found[state]

    def _filtered(self, state: str) -> _Waves | None:
        if (parts := self._parts(state)) is None:
            return None
        c, (decay, added) = self._o.order, parts
        kept = c.kept(self._layer.values(decay))
        by_shift = c.decay == "shift"  # which rounds up
        away = np.array([c.rounding == "floor" and not by_shift, by_shift])[:, None, None]
        waves: _Waves = {_EVERY: np.zeros((2, 1, len(kept))) + away}
        for part in added:
            for cause, wave in self._wave(part).items():
                waves[cause] = waves.get(cause, 0.0) + wave
        waves = {cause: _steady(wave, kept) for cause, wave in waves.items()}
        word = self._layer.STATES[state]
        may_wrap = c.overflow_of(word) == "wrap" and not self._o.unlimited
        return None if may_wrap and not _holds(c.range_of(word), waves) else waves

    def _parts(self, state: str) -> tuple[str, list[Term]] | None:
        """The name of a word's decay, and what is added to it; None if it is no filter."""
        term = self._named[state]
        if term.op != "fit" or state in self._layer.INITIAL:
            return None
        parts = list(_summands(term.operands[0]))
        own = [x for x in parts if x.op == "decayed" and x.operands[0] == Term("state", (state,))]
        if len(own) != 1:
            return None
        return own[0].operands[1], [part for part in parts if part is not own[0]]

    def _other(self, part: Term) -> _Waves | None:
        """The sizes of another filter's word, before the step or after it."""
        for state in self._layer.STATES:
            if part == self._named[state]:
                return self._word(state)
            if part == Term("state", (state,)) and (waves := self._word(state)) is not None:
                return {cause: np.roll(wave, 1, axis=1) for cause, wave in waves.items()}
        return None

    def _wave(self, part: Term) -> _Waves:
        """What a part of a sum adds in each step of a period."""
        if (waves := self._other(part)) is not None:
            return waves
        sizes = _sizes(self._terms.of(part))[:, None]
        if (period := self._period(part)) == 1:
            return {_EVERY: sizes}
        wave = np.zeros((2, period, sizes.shape[2]))
        wave[:, :1] = sizes
        return {part: wave}

    def _period(self, part: Term) -> int:
        """Least steps between spikes of a sender, of whose sums a part is one; else 1."""
        return self._periods.get(part.operands[1], 1) if part.op == "delivered" else 1

    def _exact(self, state: str) -> Interval | None:
        """Ends of a word to which no other filter's word is added, if they are soon found."""
        decay, added = self._parts(state) or ("", [])
        if any(self._other(part) for part in added):
            return None
        period = max(map(self._period, added))
        zero = once = every = self._o.number(0)
        for part in added:
            if self._period(part) == period:
                once = once + self._terms.of(part)
            else:
                every = every + self._terms.of(part)
        once, every = around_zero(once), around_zero(every)
        word = zero
        for _ in range(_STEPS // period):
            before = word
            for _ in range(period):
                word = self._o.decayed(word, decay) + every
            word = word + once
            if all(np.array_equal(a, b) for a, b in zip(before, word, strict=True)):
                return word
        return None


def _summands(term: Term) -> Iterator[Term]:
    """The parts of a sum; sums of weights are in the unit of the current."""
    if term.op in ("add", "scaled"):
        for part in term.terms():
            yield from _summands(part)
    else:
        yield term


def _sizes(x: Interval) -> NDArray[np.float64]:
    return np.maximum([-x.low, x.high], 0).astype(np.float64)


def _steady(wave: NDArray[np.float64], kept: NDArray[np.float64]) -> NDArray[np.float64]:
    """What x -> x * kept + wave comes to, in each step of a period; cut at `UNBOUNDED`."""
    period = wave.shape[1]
    powers = kept ** np.arange(period)[::-1, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        last = (powers * wave).sum(1) / (1 - kept**period)
    last = np.where(wave.any(1), np.minimum(last, UNBOUNDED), 0.0)
    steps = []
    for now in range(period):
        last = np.minimum(last * kept + wave[:, now], UNBOUNDED)
        steps.append(last)
    return np.stack(steps, 1)


def _ends(waves: _Waves) -> Interval:
    """Whole ends of the sum of all waves, each at its worst."""
    low, high = sum(wave.max(1) for wave in waves.values())
    ends = (np.minimum(np.floor(x * _MARGIN), UNBOUNDED).astype(np.int64) for x in (low, high))
    low, high = ends
    return Interval(-low, high)


def _holds(word: tuple[int, int], waves: _Waves) -> bool:
    ends = _ends(waves)
    return bool((ends.low >= word[0]).all() and (ends.high <= word[1]).all())
