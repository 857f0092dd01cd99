"""What a linear decoder reaches on the same steps: ridge regression on binned spike counts.

The velocity at a step is a linear function of the spike counts in bins of 20 ms behind it. Training
takes one row a bin, prediction one every step. Neither holds a matrix of all features: training
sums up normal equations lag by lag, prediction adds up one lag after the other.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rsnn.data.session import Session
from rsnn.data.split import Split
from rsnnctl.errors import RangeError
from rsnnctl.metrics import r2_score

BIN = 0.020  # seconds
PENALTIES = (1e1, 1e2, 1e3, 1e4, 1e5)
_HELD_OUT = 0.2  # share of the training rows, at their end, on which the penalty is chosen


class _Moments(NamedTuple):
    """Sums over rows of features f and targets y: n, f, y, f f^T, f y^T."""

    n: int
    f: NDArray[np.float64]
    y: NDArray[np.float64]
    ff: NDArray[np.float64]
    fy: NDArray[np.float64]


class _Linear(NamedTuple):
    """A fitted decoder: weights (n_features, n_outputs) and offset (n_outputs,).

    Features are lag by lag from the newest bin to the oldest, each with all channels.
    """

    weights: NDArray[np.float64]
    offset: NDArray[np.float64]


def ridge_r2(session: Session, split: Split, *, history: float = 0.2) -> float:
    """Test R2 of ridge regression that learns from a session's train and validation parts.

    Args:
        session: recording or synthetic session.
        split: its parts; the test part is scored.
        history: seconds of spikes that a prediction sees.

    Raises:
        RangeError: what `ridge` refuses.
    """
    learn = slice(split.train.start, split.validation.stop)
    return ridge(
        session.raster, session.velocity, learn, split.test, history=history, dt=session.dt
    )


def ridge(
    raster: NDArray[np.uint8],
    velocity: NDArray[np.floating],
    train: slice,
    test: slice,
    *,
    history: float = 0.2,
    dt: float = 0.004,
) -> float:
    """Fit on one stretch of steps and return R2 on every step of another.

    The penalty is chosen from `PENALTIES` on the last fifth of the training stretch, then all of
    it is fitted. Each stretch is a stream of its own, silent before it starts, as for a network.

    Args:
        raster: spikes (n_steps, n_channels).
        velocity: target (n_steps, n_outputs).
        train: steps to learn from.
        test: steps to score.
        history: seconds of spikes that a prediction sees, rounded to bins of 20 ms.
        dt: seconds a step.

    Raises:
        RangeError: a history shorter than a bin, or too long for the training stretch.
    """
    steps = max(1, round(BIN / dt))
    n_lags = round(history / (steps * dt))
    if n_lags < 1:
        raise RangeError(
            f"history is {history:g} s; a bin takes {steps * dt:g} s, give at least one bin"
        )
    spikes, target = raster[train], velocity[train]
    n_rows = len(spikes) // steps - n_lags + 1
    n_held = int(n_rows * _HELD_OUT)
    if n_held < 2:
        raise RangeError(
            f"the training stretch has {len(spikes)} steps; a history of {history:g} s needs at"
            f" least {(n_lags + 9) * steps}, use a longer stretch or a shorter history"
        )
    n_fit = n_rows - n_held
    counts = spikes[: len(spikes) // steps * steps].reshape(-1, steps, spikes.shape[1]).sum(1)
    at_bin_end = np.asarray(target[steps - 1 :: steps], np.float64)[n_lags - 1 :]
    fit = _moments(counts[: n_fit + n_lags - 1], at_bin_end[:n_fit])
    held = _moments(counts[n_fit:], at_bin_end[n_fit:n_rows])
    behind = slice((n_fit + n_lags - 1) * steps, None)

    def score(penalty: float) -> float:
        decoded = _predict(_solve(fit, penalty), spikes[behind], n_lags, steps)
        return r2_score(decoded, target[behind])

    everything = _Moments(*(a + b for a, b in zip(fit, held, strict=True)))
    decoder = _solve(everything, max(PENALTIES, key=score))
    return r2_score(_predict(decoder, raster[test], n_lags, steps), velocity[test])


def _moments(counts: NDArray[np.integer], target: NDArray[np.float64]) -> _Moments:
    """Sum over rows; row k sees bins k .. k + n_lags - 1 of `counts`, lag 0 being the last of them.

    A lag shifts the same bins by one row, so only the products with lag 0 are summed up; all others
    follow from the one before by the two rows in which they differ. Counts are small integers:
    float32 sums their products exactly below 2^24.
    """
    n_rows, n_lags = len(target), len(counts) - len(target) + 1
    counts = counts.astype(np.float32)
    lagged = [counts[n_lags - 1 - lag :][:n_rows] for lag in range(n_lags)]
    f = np.concatenate([rows.sum(0, dtype=np.float64) for rows in lagged])
    fy = np.concatenate([rows.T @ target for rows in lagged])
    ff = np.empty((n_lags, counts.shape[1], n_lags, counts.shape[1]))
    for j in range(n_lags):
        for i in range(j + 1):
            if i == 0:
                ff[0, :, j] = lagged[0].T @ lagged[j]
            else:
                gained = np.outer(lagged[i][0], lagged[j][0])
                lost = np.outer(lagged[i - 1][-1], lagged[j - 1][-1])
                ff[i, :, j] = ff[i - 1, :, j - 1] + gained - lost
            ff[j, :, i] = ff[i, :, j].T
    return _Moments(n_rows, f, target.sum(0), ff.reshape(len(f), len(f)), fy)


def _solve(m: _Moments, penalty: float) -> _Linear:
    """Minimize squared error + penalty * |weights|^2; the offset goes free."""
    mean_f, mean_y = m.f / m.n, m.y / m.n
    ff = m.ff - m.n * np.outer(mean_f, mean_f)
    ff[np.diag_indices_from(ff)] += penalty
    weights = np.linalg.solve(ff, m.fy - m.n * np.outer(mean_f, mean_y))
    return _Linear(weights, mean_y - mean_f @ weights)


def _predict(
    decoder: _Linear, raster: NDArray[np.uint8], n_lags: int, steps: int
) -> NDArray[np.float64]:
    """Predict every step of a stretch, (n_steps, n_outputs); the newest bin ends at the step."""
    n_steps, n_channels = raster.shape
    weights = decoder.weights.reshape(n_lags, n_channels, -1).astype(np.float32)
    predicted = np.tile(decoder.offset, (n_steps, 1))
    spikes = raster.astype(np.float32)
    for lag in range(n_lags):
        sent = spikes @ weights[lag]
        for delay in range(lag * steps, min((lag + 1) * steps, n_steps)):
            predicted[delay:] += sent[: n_steps - delay]
    return predicted
