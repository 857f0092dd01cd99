"""A trial of a rate network forward and backward through time, compiled.

`rsnn.rate.network.run` defines forward. Products are dense and go sender by sender over contiguous
columns, so that the compiler adds several receivers at a time, each in the order of its senders.
Under Dale's law an entry of `w` that is 0 or less has no gradient: that of the weights is one
product of rows over time for each of the others, a fifth of all before training, fewer later.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from base.numba_cache import can_cache
from rsnn.rate.activation import MAX_RATE
from rsnn.rate.names import ACTIVATIONS
from rsnn.rate.network import START_NOISE, STEP_NOISE

compiled = numba.njit(cache=can_cache(__file__), nogil=True, error_model="numpy")
_SIGMOID, _SOFTPLUS = ACTIVATIONS.index("sigmoid"), ACTIVATIONS.index("softplus")


@dataclass(frozen=True)
class Connections:
    """The entries of `w` that are trained, and W, in which each acts by its sign if it is above 0.

    Without Dale's law, entries below 0 act too. `write` changes `w` and W together.

    Attributes:
        receiver, sender: row and column of each, (n,) int64, row by row.
        sign: +1 or -1 of each, (n,).
        w: before the sign, (n,).
        by_receiver, by_sender: W and its transpose, (n_units, n_units).
        dale: whether a unit excites or inhibits only.
    """

    receiver: NDArray[np.int64]
    sender: NDArray[np.int64]
    sign: NDArray[np.floating]
    w: NDArray[np.floating]
    by_receiver: NDArray[np.floating]
    by_sender: NDArray[np.floating]
    dale: bool

    def write(self) -> None:
        """Set W to what `w` has become."""
        acting = self.sign * (np.maximum(self.w, 0) if self.dale else self.w)
        self.by_receiver[self.receiver, self.sender] = acting
        self.by_sender[self.sender, self.receiver] = acting


@dataclass(frozen=True)
class Course:
    """A trial; arrays are filled anew by each, because memory takes longer to get than to fill.

    Attributes:
        noise: as in `rsnn.rate.network.draw_noise`, (n_steps, n_units).
        arriving: what inputs bring, u w_in', (n_steps, n_units) in double precision.
        x, rates: after each update, (n_steps, n_units); the first are those of the start.
        moved: what an update moves x by over 1/tau, (n_steps, n_units).
        outputs: after each update, (n_steps - 1,).
        delta: gradient of x, (n_steps, n_units).
        sent, received: delta over tau and rates before each update, (n_units, n_steps - 1).
    """

    noise: NDArray[np.floating]
    arriving: NDArray[np.float64]
    x: NDArray[np.floating]
    rates: NDArray[np.floating]
    moved: NDArray[np.floating]
    outputs: NDArray[np.floating]
    delta: NDArray[np.floating]
    sent: NDArray[np.floating]
    received: NDArray[np.floating]

    @classmethod
    def of(cls, noise: NDArray[np.floating]) -> "Course":
        """Room for trials with noise of this shape and precision."""
        n_steps, n_units = noise.shape
        x, rates, moved, delta = (np.zeros_like(noise) for _ in range(4))
        sent, received = (np.zeros((n_units, n_steps - 1), noise.dtype) for _ in range(2))
        outputs = np.zeros(n_steps - 1, noise.dtype)
        return cls(noise, np.zeros(noise.shape), x, rates, moved, outputs, delta, sent, received)


def connections(
    w: NDArray[np.floating],
    sign: NDArray[np.int8],
    mask: NDArray[np.bool_],
    *,
    dale: bool,
    moving: NDArray[np.bool_] | None = None,
) -> Connections:
    """The entries that act, in the precision of `w`; without Dale's law, all that the mask has.

    Args:
        w, sign, mask, dale: as in `rsnn.rate.network.RateNetwork`.
        moving: further entries, which change though they do not act, (n_units, n_units).
    """
    acting = (w > 0) & mask if dale else mask
    receiver, sender = np.nonzero(acting if moving is None else acting | moving)
    signs = sign[sender].astype(w.dtype)
    weights, transpose = np.zeros_like(w, order="C"), np.zeros_like(w, order="C")
    found = Connections(receiver, sender, signs, w[receiver, sender], weights, transpose, dale)
    found.write()
    return found


def forward(
    connected: Connections,
    share: NDArray[np.floating],
    trial: Course,
    w_out: NDArray[np.floating],
    b_out: float,
    activation: str,
) -> None:
    """Compute one trial, given its noise and what inputs bring.

    Args:
        connected: the connections.
        share: 1 / tau, (n_units,).
        trial: filled.
        w_out, b_out: of the output.
        activation: its name.
    """
    x, rates, kind = trial.x, trial.rates, ACTIVATIONS.index(activation)
    given = trial.arriving, share, trial.noise
    _forward(connected.by_sender, *given, x, rates, trial.moved, kind)
    np.matmul(rates[1:], w_out, out=trial.outputs)
    trial.outputs[:] += x.dtype.type(b_out)


def backward(
    connected: Connections,
    share: NDArray[np.floating],
    trial: Course,
    w_out: NDArray[np.floating],
    pull: NDArray[np.floating],
    activation: str,
) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating], float]:
    """Gradients of the entries of w (n,), of 1/tau and w_out (n_units,), and of b_out.

    Args:
        connected, share, w_out, activation: as in `forward`.
        trial: as that left it.
        pull: gradient of the outputs, (n_steps - 1,).
    """
    x, rates, kind = trial.x, trial.rates, ACTIVATIONS.index(activation)
    _backward(connected.by_receiver, share, x, rates, w_out, pull, trial.delta, kind)
    np.multiply(trial.delta[1:].T, share[:, None], out=trial.sent)
    trial.received[:] = rates[:-1].T
    d_w, d_share = np.zeros_like(connected.w), np.zeros_like(share)
    _add_over_time(trial.delta, trial.moved, d_share)
    _products(
        *(connected.receiver, connected.sender, connected.w, connected.dale),
        *(trial.sent, trial.received, d_w),
    )
    d_w *= connected.sign
    return d_w, d_share, rates[1:].T @ pull, float(pull.sum())


def draw_noise(generator: np.random.Generator, noise: NDArray[np.floating]) -> None:
    """Fill an array with what `rsnn.rate.network.draw_noise` draws, in half its time."""
    _draw_noise(generator, noise, STEP_NOISE, START_NOISE / STEP_NOISE)


@compiled
def _draw_noise(generator, noise, size, start):
    for t in range(noise.shape[0]):
        for j in range(noise.shape[1]):
            drawn = generator.standard_normal() * size
            noise[t, j] = drawn if t > 0 else drawn * start


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
def _add_product(columns, factors, total):
    """Add to `total` the rows of `columns` times `factors`, in their order; four at a time."""
    n, whole = len(factors), len(factors) - len(factors) % 4
    for k in range(0, whole, 4):
        c0, c1, c2, c3 = columns[k], columns[k + 1], columns[k + 2], columns[k + 3]
        f0, f1, f2, f3 = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
        for i in range(len(total)):
            total[i] = (((total[i] + c0[i] * f0) + c1[i] * f1) + c2[i] * f2) + c3[i] * f3
    for k in range(whole, n):
        for i in range(len(total)):
            total[i] += columns[k, i] * factors[k]


@compiled
def _forward(by_sender, arriving, share, noise, x, rates, moved, kind):
    n_steps, n_units = noise.shape
    x[0] = noise[0]
    for j in range(n_units):
        rates[0, j] = _rate(x[0, j], kind)
    for t in range(1, n_steps):
        for j in range(n_units):
            moved[t, j] = arriving[t - 1, j]
        _add_product(by_sender, rates[t - 1], moved[t])
        for j in range(n_units):
            moved[t, j] -= x[t - 1, j]
            x[t, j] = x[t - 1, j] + share[j] * moved[t, j] + noise[t, j]
            rates[t, j] = _rate(x[t, j], kind)


@compiled
def _backward(by_receiver, share, x, rates, w_out, pull, delta, kind):
    """Fill the gradients of x, `delta`; that of step 0 stays 0."""
    n_steps, n_units = x.shape
    back, sent = np.zeros_like(share), np.zeros_like(share)
    for t in range(n_steps - 1, 0, -1):
        for j in range(n_units):
            slope = _slope(x[t, j], rates[t, j], kind)
            delta[t, j] = slope * (back[j] + w_out[j] * pull[t - 1])
            if t + 1 < n_steps:
                delta[t, j] += (1 - share[j]) * delta[t + 1, j]
            sent[j] = share[j] * delta[t, j]
        back[:] = 0
        _add_product(by_receiver, sent, back)


@compiled
def _products(receiver, sender, w, dale, by_unit, senders, d_w):
    """The gradient of each entry: delta of its receiver times the rate of its sender, over time."""
    for k in range(len(w)):
        if w[k] > 0 or not dale:
            d_w[k] = np.dot(by_unit[receiver[k]], senders[sender[k]])


@compiled
def _add_over_time(first, second, total):
    for t in range(len(first)):
        for j in range(len(total)):
            total[j] += first[t, j] * second[t, j]
