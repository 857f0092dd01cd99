"""A linear decoder on the same steps: ridge regression on binned spike counts.

The velocity at a step is a linear function of the spike counts in bins of 20 ms behind it. Training
takes one row per bin, prediction one per step. Neither holds a matrix of all features: training
sums up normal equations lag by lag, prediction adds up one lag after the other.

Features go from the newest bin to the oldest. The normal equations of a short history are thus the
leading block of those of a long one, and so is their Cholesky factor: one factorization per penalty
serves every history.
"""

import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

from base.errors import DataError, RangeError
from rsnn.baselines.baseline import (
    BIN,
    Baseline,
    learning_part,
    refuse_stillness,
    score_baseline,
)
from rsnn.data.session import Session
from rsnn.data.split import Split

PENALTIES = (1e1, 1e2, 1e3, 1e4, 1e5)
HISTORIES = (0.1, 0.2, 0.3, 0.4, 0.6)  # seconds


class _Moments(NamedTuple):
    """Sums over rows of features f and targets y: n, f, y, y^2, f f^T, f y^T."""

    n: int
    f: NDArray[np.float64]
    y: NDArray[np.float64]
    yy: NDArray[np.float64]
    ff: NDArray[np.float64]
    fy: NDArray[np.float64]


class _Linear(NamedTuple):
    """A fitted decoder: weights (n_features, n_outputs) and offset (n_outputs,).

    Features are lag by lag from the newest bin to the oldest, each with all channels.
    """

    weights: NDArray[np.float64]
    offset: NDArray[np.float64]


def ridge(session: Session, split: Split, *, histories: Sequence[float] = (0.2,)) -> Baseline:
    """Fit ridge regression to a session and score it on every step of the test part.

    The history, where there are several, and the penalty (of `PENALTIES`) are those that decode
    the validation part best after learning from the train part; then both parts are learned from.
    The test part is a stream of its own, silent before it starts, as for a network.

    Args:
        session: recording or synthetic session.
        split: its parts.
        histories: seconds of spikes that a prediction may see, rounded to bins of 20 ms.

    Raises:
        RangeError: a history shorter than a bin.
        DataError: parts too short for the longest history, or a cursor that does not move.
    """
    refuse_stillness(session, split)
    steps = max(1, round(BIN / session.dt))
    lags = [round(history / (steps * session.dt)) for history in histories]
    if min(lags) < 1:
        raise RangeError(
            f"history is {min(histories):g} s; a bin takes {steps * session.dt:g} s, give at least"
            " one bin"
        )
    most = max(lags)
    learn = learning_part(split)
    n_fit = (split.train.stop - split.train.start) // steps - most + 1
    n_rows = (learn.stop - learn.start) // steps - most + 1
    if n_fit < 2 or n_rows - n_fit < 2:
        raise DataError(
            f"session {session.name}: its train part has {split.train.stop - split.train.start}"
            f" steps, its validation part {split.validation.stop - split.validation.start}; a"
            f" history of {max(histories):g} s needs {(most + 1) * steps} and {3 * steps}, use a"
            " longer session or a shorter history"
        )
    spikes = session.raster[learn]
    counts = spikes[: len(spikes) // steps * steps].reshape(-1, steps, spikes.shape[1]).sum(1)
    at_bin_end = np.asarray(session.velocity[learn][steps - 1 :: steps], np.float64)[most - 1 :]
    fit = _moments(counts[: n_fit + most - 1], at_bin_end[:n_fit])
    held = _moments(counts[n_fit:], at_bin_end[n_fit:n_rows])
    tried = {
        (n_lags, penalty): _r2(decoder, held)
        for penalty in PENALTIES
        for n_lags, decoder in zip(lags, _solve(fit, penalty, lags), strict=True)
    }
    n_lags, penalty = max(tried, key=lambda settings: tried[settings])
    both = _Moments(*map(operator.add, fit, held))
    (decoder,) = _solve(_leading(both, n_lags * spikes.shape[1]), penalty, [n_lags])
    length = f"{1000 * n_lags * steps * session.dt:.0f} ms"
    return score_baseline(
        f"ridge regression, {length if len(lags) == 1 else f'best history ({length})'}",
        _predict(decoder, session.raster[split.test], n_lags, steps),
        session,
        split,
        n_parameters=decoder.weights.size + decoder.offset.size,
        dense=decoder.weights.size,
    )


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
    square = ff.reshape(len(f), len(f))
    return _Moments(n_rows, f, target.sum(0), (target**2).sum(0), square, fy)


def _leading(m: _Moments, n: int) -> _Moments:
    """The moments of the first `n` features."""
    return m._replace(f=m.f[:n], ff=m.ff[:n, :n], fy=m.fy[:n])


def _solve(m: _Moments, penalty: float, lags: Sequence[int]) -> Iterator[_Linear]:
    """Minimize squared error + penalty * |weights|^2 for each number of lags; offsets go free.

    The most lags are all that `m` has.
    """
    mean_f, mean_y = m.f / m.n, m.y / m.n
    ff = m.ff - m.n * np.outer(mean_f, mean_f)
    ff[np.diag_indices_from(ff)] += penalty
    fy = m.fy - m.n * np.outer(mean_f, mean_y)
    factor = scipy.linalg.cholesky(ff, lower=True, overwrite_a=True, check_finite=False)
    half = scipy.linalg.solve_triangular(factor, fy, lower=True, check_finite=False)
    for n_lags in lags:
        n = len(half) // max(lags) * n_lags
        weights = scipy.linalg.solve_triangular(
            factor[:n, :n], half[:n], lower=True, trans="T", check_finite=False
        )
        yield _Linear(weights, mean_y - mean_f[:n] @ weights)


def _r2(decoder: _Linear, m: _Moments) -> float:
    """R2 of a decoder, with as many features as it has, on the rows summed up in `m`."""
    w, b = decoder
    n = len(w)
    squared = (w * (m.ff[:n, :n] @ w)).sum(0) + 2 * b * (m.f[:n] @ w) + m.n * b**2
    sse = m.yy - 2 * ((w * m.fy[:n]).sum(0) + b * m.y) + squared
    return float(np.mean(1.0 - sse / (m.yy - m.y**2 / m.n)))


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
