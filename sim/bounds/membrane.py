"""The range of a membrane that is driven, fires and is reset: exact integers, for every contract.

Intervals go through the rules of `sim/contract.py` until nothing new comes out of them. Whatever
holds at the start and leads only to itself holds for ever, so the last round, in which nothing
changed, proves the result; the limits taken in between only save rounds.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.arithmetic.ranges import UNBOUNDED, Range, Words, add, decay_of
from sim.contract import NumericContract

_ROUNDS = 40


def rise(start: Words, term: Words, decay: Words, decay_frac: int, *, rounds_up: bool) -> Words:
    """Largest value of x -> D(x) + term from `start`, in closed form.

    With leak = 2^decay_frac - decay, D(x) = x - ceil(x leak / 2^decay_frac) for x >= 0 rounded
    down. So x stands still where the ceiling is `term`, first at x = floor((term - 1) / leak *
    2^decay_frac) + 1; rounded up, at x = ceil(term / leak * 2^decay_frac).

    Args:
        start: (n_neurons,); a start below 0 counts as rising to 0.
        term: what is added in each step; where it is negative, nothing rises.
        decay: factors; `decay_frac`: their fractional bits.
        rounds_up: D rounds up for x >= 0: the mirror image of rounding a negative x to the floor.
    """
    unity = np.int64(1 << decay_frac)
    leak = unity - decay
    safe = np.maximum(leak, 1)
    bounded = np.clip(term, 0, UNBOUNDED)
    if rounds_up:
        limit = -((-bounded * unity) // safe)
    else:
        limit = np.where(bounded > 0, (bounded - 1) * unity // safe + 1, 0)
    endless = (bounded >= UNBOUNDED) | ((leak == 0) & (bounded > 0))
    limit = np.where(endless, UNBOUNDED, np.where(bounded > 0, np.minimum(limit, UNBOUNDED), 0))
    return np.maximum(start, limit)


class _Rules(NamedTuple):
    """Constants of a layer's membranes; `last` is the largest membrane that does not fire."""

    c: NumericContract
    decay: Words
    last: Words
    threshold: Words
    drive: Range
    fence: Range
    word: tuple[int, int] | None

    @property
    def resets_before(self) -> bool:
        """Whether the membrane from before a step decides on its reset."""
        return self.c.reset_delay or self.c.fires_on == "previous_membrane"

    @property
    def kept(self) -> Range:
        """The drive that a reset leaves."""
        if self.c.reset_drops_input:
            return Range(self.drive.low * 0, self.drive.high * 0)
        return self.drive

    def up(self, start: Words, term: Words) -> Words:
        return rise(start, term, self.decay, self.c.decay_frac, rounds_up=False)

    def down(self, start: Words, term: Words) -> Words:
        rounds_up = self.c.rounding == "floor"
        return -rise(-start, -term, self.decay, self.c.decay_frac, rounds_up=rounds_up)

    def decays(self, x: Words) -> Words:
        return decay_of(self.c, x, self.decay)

    def fit(self, asked: Range) -> tuple[Range, NDArray[np.bool_]]:
        """The part of it that the membrane's word holds, and where it does not hold all."""
        if self.word is None:
            return asked, np.zeros(len(asked.low), bool)
        first, end = self.word
        overflows = (asked.low < first) | (asked.high > end)
        if self.c.overflow_mem == "wrap":
            low = np.where(overflows, first, asked.low)
            return Range(low, np.where(overflows, end, asked.high)), overflows
        return Range(np.clip(asked.low, first, end), np.clip(asked.high, first, end)), overflows


class _Round(NamedTuple):
    """One step from a range: what the word is asked to hold, what follows, spikes and resets.

    `asked` and `comes` are ranges over both ways; `reset` counts where `fires`: neurons that may
    spike. `again`: neurons that may spike once more because a reset left them above threshold.
    """

    asked: Range
    comes: Range
    fires: NDArray[np.bool_]
    reset: Range
    again: NDArray[np.bool_]


def integrate(
    c: NumericContract,
    decay: Words,
    threshold: Words | None,
    drive: Range,
    start: Words,
    fence: Range,
    word: tuple[int, int] | None,
    longest: int,
) -> tuple[Range, Words]:
    """Range of the values membranes are asked to hold, and the least steps between their spikes.

    Args:
        c: the contract.
        decay: factors (n_neurons,).
        threshold: (n_neurons,), or None for readouts, which do not fire.
        drive: range of the current that is integrated; 0 is in it.
        start: membranes before the first step.
        fence: a range known to hold for other reasons; `UNBOUNDED` where there is none.
        word: smallest and largest value of the word, or None for a word without end.
        longest: steps between spikes beyond which they are not counted.
    """
    if threshold is None:
        last = np.full_like(decay, UNBOUNDED)
        rules = _Rules(c, decay, last, last, drive, fence, word)
    else:
        last = threshold - (c.fires_when == ">=")
        rules = _Rules(c, decay, last, threshold, drive, fence, word)
    held = Range(start, start)
    for _ in range(_ROUNDS):
        step = _step(rules, held)
        wider = _hull(held, step.comes)
        if all(np.array_equal(a, b) for a, b in zip(wider, held, strict=True)):
            break
        held = _hull(wider, _limits(rules, wider))
    else:
        moving = (wider.low < held.low) | (wider.high > held.high)
        first, end = word or (-UNBOUNDED, UNBOUNDED)
        held = Range(np.where(moving, first, held.low), np.where(moving, end, held.high))
        step = _step(rules, held)
    return step.asked, _periods(rules, step, longest)


def _hull(a: Range, b: Range) -> Range:
    return Range(np.minimum(a.low, b.low), np.maximum(a.high, b.high))


def _step(rules: _Rules, held: Range) -> _Round:
    """Send the membranes of a range through one step."""
    c, last, drive, fence = rules.c, rules.last, rules.drive, rules.fence
    was_over, was_below = held.high > last, held.low <= last
    decayed = Range(rules.decays(held.low), rules.decays(held.high))
    below = add(rules.decays(np.minimum(held.high, last)), drive.high)
    sums = Range(add(decayed.low, drive.low), add(decayed.high, drive.high))
    sums = Range(np.maximum(sums.low, fence.low), np.minimum(sums.high, fence.high))
    below = np.minimum(below, sums.high)
    every = np.ones_like(was_over)
    if rules.resets_before:
        integrated, _ = rules.fit(Range(sums.low, below))
        asked_reset = _after_reset(rules, held, decayed, sums, ~every)
        reset, _ = rules.fit(asked_reset)
        comes = _either(integrated, was_below, reset, was_over)
        if c.fires_on == "new_membrane":  # whose sum is tested, whether it is kept or not
            tested, _ = rules.fit(sums)
            asked = _either(sums, every, asked_reset, was_over)
            return _Round(asked, comes, tested.high > last, reset, every)
        asked = _either(Range(sums.low, below), was_below, asked_reset, was_over)
        return _Round(asked, comes, was_over, reset, ~every)
    if c.fires_on == "new_membrane":
        tested, overflows = rules.fit(sums)
        fires, stays = tested.high > last, tested.low <= last
        asked_reset = _after_reset(rules, held, decayed, sums, overflows)
        reset, _ = rules.fit(asked_reset)
        silent = Range(tested.low, np.minimum(tested.high, last))
        asked = _either(sums, every, asked_reset, fires)
        return _Round(asked, _either(silent, stays, reset, fires), fires, reset, ~every)
    asked_reset = _after_reset(rules, held, decayed, sums, every)
    reset, overflows = rules.fit(asked_reset)
    again = was_over & (reset.high > last)
    spared = was_over & (reset.low <= last)  # over before, and no more after its reset: no spike
    cap = np.minimum(sums.high, np.where(overflows, UNBOUNDED, _spared(rules)))
    asked_sums = Range(sums.low, np.where(spared, np.maximum(below, cap), below))
    tested, _ = rules.fit(asked_sums)
    fires = (tested.high > last) | again
    stays = (tested.low <= last) | spared
    silent = Range(
        tested.low, np.where(spared, np.maximum(tested.high, last), np.minimum(tested.high, last))
    )
    asked = _either(asked_sums, every, asked_reset, fires | was_over)
    return _Round(asked, _either(silent, stays, reset, fires), fires, reset, again)


def _spared(rules: _Rules) -> Words:
    """The largest sum of a membrane that is not over threshold once its reset is taken off it."""
    c, drive = rules.c, rules.drive
    if c.reset == "zero" or (rules.word is not None and c.overflow_mem == "wrap"):
        return np.full_like(rules.last, UNBOUNDED)
    highest = add(rules.last, rules.threshold)
    return add(highest, drive.high) if c.reset_drops_input else highest


def _after_reset(
    rules: _Rules, held: Range, decayed: Range, sums: Range, loose: NDArray[np.bool_]
) -> Range:
    """The values a reset asks the word to hold, where the neuron can fire.

    A membrane that fires was, or would have been, above `last`: this bounds what subtraction
    leaves from below, except where `loose` says that it does not, as when it wrapped or saturated
    up to there.
    """
    c, threshold, kept, last = rules.c, rules.threshold, rules.kept, rules.last
    if c.reset == "zero":
        return kept
    if rules.resets_before:
        lowest = rules.decays(np.maximum(held.low, last + 1))
        low, high = add(lowest, kept.low), add(decayed.high, kept.high)
    elif c.reset_drops_input:
        lowest = np.maximum(decayed.low, add(last + 1, -rules.drive.high))
        low, high = np.where(loose, decayed.low, lowest), decayed.high
    else:
        low, high = np.where(loose, sums.low, np.maximum(sums.low, last + 1)), sums.high
    return Range(add(low, -threshold), add(high, -threshold))


def _either(a: Range, is_a: NDArray[np.bool_], b: Range, is_b: NDArray[np.bool_]) -> Range:
    """The union of two ways, at least one of which is open."""
    both = _hull(a, b)
    return Range(
        np.where(is_a & is_b, both.low, np.where(is_b, b.low, a.low)),
        np.where(is_a & is_b, both.high, np.where(is_b, b.high, a.high)),
    )


def _limits(rules: _Rules, held: Range) -> Range:
    """The limit that many more steps bring the ends of a range to, never beyond it."""
    c, last, drive = rules.c, rules.last, rules.drive
    step = _step(rules, held)
    first, end = rules.word or (-UNBOUNDED, UNBOUNDED)
    lowest = np.minimum(np.maximum(first, rules.fence.low), held.low)
    highest = np.maximum(np.minimum(end, rules.fence.high), held.high)

    def inside(x: Words) -> Words:
        return np.clip(x, lowest, highest)

    low, high = held
    if rules.resets_before:
        stays = held.low <= last
        top = add(rules.decays(np.minimum(rules.up(high, drive.high), last)), drive.high)
    else:
        stays = step.comes.low <= last
        stays &= add(rules.decays(held.low), drive.low) <= last
        top = np.minimum(rules.up(high, drive.high), last)
        if c.fires_on == "reset_membrane":
            spared = np.minimum(rules.up(high, drive.high), _spared(rules))
            top = np.where(high > last, np.maximum(top, spared), top)
    high = np.where(stays, np.maximum(high, inside(top)), high)
    low = np.where(stays, np.minimum(low, inside(rules.down(low, drive.low))), low)
    if c.reset == "subtract":
        term = add(rules.kept.high, -rules.threshold)
        high = np.where(step.fires, np.maximum(high, inside(rules.up(high, term))), high)
        term = add(rules.kept.low, -rules.threshold)
        bottom = rules.down(low, term)
        if rules.resets_before:
            bottom = add(rules.decays(np.maximum(bottom, last + 1)), term)
        elif c.reset_drops_input:
            bottom = np.maximum(bottom, add(add(last + 1, -drive.high), -rules.threshold))
        else:
            bottom = low
        low = np.where(step.fires, np.minimum(low, inside(bottom)), low)
    return Range(low, high)


def _periods(rules: _Rules, step: _Round, longest: int) -> Words:
    """Least steps from a spike to the next, 0 where there is none: the fastest way up again."""
    c, last, drive = rules.c, rules.last, rules.drive
    highest = step.reset.high
    periods = np.ones_like(last)
    if not rules.resets_before:
        highest = add(rules.decays(highest), drive.high)
    for _ in range(longest - 1):
        still = (highest <= last) & step.fires
        if not still.any():
            break
        periods += still
        highest = np.where(still, add(rules.decays(highest), drive.high), highest)
    periods = np.where(step.again, 1, periods)
    if c.overflow_mem == "wrap" and rules.word is not None:
        _, overflows = rules.fit(step.asked)
        periods = np.where(overflows, 1, periods)
    return np.where(step.fires, periods, 0)
