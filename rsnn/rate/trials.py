"""Trials of a task, by spiking networks in floats and by the integers made of them.

A trial depends on its number and the seed alone: both networks get the same inputs and start from
the same membranes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.checks import check_count
from base.errors import DataError, MismatchError
from rsnn.rate.mapping import MOST_TRIALS, Accuracy
from rsnn.rate.network import DT
from rsnn.rate.spiking import NOISE, RESET, START, THRESHOLD, LIFNetwork, task_steps
from rsnn.rate.spiking_kernel import Trial, draw_start, run_trials
from rsnn.rate.task import Task
from rsnn.rate.task import Trial as TaskTrial
from sim.contract import signed_range
from sim.fast.simulator import Simulator
from sim.kinds.double_exp_lif import DoubleExpLIF
from sim.layer import values_in_words
from sim.network import IntegerNetwork


@dataclass(frozen=True)
class Done:
    """What a network did in one trial.

    Attributes:
        condition: the trial's.
        is_right: whether the task says so.
        out: output at the end of each step of 5 ms, (n_steps,); fewer of a spiking network whose
            inputs are thinned out, if the last ones are cut off.
        spikes: spikes of each unit, (n_units,).
    """

    condition: str
    is_right: bool
    out: NDArray[np.float64]
    spikes: NDArray[np.int64]


def float_trials(
    network: LIFNetwork,
    task: Task,
    n_trials: int,
    *,
    seed: Sequence[int],
    noise: float = NOISE,
    n_threads: int = 1,
) -> list[Done]:
    """Run random trials of a spiking network; arguments and errors as in `mapping.measure`."""

    def run(shown: TaskTrial, generator: np.random.Generator) -> Done:
        start = draw_start(network, generator)
        done = Trial(network, task.lif_input(shown.u), start, generator, noise=noise).finish()
        right = task.spikes_are_right(task.judged(done.out), shown.condition)
        ends = task_steps(network, len(done.out))
        return Done(shown.condition, right, done.out[ends - 1], done.spike_counts)

    return _run(run, task, n_trials, seed, n_threads)


def integer_trials(
    network: IntegerNetwork,
    task: Task,
    n_trials: int,
    *,
    seed: Sequence[int],
    n_threads: int = 1,
) -> list[Done]:
    """Run the same trials as `float_trials` on integers, which have no noise.

    Raises:
        RangeError: no trials.
        MismatchError: the network is no quantized spiking network of such a task, or its step is
            no whole part of 5 ms.
    """
    steps = check_network(network, task)

    def run(shown: TaskTrial, generator: np.random.Generator) -> Done:
        start = generator.uniform(*START, network.hidden[0].n_neurons)
        simulator = Simulator(started(network, start))
        block = simulator.step_block(
            raster_of(task.lif_input(shown.u), steps, network, task.input_step)
        )
        out = network.readout.decode(block.out)[:, 0]
        right = task.spikes_are_right(task.judged(out), shown.condition)
        return Done(shown.condition, right, out[steps - 1 :: steps], simulator.spike_counts)

    return _run(run, task, n_trials, seed, n_threads)


def accuracy_of(trials: Sequence[Done], task: Task) -> Accuracy:
    """Accuracy and mean rate over trials."""
    conditions = [each.condition for each in trials]
    shown = {name: conditions.count(name) for name in task.conditions if name in conditions}
    right = {name: sum(t.is_right for t in trials if t.condition == name) for name in shown}
    seconds = task.n_steps * DT * len(trials[0].spikes) * len(trials)
    return Accuracy(right, shown, sum(int(t.spikes.sum()) for t in trials) / seconds)


def check_network(network: IntegerNetwork, task: Task) -> int:
    """Steps of a network per step of a task that it can be run on.

    Raises:
        MismatchError: see `integer_trials`.
    """
    steps = round(DT / network.dt)
    if (
        [type(layer) for layer in network.hidden] != [DoubleExpLIF]
        or network.n_outputs != 1
        or network.n_inputs != task.n_inputs
    ):
        kinds = ", ".join(layer.kind() for layer in network.hidden)
        raise MismatchError(
            f"the network has {network.n_inputs} inputs, layers {kinds} and {network.n_outputs}"
            f" outputs; the task takes {task.n_inputs} inputs, one layer double_exp_lif, 1 output"
        )
    c = network.contract
    if (c.input_bits, c.input_signed) != (task.input_bits, task.input_signed):
        needed = replace(c, input_bits=task.input_bits, input_signed=task.input_signed).input_values
        raise MismatchError(
            f"the task has inputs {needed[0]}..{needed[1]}; {values_in_words(c.input_values)}:"
            " quantize it for that task"
        )
    if steps < 1 or abs(steps * network.dt - DT) > 1e-9:
        raise MismatchError(
            f"the network's step is {network.dt:g} s; a step of the task, {DT:g} s, is no whole"
            " number of them"
        )
    return steps


def raster_of(
    u: NDArray[np.float64], steps: int, network: IntegerNetwork, unit: float | None = None
) -> NDArray[Any]:
    """The inputs of each step of an integer network, (n_steps, n_inputs).

    Args:
        u: as `Task.lif_input` gives it, (n_columns, n_inputs).
        steps: of the network per column.
        network: that takes them.
        unit: `Task.input_step`.

    Raises:
        DataError: inputs that the network does not take.
    """
    low, high = network.input_values
    if unit is not None:
        u = np.clip(np.rint(u / unit), low, high)
    outside = (u < low) | (u > high) | (u != np.floor(u))
    if outside.any():
        raise DataError(
            f"the task has an input of {u[outside][0]:g}; the network takes whole numbers"
            f" {low}..{high}"
        )
    columns = (np.arange(1, steps * (len(u) - 1) + 1) + steps // 2) // steps
    return u[columns].astype(network.input_dtype)


def started(network: IntegerNetwork, v: NDArray[np.float64]) -> IntegerNetwork:
    """The network with membranes at `v`, (n_units,) in mV, before the first step."""
    layer = network.hidden[0]
    share = (v - RESET) / (THRESHOLD - RESET)
    low, high = signed_range(network.contract.mem_bits)
    words = np.clip(np.trunc(share * layer.threshold), low, high).astype(np.int64)
    begun = layer.replaced({"initial_mem": words})
    return replace(network, layers=(begun, network.readout))


def _run(
    run: Callable[[TaskTrial, np.random.Generator], Done],
    task: Task,
    n_trials: int,
    seed: Sequence[int],
    n_threads: int,
) -> list[Done]:
    check_count("trials", n_trials, MOST_TRIALS)

    def numbered(number: int) -> Done:
        generator = np.random.default_rng([*seed, number])
        return run(task.draw(generator), generator)

    return run_trials(numbered, range(n_trials), n_threads)
