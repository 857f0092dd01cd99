"""Training of rate networks as published: one trial an update, until the outputs are right.

The loss of a trial is the root of the summed squared differences of outputs and target, in which
the output after i + 1 updates is compared with target i, as in the published code. Adam has
TensorFlow 1's form: eps is added to the root of the uncorrected second moment.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError
from rsnn.rate.gradient import Course, backward, connections, forward
from rsnn.rate.network import RateNetwork, draw_noise
from rsnn.rate.task import Task, Trial

LEARNING_RATE, BETA1, BETA2, EPS = 0.01, 0.9, 0.999, 1e-8
EVERY, N_EVALUATED = 100, 100  # trials between evaluations, and trials of one
END_LOSS, END_SHARE = 7.0, 0.95  # mean loss below the one and share of right trials above the other
MAX_TRIALS = 6000
_TRAINED = ("w", "tau_param", "w_out", "b_out")


@dataclass(frozen=True)
class Record:
    """An evaluation on fresh trials, after the update of `trial`, counted from 0."""

    trial: int
    mean_loss: float
    right: float


@dataclass
class Training:
    """A training under way; everything that the next trial depends on.

    Attributes:
        network: as it is now.
        before: as it was before the last update, which is what is kept in the end, as published.
        generator: of all random numbers.
        moments: first and second moments of each trained array.
        losses: of every trial.
        records: of every evaluation.
        done: whether the last evaluation met the published rule.
        last: the last trial, with its x and outputs.
    """

    network: RateNetwork
    generator: np.random.Generator
    before: RateNetwork = field(init=False)
    moments: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    done: bool = False
    last: tuple[Trial, Course] | None = None

    def __post_init__(self) -> None:
        self.before = self.network


def train(
    training: Training,
    task: Task,
    *,
    max_trials: int = MAX_TRIALS,
    learning_rate: float = LEARNING_RATE,
    report: Callable[[Record], None] = lambda record: None,
) -> None:
    """Train until the published rule is met, or for `max_trials` trials in all.

    Every 100 trials 100 fresh ones are evaluated, without an update, and `report` is called, after
    which the training is in a state from which it can continue.

    Raises:
        DataError: a loss is not finite.
    """
    while not training.done and len(training.losses) < max_trials:
        number = len(training.losses)
        shown = task.draw(training.generator)
        _update(training, shown, number, learning_rate)
        if number % EVERY == 1:
            record = _evaluated(training, task, number)
            training.records.append(record)
            training.done = (
                record.mean_loss < END_LOSS and record.right > END_SHARE and number > task.first_end
            )
            report(record)


def loss_of(outputs: NDArray[np.floating], target: NDArray[np.floating]) -> float:
    """The root of the summed squared differences of outputs, (n_steps - 1,), and target."""
    return float(np.sqrt(((outputs - target[:-1]) ** 2).sum()))


def course(
    network: RateNetwork, shown: Trial, noise: NDArray[np.floating]
) -> tuple[Course, dict[str, NDArray[np.floating] | float], float]:
    """One trial, its gradient by trained array, and its loss, in the precision of `noise`."""
    kind = noise.dtype
    active = connections(network.w.astype(kind), network.sign, network.mask, dale=network.dale)
    share = (1 / network.tau).astype(kind)
    w_out = network.w_out.astype(kind)
    arriving = (shown.u @ network.w_in.T.astype(np.float64)).astype(kind)
    done = forward(active, arriving, share, noise, w_out, network.b_out, network.activation)
    loss = loss_of(done.outputs, shown.target)
    pull = (
        (done.outputs - shown.target[:-1]) / max(loss, float(np.finfo(np.float32).tiny))
    ).astype(kind)
    d_w, d_share, d_out, d_bias = backward(active, share, done, w_out, pull, network.activation)
    gradient: dict[str, Any] = {"w": np.zeros(network.w.shape, kind), "w_out": d_out}
    gradient["w"][active.receiver, active.sender] = d_w
    gradient["b_out"] = d_bias
    low, high = network.taus
    if low < high:
        ratio = (network.tau - low) / (high - low)
        slope = -(share.astype(np.float64) ** 2) * (high - low) * ratio * (1 - ratio)
        gradient["tau_param"] = (d_share * slope).astype(kind)
    return done, gradient, loss


def _update(training: Training, shown: Trial, number: int, learning_rate: float) -> None:
    network = training.network
    noise = draw_noise(len(shown.target), network.n_units, training.generator).astype(np.float32)
    done, gradient, loss = course(network, shown, noise)
    if not np.isfinite(loss):
        raise DataError(
            f"the loss of trial {number} is {loss}; lower `learning_rate`, or take another seed"
        )
    rate = learning_rate * np.sqrt(1 - BETA2 ** (number + 1)) / (1 - BETA1 ** (number + 1))
    changes: dict[str, Any] = {}
    for name, slope in gradient.items():
        first, second = (training.moments.get(f"{name}.{k}", np.zeros_like(slope)) for k in (1, 2))
        first = BETA1 * first + np.float32(1 - BETA1) * np.asarray(slope, np.float32)
        second = BETA2 * second + np.float32(1 - BETA2) * np.asarray(slope, np.float32) ** 2
        training.moments |= {f"{name}.1": first, f"{name}.2": second}
        changes[name] = getattr(network, name) - rate * first / (np.sqrt(second) + EPS)
    changes["b_out"] = float(changes["b_out"])
    training.before = network
    training.network = replace(network, **changes)
    training.losses.append(loss)
    training.last = (shown, done)


def _evaluated(training: Training, task: Task, number: int) -> Record:
    network = training.network
    active = connections(network.w, network.sign, network.mask, dale=network.dale)
    share = (1 / network.tau).astype(np.float32)
    losses, right = [], 0
    for _ in range(N_EVALUATED):
        shown = task.draw(training.generator)
        noise = draw_noise(task.n_steps, network.n_units, training.generator).astype(np.float32)
        arriving = (shown.u @ network.w_in.T.astype(np.float64)).astype(np.float32)
        outputs = forward(
            active, arriving, share, noise, network.w_out, network.b_out, network.activation
        ).outputs
        losses.append(loss_of(outputs, shown.target))
        right += task.is_right(outputs, shown.condition)
    return Record(number, float(np.mean(losses)), right / N_EVALUATED)
