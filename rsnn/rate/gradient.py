"""A trial of a rate network forward and backward through time, compiled.

`rsnn.rate.network.run` defines forward. Under Dale's law an entry of `w` that is 0 or less has no
gradient, so only the others are computed, forward and backward: a fifth before training, fewer
later. The weight gradient is one product of rows over time per entry.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from base.numba_cache import can_cache
from rsnn.rate.activation import MAX_RATE
from rsnn.rate.names import ACTIVATIONS

compiled = numba.njit(cache=can_cache(__file__), nogil=True, error_model="numpy")
_SIGMOID, _SOFTPLUS = ACTIVATIONS.index("sigmoid"), ACTIVATIONS.index("softplus")


@dataclass(frozen=True)
class Connections:
    """The entries of W that act, by row.

    Attributes:
        first: where each row begins, and where the last ends, (n_units + 1,).
        sender: column of each, (n,) int64.
        weight: of each, with its sign, (n,).
        sign: +1 or -1 of each, (n,).
    """

    first: NDArray[np.int64]
    sender: NDArray[np.int64]
    weight: NDArray[np.floating]
    sign: NDArray[np.floating]

    @property
    def receiver(self) -> NDArray[np.int64]:
        """Row of each, (n,) int64."""
        return np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))


@dataclass(frozen=True)
class Course:
    """A trial: x, rates, what an update moves x by over 1/tau, (n_steps, n_units); and outputs."""

    x: NDArray[np.floating]
    rates: NDArray[np.floating]
    moved: NDArray[np.floating]
    outputs: NDArray[np.floating]


def connections(
    w: NDArray[np.floating], sign: NDArray[np.int8], mask: NDArray[np.bool_], *, dale: bool
) -> Connections:
    """The entries that act, in the precision of `w`; without Dale's law, all of them do."""
    receiver, sender = np.nonzero((w > 0) & mask if dale else mask)
    first = np.searchsorted(receiver, np.arange(len(w) + 1))
    signs = sign[sender].astype(w.dtype)
    return Connections(first, sender, w[receiver, sender] * signs, signs)


def forward(
    active: Connections,
    arriving: NDArray[np.floating],
    share: NDArray[np.floating],
    noise: NDArray[np.floating],
    w_out: NDArray[np.floating],
    b_out: float,
    activation: str,
) -> Course:
    """Compute one trial.

    Args:
        active: the connections.
        arriving: what inputs bring, (n_steps, n_units): u w_in'.
        share: 1 / tau, (n_units,).
        noise: as in `rsnn.rate.network.draw_noise`.
        w_out, b_out: of the output.
        activation: its name.
    """
    x, rates, moved = np.empty_like(noise), np.empty_like(noise), np.zeros_like(noise)
    kind = ACTIVATIONS.index(activation)
    _forward(
        *(active.first, active.sender, active.weight),
        *(arriving, share, noise, x, rates, moved, kind),
    )
    return Course(x, rates, moved, rates[1:] @ w_out + noise.dtype.type(b_out))


def backward(
    active: Connections,
    share: NDArray[np.floating],
    trial: Course,
    w_out: NDArray[np.floating],
    pull: NDArray[np.floating],
    activation: str,
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating], float]:
    """Gradients of the entries of w (n,), of 1/tau and w_out (n_units,), and of b_out.

    Args:
        active, share, w_out, activation: as in `forward`.
        trial: what that returned.
        pull: gradient of the outputs, (n_steps - 1,).
    """
    x, rates = trial.x, trial.rates
    delta = np.zeros_like(x)
    _backward(
        *(active.first, active.sender, active.weight),
        *(share, x, rates, w_out, pull, delta, ACTIVATIONS.index(activation)),
    )
    by_unit = np.ascontiguousarray((delta * share)[1:].T)
    senders = np.ascontiguousarray(rates[:-1].T)
    d_w = np.empty_like(active.weight)
    _products(active.first, active.sender, by_unit, senders, d_w)
    d_w *= active.sign
    d_share = (delta * trial.moved).sum(axis=0)
    return d_w, d_share, rates[1:].T @ pull, float(pull.sum())


@compiled
def _rate(x, kind):
    if kind == _SIGMOID:
        return 1 / (1 + np.exp(-x)) if x >= 0 else np.exp(x) / (1 + np.exp(x))
    if kind == _SOFTPLUS:
        soft = max(x, 0) + np.log1p(np.exp(-abs(x)))
        return min(soft, MAX_RATE)
    return min(max(x, 0), MAX_RATE)


@compiled
def _slope(x, rate, kind):
    if kind == _SIGMOID:
        return rate * (1 - rate)
    if rate >= MAX_RATE:
        return 0.0
    if kind == _SOFTPLUS:
        return 1 / (1 + np.exp(-x)) if x >= 0 else np.exp(x) / (1 + np.exp(x))
    return 1.0 if x > 0 else 0.0


@compiled
def _forward(first, sender, weight, arriving, share, noise, x, rates, moved, kind):
    n_steps, n_units = noise.shape
    x[0] = noise[0]
    for j in range(n_units):
        rates[0, j] = _rate(x[0, j], kind)
    for t in range(1, n_steps):
        before = rates[t - 1]
        for j in range(n_units):
            total = arriving[t - 1, j]
            for k in range(first[j], first[j + 1]):
                total += weight[k] * before[sender[k]]
            moved[t, j] = total - x[t - 1, j]
            x[t, j] = x[t - 1, j] + share[j] * moved[t, j] + noise[t, j]
            rates[t, j] = _rate(x[t, j], kind)


@compiled
def _backward(first, sender, weight, share, x, rates, w_out, pull, delta, kind):
    """Fill the gradients of x, `delta`, (n_steps, n_units); that of step 0 stays 0."""
    n_steps, n_units = x.shape
    back = np.zeros_like(share)
    for t in range(n_steps - 1, 0, -1):
        for j in range(n_units):
            slope = _slope(x[t, j], rates[t, j], kind)
            delta[t, j] = slope * (back[j] + w_out[j] * pull[t - 1])
            if t + 1 < n_steps:
                delta[t, j] += (1 - share[j]) * delta[t + 1, j]
        back[:] = 0
        for j in range(n_units):
            sent = share[j] * delta[t, j]
            for k in range(first[j], first[j + 1]):
                back[sender[k]] += weight[k] * sent


@compiled
def _products(first, sender, by_unit, senders, d_w):
    """The gradient of each entry: delta of its receiver times the rate of its sender, over time."""
    for j in range(len(first) - 1):
        for k in range(first[j], first[j + 1]):
            d_w[k] = np.dot(by_unit[j], senders[sender[k]])
