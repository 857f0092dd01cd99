"""Adam in TensorFlow 1's form, compiled: eps is added to the root of the uncorrected moment.

first  = beta1 first  + (1 - beta1) slope
second = beta2 second + (1 - beta2) slope^2
value  = value - rate sqrt(1 - beta2^t) / (1 - beta1^t) first / (sqrt(second) + eps)
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from base.numba_cache import can_cache

compiled = numba.njit(cache=can_cache(__file__), nogil=True, error_model="numpy")
BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
_NEW1, _NEW2 = np.float32(1 - BETA1), np.float32(1 - BETA2)  # shares of a slope


@dataclass(frozen=True)
class Moments:
    """Moving averages of slopes and of their squares, in the shape of the values; both change."""

    first: NDArray[np.floating]
    second: NDArray[np.floating]


def step_size(learning_rate: float, number: int) -> float:
    """The rate of an update, by its number, counted from 0."""
    return learning_rate * float(np.sqrt(1 - BETA2 ** (number + 1))) / (1 - BETA1 ** (number + 1))


def step(
    values: NDArray[np.floating],
    slopes: NDArray[np.float32],
    moments: Moments,
    rate: float,
    *,
    can_die: bool = False,
) -> None:
    """Change values and their moments in place.

    A value that can die has no slope any more once it is 0 or less, and its first moment, which
    brought it there, carries it further down, by less in each update. Where that no longer changes
    it, nothing ever will, and its moments become 0: they would else stay denormal, which is slow.

    Args:
        values: (n,).
        slopes: gradient, (n,).
        moments: of the same values.
        rate: from `step_size`.
        can_die: as above.
    """
    kind = moments.first.dtype.type
    numbers = kind(BETA1), kind(BETA2), kind(EPS)
    _step(values, slopes, moments.first, moments.second, rate, *numbers, can_die)


@compiled
def _step(values, slopes, first, second, rate, beta1, beta2, eps, can_die):
    for k in range(len(values)):
        first[k] = beta1 * first[k] + _NEW1 * slopes[k]
        second[k] = beta2 * second[k] + _NEW2 * (slopes[k] * slopes[k])
        before = values[k]
        values[k] = before - rate * first[k] / (np.sqrt(second[k]) + eps)
        if can_die and before <= 0 and values[k] == before:
            first[k] = second[k] = 0
