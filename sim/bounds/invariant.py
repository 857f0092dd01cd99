"""Ranges of states that no step leaves, for any kind of layer: its step over intervals.

A range is sound when it holds the initial state and the step leads from it to itself. It is found
from below by doubling what a step leaves it by, and then made smaller, as long as it stays sound.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.arithmetic.intervals import Interval, Intervals, Maybe
from sim.arithmetic.ranges import UNBOUNDED, Range
from sim.contract import NumericContract
from sim.layer import Layer

_WIDENINGS = 64
_NARROWINGS = 400


def invariant(
    contract: NumericContract, layer: Layer, below: NDArray[np.bool_], *, unlimited: bool
) -> tuple[dict[str, Range], NDArray[np.bool_]]:
    """The values a layer's words can be asked to hold, and which of its neurons can fire.

    Args:
        contract: the network's contract.
        layer: of any kind.
        below: which of its senders (pre,) can send something.
        unlimited: treat state words as having no width.

    Returns:
        Ranges (n_neurons,) by state, without spikes; and (n_neurons,), all False for a readout.
    """
    o = Intervals(contract, layer, unlimited=unlimited)
    state, source = settled(o, layer, below)
    update = layer.step(o, layer, state, source)
    asked = {name: _union(values) for name, values in update.asked(o).items()}
    fires = np.zeros(layer.n_neurons, bool) if layer.is_readout() else update.spk.can
    return asked, fires


def settled(o: Intervals, layer: Layer, below: NDArray[np.bool_]) -> tuple[Any, Interval]:
    """Ranges of a layer's words that no step leaves, and of what its senders (pre,) send.

    Arguments as in `invariant`; `o` computes the step.
    """
    low, high = layer.received
    source = Interval(below * np.int64(low), below * np.int64(high))
    state = layer.words()(*(Interval(*[layer.initial(s)] * 2) for s in layer.STATES))
    for number in range(_WIDENINGS):
        after = _after(layer, layer.step(o, layer, state, source))
        if all(_holds(old, new).all() for old, new in zip(state, after, strict=True)):
            break
        state = layer.words()(*map(_widened, state, after, [number] * len(after)))
    else:
        state = layer.words()(
            *(_unbounded(s, w) for s, w in zip(state, layer.STATES.values(), strict=True))
        )
    for _ in range(_NARROWINGS):
        after = _after(layer, layer.step(o, layer, state, source))
        start = (layer.initial(s) for s in layer.STATES)
        smaller = layer.words()(*map(_hull, after, start))
        if all(np.array_equal(a, b) for a, b in zip(smaller, state, strict=True)):
            break
        state = smaller
    return state, source


def _after(layer: Layer, update: Any) -> Any:
    """The states after a step, spikes as numbers."""
    found = (getattr(update, state) for state in layer.STATES)
    return layer.words()(*(_number(x) if isinstance(x, Maybe) else x for x in found))


def _number(mask: Maybe) -> Interval:
    return Interval((~mask.can_not).astype(np.int64), mask.can.astype(np.int64))


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


def _union(values: tuple[Interval, ...]) -> Range:
    return Range(np.min([v.low for v in values], axis=0), np.max([v.high for v in values], axis=0))
