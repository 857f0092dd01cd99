"""Worst-case ranges: the values a state word can be asked to hold, whatever the input.

Sound for every contract and every raster, from the actual weights, decays and thresholds, in exact
integers. The values bounded are those that the contract gives to `syn()` and `mem()`, before
overflow handling: while they stay within the words, nothing overflows.

- A sum is largest when just its positive (or just its negative) inputs spike, whatever a bias adds
  or takes away in each step. As a decay is monotone, spiking in every step is worst, and the limit
  of x -> D(x) + sum is known exactly.
- Which neurons can spike is found from below: at first none, then those whose membrane the spikes
  so far can bring beyond threshold, and so on. Nothing else can ever be the first to fire.
- Firing cuts the upper side: only a membrane still below threshold is integrated, by `integrate`.
- After a spike a membrane needs time to come back, by the paper's rules always two steps. So what
  a neuron sends into a decay is a geometric series of every p-th power. Both filters are linear
  (up to rounding, which `_series` adds), so their order may be exchanged; the smaller result holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.arithmetic.ranges import UNBOUNDED, Range, add, decay_of
from sim.bounds.invariant import invariant
from sim.bounds.membrane import integrate, rise
from sim.contract import NumericContract, signed_range
from sim.layer import OWN, Layer
from sim.network import IntegerNetwork

LONGEST = 16  # cap on steps between spikes: a neuron that needs more counts as needing 16
_ROUNDS = 12  # rounds that refine periods; afterwards a neuron may fire in every step
_MARGIN = 1 + 1e-9  # far above the rounding of a float64 series


@dataclass(frozen=True)
class LayerBounds:
    """Ranges of what a layer's states are asked to hold, before overflow handling.

    Each is (n_neurons,) int64, both ends included; `mem` of the readout is `out`. `UNBOUNDED`,
    2^46, stands for this much or more, and for no bound at all, as under a decay of unity.

    Attributes:
        syn_low, syn_high: of the synaptic current.
        mem_low, mem_high: of the membrane: what is integrated where it counts, and what a reset
            leaves. A sum that the contract drops, as at `fires_on` previous a firing neuron's, is
            not among them.
        periods: least steps from a neuron's spike to its next, at most 16, or 256 of kinds whose
            bounds follow from their step alone; 0 if it never fires, as the readout.
        states: of kinds that have other states than these two, the range of each by name; `syn`
            and `mem` then hold all that have a word of `syn_bits` and of `mem_bits`.
        symmetric: the words, `syn` or `mem`, that saturate at ends of the same size.
    """

    syn_low: NDArray[np.int64]
    syn_high: NDArray[np.int64]
    mem_low: NDArray[np.int64]
    mem_high: NDArray[np.int64]
    periods: NDArray[np.int64]
    states: Mapping[str, Range] = field(default_factory=dict)
    symmetric: frozenset[str] = frozenset()

    @property
    def syn(self) -> NDArray[np.int64]:
        """Largest absolute synaptic current of each neuron."""
        return np.maximum(-self.syn_low, self.syn_high)

    @property
    def mem(self) -> NDArray[np.int64]:
        """Largest absolute membrane of each neuron."""
        return np.maximum(-self.mem_low, self.mem_high)

    @property
    def syn_bits(self) -> int:
        """Signed width in which no synaptic current of the layer can overflow; 64 if unbounded."""
        needed = bits_for(self.syn_low, self.syn_high, symmetric="syn" in self.symmetric)
        return int(needed.max())

    @property
    def mem_bits(self) -> int:
        """Signed width in which no membrane of the layer can overflow; 64 if unbounded."""
        needed = bits_for(self.mem_low, self.mem_high, symmetric="mem" in self.symmetric)
        return int(needed.max())

    def range_of(self, variable: str) -> Range:
        """Ends of `syn`, or of `mem`, which for a readout may be called `out`; or of any state."""
        if variable in self.states:
            return self.states[variable]
        if variable == "syn":
            return Range(self.syn_low, self.syn_high)
        return Range(self.mem_low, self.mem_high)


def bits_for(
    low: NDArray[np.int64], high: NDArray[np.int64], *, symmetric: bool = False
) -> NDArray[np.int64]:
    """Least signed width that holds both ends, for each neuron; 64 where one is unbounded.

    With `symmetric`, the smallest value of a width does not count.
    """
    largest = np.maximum(np.maximum(high, -low if symmetric else ~low), 0)
    bits = np.array([int(value).bit_length() + 1 for value in largest], np.int64)
    return np.where(largest >= UNBOUNDED - 1, 64, bits)


def state_bounds(network: IntegerNetwork, *, unlimited: bool = False) -> dict[str, LayerBounds]:
    """Bounds of every layer, by layer name.

    Args:
        network: the network.
        unlimited: treat state words as having no width. The resulting widths are the least in
                which this analysis excludes every overflow. Otherwise a state that overflows stays
                within its word, saturated or wrapped, and what it feeds is bounded by that.
    """
    c = network.contract
    words = None if unlimited else (signed_range(c.syn_bits), signed_range(c.mem_bits))
    bounds = {}
    below = np.ones(network.n_inputs, np.int64)
    for name, layer in network.named_layers():
        if layer.is_tuned("bounds", c):
            bounds[name] = _settled(_Analysis(c, layer, below, words))
        else:
            bounds[name] = _of_any_kind(c, layer, below, unlimited=unlimited)
        below = bounds[name].periods
    return bounds


def highest_membranes(network: IntegerNetwork) -> dict[str, NDArray[np.float64]]:
    """How high each membrane (n_neurons,) could rise if it never fired, by hidden layer.

    Valid for any thresholds: all other neurons may spike in every step, and words have no end.
    Infinite where there is no bound. Used to choose thresholds.
    """
    c = network.contract
    found = {}
    for name, layer in zip(network.layer_names, network.hidden, strict=False):
        own, below = (np.ones(n, np.int64) for n in layer.w_in.shape)
        sums, against = _sums(c, layer, below, own, 1), _against(layer, 1)
        if c.decay == "shift":  # which keeps a part, and at most 1 more
            total = np.maximum(_total(sums) - against, 0.0)
            syn, mem = (1.0 - c.kept(layer.values(f"decay_{word}")) for word in ("syn", "mem"))
            found[name] = ((total + 1.0) / syn + 1.0) / mem
            continue
        drive = _current(c, sums, against, layer.decay_syn.astype(np.int64), rounds_up=False)
        decay = layer.decay_mem.astype(np.int64)
        highest = rise(np.zeros_like(decay), drive, decay, c.decay_frac, rounds_up=False)
        found[name] = np.where(highest < UNBOUNDED, highest, np.inf)
    return found


def _of_any_kind(
    c: NumericContract, layer: Layer, below: NDArray[np.int64], *, unlimited: bool
) -> LayerBounds:
    """Bounds from the step of the layer's kind over intervals."""
    ranges, periods = invariant(c, layer, below, unlimited=unlimited)
    zero = np.zeros(layer.n_neurons, np.int64)

    def of_word(word: str) -> Range:
        own = [ranges[state] for state, its in layer.STATES.items() if its == word]
        low = np.min([zero, *(found.low for found in own)], axis=0)
        return Range(low, np.max([zero, *(found.high for found in own)], axis=0))

    syn, mem = of_word("syn"), of_word("mem")
    symmetric = frozenset(filter(c.is_symmetric, ("syn", "mem")))
    return LayerBounds(syn.low, syn.high, mem.low, mem.high, periods, ranges, symmetric)


class _Analysis(NamedTuple):
    """The data that a layer's bounds follow from; `below` are the periods of its inputs (pre,)."""

    c: NumericContract
    layer: Layer
    below: NDArray[np.int64]
    words: tuple[tuple[int, int], tuple[int, int]] | None


def _settled(analysis: _Analysis) -> LayerBounds:
    """Let neurons fire that can, until those and their periods explain themselves.

    Sound by induction over time: before the first spike that breaks the periods, all spikes kept
    them, so the membrane was within the ranges that they give, in which there is no such spike.
    """
    own = np.zeros(analysis.layer.n_neurons, np.int64)
    rounds = 0
    while True:
        bounds = _bounds(analysis, own)
        found = bounds.periods
        if ((found == 0) | ((own > 0) & (own <= found))).all():
            return bounds
        rounds += 1
        if rounds > _ROUNDS:
            found = np.minimum(found, 1)
        own = np.where((own == 0) | (found == 0), own + found, np.minimum(own, found))


def _bounds(analysis: _Analysis, own: NDArray[np.int64]) -> LayerBounds:
    """Bounds of a layer whose own spikes keep the periods `own` (n_neurons,), 0 for never."""
    c, layer, below, words = analysis
    syn_word, mem_word = words or (None, None)
    sides = tuple(_sums(c, layer, below, own, sign) for sign in (-1, 1))
    decay = layer.decay_syn.astype(np.int64)
    against = _against(layer, -1), _against(layer, 1)
    low, high = (
        _current(c, sums, part, decay, rounds_up=sign < 0 and c.rounding == "floor")
        for sums, part, sign in zip(sides, against, (-1, 1), strict=True)
    )
    totals = [add(_total(sums), -part) for sums, part in zip(sides, against, strict=True)]
    everything = Range(-totals[0], totals[1])
    syn, drive, overflows = _in_word(c, Range(-low, high), everything, decay, syn_word)

    *_, membrane = layer.STATES
    start = layer.initial(membrane)
    threshold = None if layer.is_readout() else layer.values("threshold")
    fence = Range(*(_fence(c, layer, sides[i], start, sign) for i, sign in ((0, -1), (1, 1))))
    # resets by subtraction break the linear bound, a saturated or wrapped current breaks it too
    holds = ~overflows & (threshold is None or c.reset == "zero")
    if mem_word is not None and c.overflow_mem == "wrap":
        holds &= (fence.low >= mem_word[0]) & (fence.high <= mem_word[1])
    fence = Range(np.where(holds, fence.low, -UNBOUNDED), np.where(holds, fence.high, UNBOUNDED))
    mem, periods = integrate(
        c, layer.decay_mem.astype(np.int64), threshold, drive, start, fence, mem_word, LONGEST
    )
    return LayerBounds(syn.low, syn.high, mem.low, mem.high, periods)


def _sums(
    c: NumericContract, layer: Layer, below: NDArray[Any], own: NDArray[Any], sign: int
) -> dict[int, NDArray[np.int64]]:
    """By period: the sum of one sign that all senders of that period add in one step, (post,).

    Exact in 64 bits, as the network's constructor has checked; then cut at `UNBOUNDED`.
    """
    zeros = np.zeros(layer.n_neurons, np.int64)
    # a bias of the same sign is like an input that spikes in every step
    sums: dict[int, NDArray[np.int64]] = {1: np.maximum(sign * layer.values("bias"), 0)}
    for connection in layer.connections():
        periods = own if connection.source == OWN else below
        sizes = connection.pushes(sign)
        for period in np.unique(periods[periods > 0]).tolist():
            part = sizes[:, periods == period].sum(1) << (connection.shifts + c.frac_bits)
            sums[period] = sums.get(period, zeros) + part
    return {period: np.minimum(part, UNBOUNDED) for period, part in sums.items()}


def _against(layer: Layer, sign: int) -> NDArray[np.int64]:
    """The amount a bias of the other sign takes off the sum of each step, (post,)."""
    return np.maximum(-sign * layer.values("bias"), 0)


def _total(sums: dict[int, NDArray[np.int64]]) -> NDArray[np.int64]:
    total = np.zeros_like(sums[1])
    for part in sums.values():
        total = add(total, part)
    return total


def _current(
    c: NumericContract,
    sums: dict[int, NDArray[Any]],
    against: NDArray[np.int64],
    decay: NDArray[Any],
    *,
    rounds_up: bool,
) -> NDArray[np.int64]:
    """Largest absolute synaptic current of one sign, in a word without end."""
    start = np.zeros_like(decay)
    term = add(_total(sums), -against)
    exact = rise(start, term, decay, c.decay_frac, rounds_up=rounds_up)
    if len(sums) == 1:
        return exact
    return np.minimum(exact, _floor(_series(c, sums, decay, float(rounds_up))))


def _fence(
    c: NumericContract, layer: Layer, sums: dict[int, NDArray[Any]], start: NDArray[Any], sign: int
) -> NDArray[np.int64]:
    """End of the membrane's range on one side, if no reset or overflow interferes.

    The spikes go through the membrane's decay first, then through the current's.
    """
    rounding = float(sign < 0 and c.rounding == "floor")
    once = _series(c, sums, layer.decay_mem, rounding)
    twice = _series(c, {1: once}, layer.decay_syn, 0.0)
    lost = _series(c, {1: np.zeros_like(once)}, layer.decay_mem, rounding)
    return sign * _floor(twice + lost + np.maximum(sign * start, 0))


def _series(
    c: NumericContract, sums: dict[int, NDArray[Any]], decay: NDArray[Any], rounding: float
) -> NDArray[np.float64]:
    """Limit of x -> x * decay + a sum that comes every p-th step, + what rounding adds at most."""
    kept = decay / 2.0**c.decay_frac
    limit = np.zeros(len(kept))
    for period, part in sums.items():
        term = part + (rounding if period == 1 else 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            limit += np.where(term == 0, 0.0, term / (1.0 - kept**period))
    return limit


def _floor(value: NDArray[np.float64]) -> NDArray[np.int64]:
    """The largest integer that a float series, possibly rounded down, can stand for."""
    return np.minimum(np.floor(value * _MARGIN), UNBOUNDED).astype(np.int64)


def _in_word(
    c: NumericContract, syn: Range, sums: Range, decay: NDArray[Any], word: tuple[int, int] | None
) -> tuple[Range, Range, NDArray[np.bool_]]:
    """The range the current's word is asked to hold, the range it then holds, and overflows."""
    if word is None:
        return syn, syn, np.zeros(len(decay), bool)
    overflows = (syn.low < word[0]) | (syn.high > word[1])
    held = Range(np.maximum(syn.low, word[0]), np.minimum(syn.high, word[1]))
    if c.overflow_syn == "wrap":
        held = Range(np.where(overflows, word[0], syn.low), np.where(overflows, word[1], syn.high))
    asked = Range(
        add(decay_of(c, held.low, decay), sums.low), add(decay_of(c, held.high, decay), sums.high)
    )
    if c.overflow_syn == "wrap":
        asked = Range(
            np.where(overflows, asked.low, syn.low), np.where(overflows, asked.high, syn.high)
        )
    else:
        asked = Range(np.maximum(asked.low, syn.low), np.minimum(asked.high, syn.high))
    return asked, held, overflows
