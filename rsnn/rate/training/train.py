"""Training of rate networks as published: one trial an update, until the outputs are right.

The loss of a trial is the root of the summed squared differences of outputs and target, in which
the output after i + 1 updates is compared with target i, as in the published code.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError
from rsnn.rate.network import RateNetwork, time_constants
from rsnn.rate.task import Task, Trial
from rsnn.rate.training.adam import Moments, step, step_size
from rsnn.rate.training.gradient import (
    Connections,
    Course,
    backward,
    connections,
    draw_noise,
    forward,
)

LEARNING_RATE = 0.01
EVERY, N_EVALUATED = 100, 100  # trials between evaluations, and trials of one
END_LOSS, END_SHARE = 7.0, 0.95  # mean loss below the one and share of right trials above the other
MAX_TRIALS = 6000


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
        moments: Adam's of each trained array, in its shape.
        losses: of every trial.
        records: of every evaluation.
        done: whether the last evaluation met the published rule.
        last: the last trial: inputs `u` (n_inputs, n_steps), currents `x` (n_steps, n_units) and
            outputs `o` (n_steps - 1, 1), in the shapes of the published files.
    """

    network: RateNetwork
    generator: np.random.Generator
    before: RateNetwork = field(init=False)
    moments: dict[str, Moments] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    done: bool = False
    last: dict[str, NDArray[np.floating]] = field(default_factory=dict)

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
    now = _Parameters.of(training.network, np.dtype(np.float32), training.moments)
    noises = np.zeros((2, task.n_steps, training.network.n_units), np.float32)
    trial, evaluated = map(Course.of, noises)
    while not training.done and len(training.losses) < max_trials:
        number = len(training.losses)
        before = now.values()
        u = _update(training, now, task, trial, learning_rate)
        is_evaluated = number % EVERY == 1
        if is_evaluated or number + 1 == max_trials:
            now.put_into(training, before)
            last = {"u": u.T, "x": trial.x, "o": trial.outputs[:, None]}
            training.last = {name: array.copy() for name, array in last.items()}
        if is_evaluated:
            record = _evaluated(training, now, task, evaluated)
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
) -> tuple[Course, dict[str, NDArray[np.floating]], float]:
    """One trial, its gradient by trained array, and its loss, in the precision of `noise`."""
    parameters, trial = _Parameters.of(network, noise.dtype, {}), Course.of(noise)
    gradient, loss = _computed(parameters, shown, trial)
    connected, slopes = parameters.connected, np.zeros(network.w.shape, noise.dtype)
    slopes[connected.receiver, connected.sender] = gradient["w"]
    return trial, gradient | {"w": slopes, "b_out": gradient["b_out"][0]}, loss


@dataclass(frozen=True)
class _Parameters:
    """A network under training: what changes, in place, and what that takes.

    Attributes:
        network: as it was.
        connected: its connections, with the entries of `w` that change.
        arrays: `w_out`, `b_out` (1,) in double precision, and `tau_param` if it is trained.
        moments: of `arrays` and of the entries of `w`.
        from_input: w_in', (n_inputs, n_units).
    """

    network: RateNetwork
    connected: Connections
    arrays: dict[str, NDArray[np.floating]]
    moments: dict[str, Moments]
    from_input: NDArray[np.float64]

    @classmethod
    def of(cls, network: RateNetwork, kind: np.dtype, moments: dict[str, Moments]) -> "_Parameters":
        """Those of a network, in a precision, with moments of whole arrays; none at the start."""
        moving = moments["w"].first != 0 if "w" in moments else None
        connected = connections(
            network.w.astype(kind), network.sign, network.mask, dale=network.dale, moving=moving
        )
        arrays = {"w_out": network.w_out.astype(kind), "b_out": np.array([network.b_out])}
        if network.taus[0] < network.taus[1]:
            arrays["tau_param"] = network.tau_param.astype(kind)
        own = {name: Moments(np.zeros_like(a), np.zeros_like(a)) for name, a in arrays.items()}
        own["w"] = Moments(np.zeros_like(connected.w), np.zeros_like(connected.w))
        for name, each in moments.items():
            at = (connected.receiver, connected.sender) if name == "w" else slice(None)
            own[name] = Moments(each.first[at].copy(), each.second[at].copy())
        from_input = network.w_in.T.astype(np.float64)
        return cls(network, connected, arrays, own, from_input)

    @property
    def tau(self) -> NDArray[np.float64]:
        """Time constants as they are now, (n_units,) in steps."""
        param = self.arrays.get("tau_param", self.network.tau_param)
        return time_constants(param, self.network.taus)

    def values(self) -> dict[str, NDArray[np.floating]]:
        """Copies of what changes; `w` by entry."""
        return {name: a.copy() for name, a in (self.arrays | {"w": self.connected.w}).items()}

    def put_into(self, training: "Training", before: dict[str, NDArray[np.floating]]) -> None:
        """Give a training the network as it is now and was before, and the moments."""
        training.network, training.before = map(self._network, (self.values(), before))
        for name, own in self.moments.items():
            whole = [self._whole(each) if name == "w" else each for each in vars(own).values()]
            training.moments[name] = Moments(*(each.copy() for each in whole))

    def _network(self, values: dict[str, NDArray[np.floating]]) -> RateNetwork:
        w = self.network.w.copy()
        w[self.connected.receiver, self.connected.sender] = values["w"]
        changes: dict[str, Any] = values | {"w": w, "b_out": float(values["b_out"][0])}
        return replace(self.network, **changes)

    def _whole(self, entries: NDArray[np.floating]) -> NDArray[np.floating]:
        whole = np.zeros(self.network.w.shape, entries.dtype)
        whole[self.connected.receiver, self.connected.sender] = entries
        return whole


def _computed(
    now: _Parameters, shown: Trial, trial: Course
) -> tuple[dict[str, NDArray[np.floating]], float]:
    """The gradient of one trial by trained array, of `w` by entry, and its loss."""
    kind, tau = trial.noise.dtype, now.tau
    share = _forward(now, tau, shown.u, trial)
    loss = loss_of(trial.outputs, shown.target)
    pull = (
        (trial.outputs - shown.target[:-1]) / max(loss, float(np.finfo(np.float32).tiny))
    ).astype(kind)
    d_w, d_share, d_out, d_bias = backward(
        now.connected, share, trial, now.arrays["w_out"], pull, now.network.activation
    )
    gradient = {"w": d_w, "w_out": d_out, "b_out": np.array([d_bias])}
    if "tau_param" in now.arrays:
        low, high = now.network.taus
        ratio = (tau - low) / (high - low)
        slope = -(share.astype(np.float64) ** 2) * (high - low) * ratio * (1 - ratio)
        gradient["tau_param"] = (d_share * slope).astype(kind)
    return gradient, loss


def _forward(
    now: _Parameters, tau: NDArray[np.float64], u: NDArray[np.float64], trial: Course
) -> NDArray[np.floating]:
    """Compute one trial forward; 1/tau."""
    share = (1 / tau).astype(trial.noise.dtype)
    np.matmul(u, now.from_input, out=trial.arriving)
    bias = float(now.arrays["b_out"][0])
    forward(now.connected, share, trial, now.arrays["w_out"], bias, now.network.activation)
    return share


def _update(
    training: Training, now: _Parameters, task: Task, trial: Course, learning_rate: float
) -> NDArray[np.float64]:
    """Update on one trial; return its inputs."""
    number, shown = len(training.losses), task.draw(training.generator)
    draw_noise(training.generator, trial.noise)
    gradient, loss = _computed(now, shown, trial)
    if not np.isfinite(loss):
        raise DataError(
            f"the loss of trial {number} is {loss}; lower `learning_rate`, or take another seed"
        )
    rate = step_size(learning_rate, number)
    for name, values in (now.arrays | {"w": now.connected.w}).items():
        slopes = gradient[name].astype(np.float32)
        can_die = name == "w" and now.network.dale
        step(values, slopes, now.moments[name], rate, can_die=can_die)
    now.connected.write()
    training.losses.append(loss)
    return shown.u


def _evaluated(training: Training, now: _Parameters, task: Task, trial: Course) -> Record:
    tau, losses, right = now.tau, [], 0
    for _ in range(N_EVALUATED):
        shown = task.draw(training.generator)
        draw_noise(training.generator, trial.noise)
        _forward(now, tau, shown.u, trial)
        losses.append(loss_of(trial.outputs, shown.target))
        right += task.is_right(task.judged_rates(trial.outputs), shown.condition)
    return Record(len(training.losses) - 1, float(np.mean(losses)), right / N_EVALUATED)
