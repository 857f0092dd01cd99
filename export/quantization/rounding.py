"""Weights to integers: the scale of each neuron, and the direction each weight is rounded in.

What matters of a rounding error dw is not its size but the error of the neuron's summed input,
dw M dw^T with M = E[z z^T] of what its inputs z deliver (Nagel et al. 2020, AdaRound, derive the
same form). From the nearest integers, weights move by single steps as long as this error falls.
Without calibration M is the identity, and the nearest integers are best already.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from base.numba_cache import can_cache
from export.quantization.precision import Precision
from sim.layer import MAX_EXPONENT

# What `mse` tries: the last step at these shares of the largest weight, and the recurrent scale
# shifted by these powers of two from that of its own largest weight.
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3)
SHIFTS = (0, 1, -1, -2)
SWEEPS = 8  # passes over the weights of a neuron; most neurons settle after three
RIDGE = 1e-3  # of M's mean diagonal, added to it: calibration data are finite


@dataclass(frozen=True)
class Grid:
    """The grid of a layer's weights: whole multiples of `unit` shifted left.

    Attributes:
        unit: weight of one step before the shift, (post,).
        e_in, e_rec: shift of the row in w_in and w_rec, (post,).
    """

    unit: NDArray[np.float64]
    e_in: NDArray[np.int64]
    e_rec: NDArray[np.int64]

    def columns(self, n_in: int, n_rec: int) -> NDArray[np.float64]:
        """Weight of one step of every element of [w_in, w_rec], (post, n_in + n_rec)."""
        scale_in, scale_rec = (self.unit * 2.0**e for e in (self.e_in, self.e_rec))
        return np.hstack([np.tile(scale_in[:, None], n_in), np.tile(scale_rec[:, None], n_rec)])


@dataclass(frozen=True)
class Rounded:
    """Integer weights (post, pre) on their grid, those from below and the recurrent ones."""

    w_in: NDArray[np.int64]
    w_rec: NDArray[np.int64]
    grid: Grid


def round_weights(
    w_in: NDArray[np.float64],
    w_rec: NDArray[np.float64],
    steps: tuple[int, int],
    precision: Precision,
    moment: NDArray[np.float64] | None = None,
) -> Rounded:
    """Choose scales and integers for the neurons of a layer.

    Args:
        w_in, w_rec: weights (post, pre); `w_rec` is (post, 0) where there are none.
        steps: largest integer of each.
        precision: the rule for scales.
        moment: M of the inputs (pre, pre), those of `w_in` first; None for the identity.

    Zero weights stay zero.
    """
    weights = np.ascontiguousarray(np.hstack([w_in, w_rec]))
    n_in, n_rec = w_in.shape[1], w_rec.shape[1]
    limit = np.repeat(np.array(steps, np.float64), (n_in, n_rec))
    if moment is None:
        moment = np.eye(len(limit))
    moment = moment / max(float(np.trace(moment)) / len(moment), np.finfo(float).tiny)
    moment = np.ascontiguousarray(moment + RIDGE * np.eye(len(moment)))
    best = np.zeros(weights.shape)
    lowest = np.full(len(weights), np.inf)
    found = Grid(np.ones(len(weights)), *np.zeros((2, len(weights)), np.int64))
    for scale_in, scale_rec in _candidates(w_in, w_rec, steps, precision):
        grid = _common_grid(scale_in, scale_rec)
        columns = grid.columns(n_in, n_rec)
        integers = np.clip(np.rint(weights / columns), -limit, limit)
        error = np.empty(len(weights))
        _descend(integers, weights, columns, limit, moment, error, SWEEPS)
        if precision.per_layer:
            error[:] = error.sum()
        better = error < lowest * (1.0 - 1e-12)
        lowest = np.where(better, error, lowest)
        best[better] = integers[better]
        found = Grid(
            *(
                np.where(better, new, old)
                for new, old in zip(vars(grid).values(), vars(found).values(), strict=True)
            )
        )
    whole = best.astype(np.int64)
    return Rounded(whole[:, :n_in], whole[:, n_in:], found)


def _candidates(
    w_in: NDArray, w_rec: NDArray, steps: tuple[int, int], precision: Precision
) -> Iterator[tuple[NDArray, NDArray]]:
    """Scales (post,) of the two matrices to try."""
    scale_in, scale_rec = (
        _full_scale(weights, precision) / largest
        for weights, largest in zip((w_in, w_rec), steps, strict=True)
    )
    if precision.scale != "mse":
        yield scale_in, scale_rec
        return
    for share in SHARES:
        for shift in SHIFTS if scale_rec.any() else (0,):
            yield share * scale_in, share * scale_rec * 2.0**shift


def _full_scale(weights: NDArray, precision: Precision) -> NDArray[np.float64]:
    """The weight (post,) at the end of the range; 0 for a neuron without weights."""
    sizes = np.abs(weights).reshape(1, -1) if precision.per_layer else np.abs(weights)
    if sizes.shape[1] == 0:
        return np.zeros(len(weights))
    largest = sizes.max(1)
    if precision.scale == "percentile":
        present = np.where(sizes > 0, sizes, np.nan)
        filled = np.where(largest[:, None] > 0, present, 0.0)
        largest = np.nanpercentile(filled, precision.percentile, axis=1)
    return np.repeat(largest, len(weights)) if precision.per_layer else largest


def _common_grid(scale_in: NDArray, scale_rec: NDArray) -> Grid:
    """One unit per neuron, in which both its scales are powers of two.

    The larger scale is kept exactly and the smaller one grows to the next power of two below it,
    so that no weight is clipped by it. A neuron without weights gets the unit 1.
    """
    large = np.maximum(scale_in, scale_rec)
    small = np.minimum(scale_in, scale_rec)
    large = np.where(large == 0, 1.0, large)
    shift = np.floor(np.log2(large / np.where(small == 0, large, small))).astype(np.int64)
    shift = np.minimum(shift, MAX_EXPONENT)
    e_in = np.where(scale_in >= scale_rec, shift, 0)
    return Grid(large / 2.0**shift, e_in, np.where(scale_in >= scale_rec, 0, shift))


@numba.njit(cache=can_cache(__file__), nogil=True)
def _descend(integers, weights, columns, limit, moment, error, sweeps):
    """Move the `integers` (post, pre) of each neuron to a minimum of `error` (post,), in place."""
    n_post, n_pre = weights.shape
    pull = np.empty(n_pre)  # half the derivative of the error by each weight
    for i in range(n_post):
        pull[:] = 0.0
        for j in range(n_pre):
            miss = integers[i, j] * columns[i, j] - weights[i, j]
            if miss != 0.0:
                for k in range(n_pre):
                    pull[k] += miss * moment[j, k]
        for _ in range(sweeps):
            moved = False
            for j in range(n_pre):
                if weights[i, j] == 0.0:
                    continue
                step = columns[i, j]
                best = np.rint(integers[i, j] - pull[j] / (moment[j, j] * step))
                best = min(max(best, -limit[j]), limit[j])
                if best != integers[i, j]:
                    change = (best - integers[i, j]) * step
                    integers[i, j] = best
                    for k in range(n_pre):
                        pull[k] += change * moment[j, k]
                    moved = True
            if not moved:
                break
        error[i] = 0.0
        for j in range(n_pre):
            error[i] += (integers[i, j] * columns[i, j] - weights[i, j]) * pull[j]
