"""The spikes that dropout removes: a fixed function of a key and of each spike's place.

Numbers drawn one after the other for all elements take longer than everything else in a training
step. So a layer draws one key, and word number n of its random bits is output n of SplitMix64
(Steele, Lea, Flood 2014) seeded with that key: code that visits only spikes computes only theirs.
"""

import math

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from base.numba_cache import can_cache

GAMMA = np.uint64(0x9E3779B97F4A7C15)  # SplitMix64's increment; below are its two multipliers
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)
SHIFTS = (30, 27, 31)
ALL_KEPT = -(2**15)  # the limit that no 16 bits are below


def draw_key(generator: torch.Generator | None) -> np.uint64:
    """Draw the key of the dropout of one layer in one run."""
    device = "cpu" if generator is None else generator.device
    word = torch.empty(1, dtype=torch.int64, device=device)
    return np.uint64(word.random_(-(2**63), None, generator=generator).item() % 2**64)


def keep_limit(dropout: float) -> int:
    """The smallest 16 signed bits with which an element is kept: `dropout` to within 1 / 65536."""
    return round(dropout * 2**16) + ALL_KEPT


def keep_factors(
    shape: tuple[int, ...], dropout: float, generator: torch.Generator | None, like: Tensor
) -> Tensor | None:
    """Draw a key and return its factors: 0 where a spike is removed, 1 / (1 - dropout) elsewhere.

    Args:
        shape: (n_steps, batch, n).
        dropout: share removed; for 0 nothing is drawn and None is returned.
        like: a tensor of the wanted dtype and device; the masks are the same on all devices.
    """
    if dropout == 0.0:
        return None
    rows, n = math.prod(shape[:-1]), shape[-1]
    key, limit = draw_key(generator), keep_limit(dropout)
    if like.device.type == "cpu":
        drawn = np.empty((rows, n), np.bool_)
        _fill(key, limit, drawn)
        kept = torch.from_numpy(drawn)
    else:
        kept = _kept_on(like.device, key, limit, rows, n)
    return (kept.to(like.dtype) / (1.0 - dropout)).view(shape)


def _kept_on(device: torch.device, key: np.uint64, limit: int, rows: int, n: int) -> Tensor:
    """The mask that `_fill` computes, (rows, n), by torch on a device."""
    gamma, first, second, seed = (
        int(np.uint64(word).view(np.int64)) for word in (GAMMA, FIRST, SECOND, key)
    )
    z = torch.arange(1, rows * ((n + 3) // 4) + 1, device=device).mul_(gamma).add_(seed)
    for shift, factor in zip(SHIFTS, (first, second, 1), strict=True):
        # torch shifts signed words, so the sign that comes in from above is masked out
        z.bitwise_xor_((z >> shift).bitwise_and_(2 ** (64 - shift) - 1)).mul_(factor)
    return z.view(rows, -1).view(torch.int16)[:, :n] >= limit


@numba.njit(cache=can_cache(__file__), nogil=True, inline="always")
def random_word(key: np.uint64, n: int) -> np.uint64:
    """64 random bits: output number `n` of SplitMix64 from the seed `key`."""
    z = key + GAMMA * np.uint64(n + 1)
    z = (z ^ (z >> np.uint64(30))) * FIRST
    z = (z ^ (z >> np.uint64(27))) * SECOND
    return z ^ (z >> np.uint64(31))


@numba.njit(cache=can_cache(__file__), nogil=True, inline="always")
def is_kept(word: np.uint64, i: int, limit: int) -> bool:
    """Whether element `i` of a row is kept, by its 16 of the 64 bits of word `i // 4`."""
    return np.int16(word >> np.uint64(16 * (i % 4))) >= limit  # type: ignore[return-value]


@numba.njit(cache=can_cache(__file__), nogil=True)
def _fill(key: np.uint64, limit: int, kept: NDArray[np.bool_]) -> None:
    rows, n = kept.shape
    words = (n + 3) // 4
    for row in range(rows):
        for w in range(words):
            word = random_word(key, row * words + w)
            for i in range(4 * w, min(4 * w + 4, n)):
                kept[row, i] = is_kept(word, i, limit)
