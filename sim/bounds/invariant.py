"""Ranges of states that no step leaves, for any kind of layer: its step over intervals.

A range is sound when it holds the initial state and the step leads from it to itself. It is found
from below by doubling what a step leaves it by; then each end is moved in, by bisection, as far as
the range stays sound.

From a state in such a range that a spike leaves behind, the step itself says how long a neuron
needs until its next spike, as in a refractory period. Words that filter spikes are smaller then
(`sim/bounds/filters.py`), so the ranges are made smaller once more, and so on.
"""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.arithmetic.evaluated import Evaluated
from sim.arithmetic.intervals import Interval, Intervals, Maybe
from sim.arithmetic.ranges import UNBOUNDED, Range
from sim.arithmetic.symbols import Term, asked, equations
from sim.bounds.filters import Filters
from sim.contract import NumericContract
from sim.layer import Layer

LONGEST = 256  # cap on steps between spikes, as after the longest refractory period
_WIDENINGS = 64
_NARROWINGS = 16
_ROUNDS = 4  # in which longer times between spikes make ranges smaller
_SPIKES, _SOURCE = Term("state", ("spk",)), Term("source")


class Settled(NamedTuple):
    """What is known of a layer at all times.

    Attributes:
        terms: the range of every term of its step.
        periods: (n_neurons,) least steps from a spike of any neuron to its next, at most 256; 0
            where a neuron never fires, and in a readout.
    """

    terms: Evaluated
    periods: NDArray[np.int64]


def invariant(
    contract: NumericContract, layer: Layer, below: NDArray[np.int64], *, unlimited: bool
) -> tuple[dict[str, Range], NDArray[np.int64]]:
    """The values a layer's words can be asked to hold, and how often its neurons can fire.

    Args:
        contract: the network's contract.
        layer: of any kind.
        below: least steps (pre,) from a sender's spike to its next, 0 if it sends nothing.
        unlimited: treat state words as having no width.

    Returns:
        Ranges (n_neurons,) by state, without spikes; and periods as in `Settled`.
    """
    found = settled(Intervals(contract, layer, unlimited=unlimited), layer, below)
    ranges = {
        name: _union([found.terms.of(term) for term in terms])
        for name, terms in asked(layer, contract).items()
    }
    return ranges, found.periods


def settled(o: Intervals, layer: Layer, below: NDArray[np.int64]) -> Settled:
    """Ranges of a layer's terms that no step leaves; `o` computes the step, `below` as above."""
    if o.order.by_increment and (found := _as_if_at_once(o, layer, below)):
        return found
    low, high = layer.received
    source = Interval((below > 0) * np.int64(low), (below > 0) * np.int64(high))
    reach = _Reach(o, layer, equations(layer, o.order), source)
    limits: _Known = {
        reach.named[name]: Interval(*ends) for name, ends in layer.limits(o.order).items()
    }
    state = reach.narrowed(reach.from_below(limits), limits)
    terms = reach.terms(state, limits)
    periods, least = reach.periods(state, limits), {_SPIKES: 1, _SOURCE: 1}
    for _ in range(_ROUNDS):
        longer = {_SPIKES: _least(periods), _SOURCE: _least(below)}
        if longer == least:
            break
        least = longer
        known = limits | dict(Filters(o, layer, reach.named, terms, least).asked())
        state = reach.narrowed(state, known)
        terms, periods = reach.terms(state, known), reach.periods(state, known)
    return Settled(terms, periods)


def _as_if_at_once(o: Intervals, layer: Layer, below: NDArray[np.int64]) -> Settled | None:
    """The ranges of a membrane that does not sum its change first, where that is the same.

    As long as no word overflows, both compute the same. So ranges of one hold for the other, if in
    them neither the membrane nor its change ever leaves its word; None if they may.
    """
    at_once = Intervals(replace(o.order, by_increment=False), layer, unlimited=o.unlimited)
    found = settled(at_once, layer, below)
    total = found.terms.of(equations(layer, at_once.order)["asked_mem"])
    named = equations(layer, o.order)
    known = {named["asked_mem"]: total}
    terms = Evaluated(o, layer, found.terms.state, found.terms.source, known)
    words = [total, *(terms.of(named[name]) for name in ("asked_rise", "rise"))]
    low, high = o.order.range_of("mem")
    if not o.unlimited and any((x.low < low).any() or (x.high > high).any() for x in words):
        return None
    return Settled(terms, found.periods)


_Known = dict[Term, Any]


class _Reach(NamedTuple):
    """A layer's step over intervals, with its equations `named` and what arrives from below."""

    o: Intervals
    layer: Layer
    named: dict[str, Term]
    source: Interval

    def terms(self, state: Any, known: _Known) -> Evaluated:
        return Evaluated(self.o, self.layer, state, self.source, known)

    def after(self, state: Any, known: _Known) -> Any:
        """The states after a step, spikes as numbers."""
        terms = self.terms(state, known)
        found = (terms.of(self.named[name]) for name in self.layer.STATES)
        return self.layer.words()(*(_number(x) if isinstance(x, Maybe) else x for x in found))

    def from_below(self, known: _Known) -> Any:
        """States that hold the initial one, and that no step leaves."""
        layer = self.layer
        state = layer.words()(*(Interval(*[layer.initial(s)] * 2) for s in layer.STATES))
        for number in range(_WIDENINGS):
            after = self.after(state, known)
            if all(_holds(old, new).all() for old, new in zip(state, after, strict=True)):
                return state
            state = layer.words()(*map(_widened, state, after, [number] * len(after)))
        words = layer.STATES.values()
        return layer.words()(*(_unbounded(s, w) for s, w in zip(state, words, strict=True)))

    def narrowed(self, state: Any, known: _Known) -> Any:
        """Smaller states that no step leaves, from such states."""
        layer = self.layer
        for _ in range(_NARROWINGS):
            before = state
            starts = (layer.initial(s) for s in layer.STATES)
            state = layer.words()(*map(_hull, self.after(state, known), starts))
            for name, word in layer.STATES.items():
                for end in range(2 if word else 0):
                    state = self._bisected(state, known, name, end)
            if all(np.array_equal(a, b) for a, b in zip(before, state, strict=True)):
                break
        return state

    def _bisected(self, state: Any, known: _Known, name: str, end: int) -> Any:
        """The states with one end of a word's range as near as no step leaves it."""
        near, far = self.layer.initial(name), getattr(state, name)[end]
        while (apart := near != far).any():
            middle = near + np.sign(far - near) * (np.abs(far - near) // 2)
            tried = _with_end(getattr(state, name), end, middle)
            after = self.terms(state._replace(**{name: tried}), known).of(self.named[name])
            holds = apart & _holds(tried, after)
            near = np.where(apart & ~holds, middle + np.sign(far - near), near)
            far = np.where(holds, middle, far)
            state = state._replace(**{name: _with_end(tried, end, far)})
        return state

    def periods(self, state: Any, known: _Known) -> NDArray[np.int64]:
        """As in `Settled`: what spikes leave behind is sent through steps until some can fire."""
        if self.layer.is_readout():
            return np.zeros(self.layer.n_neurons, np.int64)
        fires = self.named["spk"]
        found = self.terms(state, known).of(fires)
        if not isinstance(found, Maybe):  # a count: what it leaves behind may fire at once
            return np.where(found.high > 0, 1, 0)
        may = found.can
        left = self.after(state, known | {fires: Maybe(np.ones_like(may), np.zeros_like(may))})
        period = 1
        while period < LONGEST:
            left = left._replace(spk=state.spk)  # of the others
            if (may & self.terms(left, known).of(fires).can).any():
                break
            left = self.after(left, known)
            period += 1
        return np.where(may, period, 0)


def _least(periods: NDArray[np.int64]) -> int:
    """Least steps between the spikes of any one sender."""
    return int(periods[periods > 0].min(initial=LONGEST))


def _number(mask: Maybe) -> Interval:
    return Interval((~mask.can_not).astype(np.int64), mask.can.astype(np.int64))


def _with_end(x: Interval, end: int, value: NDArray[np.int64]) -> Interval:
    return Interval(x.low, value) if end else Interval(value, x.high)


def _holds(outer: Interval, inner: Interval) -> NDArray[np.bool_]:
    return (outer.low <= inner.low) & (inner.high <= outer.high)


def _widened(old: Interval, new: Interval, number: int) -> Interval:
    """The old range and the new one; from the third time on, twice as far where it grows."""
    further = 1 if number > 1 else 0
    low, high = np.minimum(old.low, new.low), np.maximum(old.high, new.high)
    low = np.where(low < old.low, low - further * np.abs(low), old.low)
    high = np.where(high > old.high, high + further * np.abs(high), old.high)
    return Interval(np.maximum(low, -UNBOUNDED), np.minimum(high, UNBOUNDED))


def _unbounded(state: Interval, word: str) -> Interval:
    end = UNBOUNDED if word else 1
    return Interval(np.full_like(state.low, -end if word else 0), np.full_like(state.high, end))


def _hull(new: Interval, start: NDArray[np.int64]) -> Interval:
    return Interval(np.minimum(new.low, start), np.maximum(new.high, start))


def _union(values: list[Interval]) -> Range:
    return Range(np.min([v.low for v in values], axis=0), np.max([v.high for v in values], axis=0))
