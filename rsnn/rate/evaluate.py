"""Accuracy, answers and rates of a network of a task on random trials.

The trials are those by which `quantize` measures: number and seed decide what is shown, and how
membranes start.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from base.checks import check_count
from base.metrics import accuracy
from rsnn.rate.mapping import MOST_TRIALS
from rsnn.rate.network import DT
from rsnn.rate.responses import Response, Subject
from rsnn.rate.spiking_kernel import run_trials
from rsnn.rate.task import Task, Trial

NONE, SEVERAL = "none", "several"
"""Answers that are not one: the output is right for no condition, or for some that differ."""
_AT_ONCE = 32  # trials in memory
_KEPT = 40  # outputs of a condition


@dataclass
class Tally:
    """Trials of one condition.

    Attributes:
        populations: units of each, as in `rsnn.rate.populations`.
        scale: what makes a rate of a unit's mean activity in a step of 5 ms: 1/s, or 1 for
            activations.
        trials, right: all, and those that were right.
        answers: trials by answer.
        outs: outputs of the first trials at the ends of steps of 5 ms, (n_bins,) each, and whether
            these were right.
        first: inputs (n_steps, n_inputs) and activity (n_bins, n_units) of the first trial.
    """

    populations: Mapping[str, NDArray[np.int64]]
    scale: float
    trials: int = 0
    right: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    outs: list[tuple[NDArray[np.float64], bool]] = field(default_factory=list)
    first: tuple[NDArray[np.float64], NDArray[np.number]] | None = None
    _units: NDArray[np.float64] | float = 0.0
    _course: NDArray[np.float64] | float = 0.0
    _out: NDArray[np.float64] | float = 0.0

    def add(self, shown: Trial, response: Response, answer: str) -> None:
        """Count a trial."""
        is_right = shown.condition in response.right_for
        self.trials += 1
        self.right += is_right
        self.answers[answer] += 1
        self._units = self._units + response.activity.mean(0, dtype=np.float64)
        means = [response.activity[:, units].mean(1) for units in self.populations.values()]
        self._course = self._course + np.stack(means, 1)
        self._out = self._out + response.out
        if self.first is None:
            self.first = shown.u, response.activity
        if len(self.outs) < _KEPT:
            self.outs.append((response.out, is_right))

    @property
    def rates(self) -> NDArray[np.float64]:
        """Mean rate of each unit, (n_units,) in Hz; of activations, their mean."""
        return np.asarray(self._units) * self.scale / self.trials

    @property
    def course(self) -> NDArray[np.float64]:
        """Mean rate of each population over time, (n_bins, n_populations), in the same unit."""
        return np.asarray(self._course) * self.scale / self.trials

    @property
    def mean_out(self) -> NDArray[np.float64]:
        """Mean output of all trials, (n_bins,)."""
        return np.asarray(self._out) / self.trials


@dataclass(frozen=True)
class Evaluation:
    """A network of a task on random trials.

    Attributes:
        subject: the network.
        task: its task.
        populations: units of each.
        tallies: by condition, in the task's order; those that were not drawn are absent.
        macs, acs: effective multiply-accumulates and accumulates per step of the network.
    """

    subject: Subject
    task: Task
    populations: Mapping[str, NDArray[np.int64]]
    tallies: Mapping[str, Tally]
    macs: float
    acs: float

    @property
    def trials(self) -> int:
        """Trials of all conditions."""
        return sum(tally.trials for tally in self.tallies.values())

    @property
    def accuracy(self) -> dict[str, float]:
        """Share of right trials, and the ends of Wilson's interval."""
        return accuracy(sum(tally.right for tally in self.tallies.values()), self.trials)

    @property
    def rate(self) -> float:
        """Mean rate of all units, in Hz; of activations, their mean."""
        sums = sum(tally.rates.mean() * tally.trials for tally in self.tallies.values())
        return float(sums) / self.trials

    @property
    def answers(self) -> list[str]:
        """What can be answered: the right answers, then `NONE` and `SEVERAL`."""
        right = dict.fromkeys(map(self.task.answer, self.task.conditions))
        return [*right, NONE, SEVERAL]


def evaluate(
    subject: Subject,
    task: Task,
    n_trials: int,
    *,
    seed: Sequence[int],
    populations: Mapping[str, NDArray[np.int64]],
    n_threads: int = 1,
    advance: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Show a network random trials; the result does not depend on the number of threads.

    Args:
        subject: the network, made for the task.
        task: the task.
        n_trials: at least 1.
        seed: whole numbers; each trial adds its own.
        populations: units of each, (n,) each.
        n_threads: trials at the same time.
        advance: called after each trial.

    Raises:
        RangeError: no trials, or too many.
        DataError: the network does not take the task's inputs.
    """
    check_count("trials", n_trials, MOST_TRIALS)
    scale = 1 / DT if subject.is_spiking else 1.0
    tallies = {condition: Tally(populations, scale) for condition in task.conditions}
    macs = acs = 0.0

    def run(number: int) -> tuple[Trial, Response]:
        generator = np.random.default_rng([*seed, number])
        shown = task.draw(generator)
        return shown, subject.respond(shown, generator)

    for begin in range(0, n_trials, _AT_ONCE):
        numbers = range(begin, min(begin + _AT_ONCE, n_trials))
        for shown, response in run_trials(run, numbers, n_threads):
            tallies[shown.condition].add(shown, response, _answer(task, response))
            macs, acs = macs + response.macs, acs + response.acs
            advance()
    drawn = {condition: tally for condition, tally in tallies.items() if tally.trials}
    return Evaluation(subject, task, populations, drawn, macs / n_trials, acs / n_trials)


def _answer(task: Task, response: Response) -> str:
    given = {task.answer(condition) for condition in response.right_for}
    return next(iter(given)) if len(given) == 1 else SEVERAL if given else NONE
