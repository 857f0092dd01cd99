"""The Kalman filter of brain-machine interfaces, on binned spike counts.

State x, at the end of a bin: position and velocity of the cursor, around their means. Observation
z: the spike counts of the bin that ended a lag before, around theirs.

    x[k] = A x[k-1] + w,  w ~ N(0, W)
    z[k] = H x[k] + q,    q ~ N(0, Q)

A, W, H and Q are those of maximum likelihood: two linear regressions and the covariances of their
residuals. They never change, so neither does the gain K once the filter has run for a while,
and the filter runs with that gain from the start:

    x[k] = (I - K H) A x[k-1] + K z[k]

Sources: Wu, Gao, Bienenstock, Donoghue, Black, "Bayesian population decoding of motor cortical
activity using a Kalman filter", Neural Computation 18 (2006), 80-118; for the constant gain Malik,
Truccolo, Brown, Hochberg, "Efficient decoding with steady-state Kalman filter in neural interface
systems", IEEE TNSRE 19 (2011), 25-34.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError
from base.metrics import r2_score
from rsnn.baselines.baseline import (
    Baseline,
    learning_part,
    refuse_stillness,
    score_baseline,
)
from rsnn.data.session import Session
from rsnn.data.split import Split

BINS = (0.040, 0.060, 0.080, 0.100, 0.140, 0.200)  # seconds
LAGS = (0.0, 0.040, 0.080, 0.120)  # seconds from the end of a bin to the movement it encodes
NOISE_RIDGE = 1e-3  # share of the channels' mean noise variance added to each channel's
FEWEST_BINS = 20  # to learn from
MOST_ROUNDS = 5000  # limit of iterations for the gain to settle
CLOSE = 1e-10  # largest change of the posterior covariance, relative, of a gain that has settled


class _Filter(NamedTuple):
    """A filter whose gain has settled, for a state of `n` and counts of `c` channels.

    `transition` (n, n) is (I - K H) A and `gain` (n, c) is K; `counts` (c,) and `velocity`
    (n_outputs,) are the means of both.
    """

    transition: NDArray[np.float64]
    gain: NDArray[np.float64]
    counts: NDArray[np.float64]
    velocity: NDArray[np.float64]


def kalman(
    session: Session,
    split: Split,
    *,
    bins: Sequence[float] = BINS,
    lags: Sequence[float] = LAGS,
) -> Baseline:
    """Fit Kalman filters to a session and score the best on every step of the test part.

    Bin and lag are those that decode the validation part best after learning from the train part;
    then both parts are learned from. As many filters as a bin has steps take turns, so that each
    step has a filter whose bin has just ended. The test part is a stream of its own, silent before
    it starts, where every filter is in the mean state.

    Args:
        session: recording or synthetic session.
        split: its parts.
        bins: seconds of spikes in a bin, to choose from; rounded to steps.
        lags: seconds from the end of a bin to its state, to choose from; rounded to steps.

    Raises:
        DataError: a train part too short for the longest bin, or a cursor that does not move.
    """
    refuse_stillness(session, split)
    settings = [
        (max(1, round(length / session.dt)), round(lag / session.dt))
        for length in bins
        for lag in lags
    ]
    needed = max(FEWEST_BINS * steps + lag for steps, lag in settings)
    n_train = split.train.stop - split.train.start
    if n_train < needed:
        raise DataError(
            f"session {session.name}: its train part has {n_train} steps; Kalman filters with bins"
            f" of {max(bins):g} s need at least {needed}, use a longer session"
        )

    def validate(setting: tuple[int, int]) -> float:
        fitted = _fit(session, split.train, *setting)
        decoded = _decode(fitted, session.raster[split.validation], *setting)
        return r2_score(decoded, session.velocity[split.validation])

    steps, lag = max(settings, key=validate)
    fitted = _fit(session, learning_part(split), steps, lag)
    milliseconds = 1000 * session.dt
    return score_baseline(
        f"Kalman filter, bins of {steps * milliseconds:.0f} ms, lag {lag * milliseconds:.0f} ms",
        _decode(fitted, session.raster[split.test], steps, lag),
        session,
        split,
        # both means, once multiplied, are one offset to each state
        n_parameters=fitted.transition.size + fitted.gain.size + len(fitted.gain),
        dense=fitted.transition.size + fitted.gain.size,
    )


def _fit(session: Session, part: slice, steps: int, lag: int) -> _Filter:
    """Learn from one stretch of steps; row k is bin k and the state at its end plus the lag."""
    velocity = np.asarray(session.velocity[part], np.float64)
    mean_velocity = velocity.mean(0)
    position = np.cumsum(velocity, 0)
    states = np.concatenate((position - position.mean(0), velocity - mean_velocity), 1)
    x = states[steps - 1 + lag :: steps]
    raster = session.raster[part][: len(x) * steps]
    z = raster.reshape(len(x), steps, -1).sum(1, dtype=np.float64)
    mean_counts = z.mean(0)
    a, w = _regress(x[:-1], x[1:])
    h, q = _regress(x, z - mean_counts)
    # one variance for silent channels and for all others; 1 where every channel is constant
    q[np.diag_indices_from(q)] += NOISE_RIDGE * np.trace(q) / len(q) or 1.0
    informed = np.linalg.solve(q, h).T  # H^T Q^-1
    posterior = _settle(a, w, informed @ h)
    gain = posterior @ informed
    return _Filter(a - gain @ h @ a, gain, mean_counts, mean_velocity)


def _regress(
    x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coefficients (n_y, n_x) of y = coefficients x and the residual covariance."""
    # the smallest, where x is degenerate
    coefficients = np.linalg.lstsq(x, y, rcond=None)[0].T.astype(np.float64, copy=False)
    rest = y - x @ coefficients.T
    return coefficients, rest.T @ rest / len(rest)


def _settle(
    a: NDArray[np.float64], w: NDArray[np.float64], information: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the covariance of the state given all counts so far, once it has settled.

    Args:
        a, w: (n, n) of the state's equation.
        information: H^T Q^-1 H, (n, n). With it a round inverts n x n instead of the channels'.
    """
    identity = np.eye(len(a))
    posterior = np.zeros_like(a)
    for _ in range(MOST_ROUNDS):
        prior = a @ posterior @ a.T + w
        before, posterior = posterior, prior @ np.linalg.inv(identity + information @ prior)
        if np.abs(posterior - before).max() <= CLOSE * np.abs(posterior).max():
            break
    return posterior


def _decode(
    fitted: _Filter, raster: NDArray[np.uint8], steps: int, lag: int
) -> NDArray[np.float64]:
    """Decode every step of a stretch, (n_steps, n_outputs), by filters that take turns."""
    n_steps, n_outputs = len(raster), len(fitted.velocity)
    # summed over the bin after weighting: a few states instead of all channels
    total = (raster.astype(np.float32) @ fitted.gain.T.astype(np.float32)).cumsum(0, np.float64)
    pushed = total - fitted.gain @ fitted.counts
    pushed[steps:] -= total[:-steps]
    n_rounds = -(-n_steps // steps)
    pushed = np.pad(pushed, ((0, n_rounds * steps - n_steps), (0, 0)))
    states = pushed.reshape(n_rounds, steps, -1)
    for before, state in pairwise(states):
        state += before @ fitted.transition.T
    decoded = states.reshape(n_rounds * steps, -1)[:n_steps, -n_outputs:]
    held = np.zeros((min(lag, n_steps), n_outputs))  # no bin ends in the first steps
    return fitted.velocity + np.concatenate((held, decoded[: n_steps - len(held)]))
