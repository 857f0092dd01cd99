"""Ranges of integers whose ends may be unbounded; sums and decays of them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.arithmetic.exact import decayed
from sim.contract import NumericContract

UNBOUNDED = 1 << 46
"""This much or more, or no bound: its product with a decay of 16 bits still fits in 64."""

Words = NDArray[np.int64]


class Range(NamedTuple):
    """Ends of an interval for each neuron, both included, (n_neurons,) int64."""

    low: Words
    high: Words


def add(a: Words, b: Words) -> Words:
    """Sum of the same ends of two intervals; what is unbounded stays so."""
    total = np.clip(a + b, -UNBOUNDED, UNBOUNDED)
    total = np.where(np.abs(b) >= UNBOUNDED, b, total)
    return np.where(np.abs(a) >= UNBOUNDED, a, total)


def decay_of(c: NumericContract, x: Words, decay: Words) -> Words:
    """`D(x, decay)`, as in the reference; what is unbounded stays so unless the decay is 0."""
    is_unbounded = np.abs(x) >= UNBOUNDED
    small = decayed(c, np.where(is_unbounded, 0, x), decay)
    return np.where(is_unbounded & (decay > 0), x, small)
