"""The factor that divides a rate network's weights: accuracy of each, the best, fresh trials."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from base.checks import check_count, check_seed
from base.errors import RangeError
from base.metrics import wilson
from rsnn.rate.network import DT, RateNetwork
from rsnn.rate.spiking import NOISE, LIFNetwork, mapped
from rsnn.rate.spiking_kernel import Trial, draw_start, run_trials
from rsnn.rate.task import Task
from rsnn.rate.task import Trial as TaskTrial

FACTORS = {
    "sigmoid": tuple(range(20, 76, 5)),
    "softplus": tuple(range(4, 27, 2)),
    "relu": tuple(range(4, 27, 2)),
}
"""Published grids, by activation."""
CONVERTED = 0.95
"""A network counts as converted from this accuracy on, as published."""
MOST_TRIALS = 1_000_000
_MOST_FACTORS, _MOST_THREADS = 1000, 1024
_CURVE, _FRESH = 0, 1  # separate random numbers


@dataclass(frozen=True)
class Accuracy:
    """Trials of a spiking network.

    Attributes:
        right, shown: right trials and all, by condition; conditions that were not drawn are absent.
        mean_rate: spikes per unit and second.
    """

    right: dict[str, int]
    shown: dict[str, int]
    mean_rate: float

    @property
    def n_trials(self) -> int:
        """Trials of all conditions."""
        return sum(self.shown.values())

    @property
    def n_right(self) -> int:
        """Right trials of all conditions."""
        return sum(self.right.values())

    @property
    def share(self) -> float:
        """Share of trials that are right."""
        return self.n_right / self.n_trials

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of the share, at 95 %."""
        return wilson(self.n_right, self.n_trials)

    def as_dict(self) -> dict[str, float]:
        """Accuracy, the ends of its interval and the rate in Hz, as values for JSON."""
        low, high = self.interval
        return {"accuracy": self.share, "low": low, "high": high, "mean_rate": self.mean_rate}

    def by_condition(self) -> dict[str, float]:
        """Share of right trials of each condition."""
        return {name: self.right[name] / count for name, count in sorted(self.shown.items())}


@dataclass(frozen=True)
class Search:
    """Accuracy by factor; the network at the best, the first of equals; fresh trials of that."""

    curve: dict[float, Accuracy]
    network: LIFNetwork
    fresh: Accuracy


def parse_factors(text: str) -> tuple[float, ...]:
    """Read factors such as `20,25,30`.

    Raises:
        RangeError: anything else, or too many of them.
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise RangeError(f"`factors` is {text}; write numbers, as in 20,25,30") from None
    check_count("factors", len(found), _MOST_FACTORS)
    return found


def measure(
    network: LIFNetwork,
    task: Task,
    n_trials: int,
    *,
    seed: Sequence[int],
    noise: float = NOISE,
    n_threads: int = 1,
) -> Accuracy:
    """Run random trials; the result does not depend on the number of threads.

    Args:
        network: the network.
        task: with as many inputs.
        n_trials: at least 1.
        seed: whole numbers; each trial adds its own.
        noise: standard deviation of what each step adds to each membrane, in mV.
        n_threads: trials at the same time.

    Raises:
        RangeError: no trials.
        MismatchError: the task has another number of inputs.
    """
    check_count("trials", n_trials, MOST_TRIALS)
    check_count("threads", n_threads, _MOST_THREADS)

    def run(number: int) -> tuple[str, bool, int]:
        generator = np.random.default_rng([*seed, number])
        shown: TaskTrial = task.draw(generator)
        start = draw_start(network, generator)
        done = Trial(network, task.lif_input(shown.u), start, generator, noise=noise).finish()
        right = task.spikes_are_right(task.judged(done.out), shown.condition)
        return shown.condition, right, int(done.spike_counts.sum())

    found = run_trials(run, range(n_trials), n_threads)
    shown = Counter(condition for condition, _, _ in found)
    right = Counter(condition for condition, is_right, _ in found if is_right)
    seconds = n_trials * task.n_steps * DT
    rate = sum(spikes for _, _, spikes in found) / (network.n_units * seconds)
    return Accuracy({name: right[name] for name in shown}, dict(shown), rate)


def search(
    network: RateNetwork,
    task: Task,
    factors: Sequence[float],
    *,
    n_trials: int,
    n_fresh: int,
    seed: int,
    noise: float = NOISE,
    n_threads: int = 1,
    filter: str = "double",
    downsample: int = 1,
    refractory: bool = True,
    advance: Callable[[], None] = lambda: None,
) -> Search:
    """Measure every factor, and the best once more on trials of its own.

    The best of many noisy values is too high; accuracy on fresh trials is not.

    Args:
        network: the rate network.
        task: with as many inputs.
        factors: to try, in this order.
        n_trials, n_fresh: per factor, and at the best.
        seed: of all random numbers.
        noise, n_threads: as in `measure`.
        filter, downsample, refractory: as in `rsnn.rate.spiking.mapped`.
        advance: called after each factor, and after the fresh trials.

    Raises:
        RangeError: no factors, one twice or not above 0, or no trials.
        MismatchError: the task has another number of inputs.
    """
    check_seed(seed)
    if not factors or len(set(factors)) < len(factors):
        raise RangeError("`factors` must name at least one, and none twice, as in 20,25,30")
    networks = {
        factor: mapped(network, factor, filter=filter, downsample=downsample, refractory=refractory)
        for factor in factors
    }
    curve = {}
    for number, (factor, each) in enumerate(networks.items()):
        seeds = [seed, _CURVE, number]
        curve[factor] = measure(each, task, n_trials, seed=seeds, noise=noise, n_threads=n_threads)
        advance()
    best = networks[max(curve, key=lambda factor: curve[factor].share)]
    fresh = measure(best, task, n_fresh, seed=[seed, _FRESH], noise=noise, n_threads=n_threads)
    advance()
    return Search(curve, best, fresh)
