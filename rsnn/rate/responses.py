"""What each kind of network of a task does in one trial, at the end of every step of 5 ms."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from base.metrics import Connection
from rsnn.rate.activation import activate
from rsnn.rate.network import DT, RateNetwork, draw_noise
from rsnn.rate.network import run as run_rates
from rsnn.rate.spiking import START, LIFNetwork, task_steps
from rsnn.rate.spiking_kernel import LIFRun, Trial, draw_start
from rsnn.rate.task import LIF_STEPS, Task
from rsnn.rate.task import Trial as TaskTrial
from rsnn.rate.trials import check_network, raster_of, started
from sim.fast.simulator import Simulator
from sim.metrics import evaluate_counts
from sim.network import IntegerNetwork


@dataclass(frozen=True)
class Response:
    """What a network did in one trial.

    Attributes:
        right_for: conditions to which its output is a right one.
        out: output at the end of each step of 5 ms, (n_bins,).
        activity: spikes of each unit in each of these steps, or its activation at their ends,
            (n_bins, n_units).
        macs, acs: effective multiply-accumulates and accumulates per step of the network.
    """

    right_for: frozenset[str]
    out: NDArray[np.float64]
    activity: NDArray[np.number]
    macs: float
    acs: float


@dataclass(frozen=True)
class Subject:
    """A network that can be shown trials of a task.

    Attributes:
        n_units: recurrent units.
        dt: its step, in s.
        is_spiking: whether units spike, or have activations.
        judged_from: when its output begins to count, in s from the start of a trial.
        respond: shows it a trial, with random numbers for all but its inputs.
    """

    n_units: int
    dt: float
    is_spiking: bool
    judged_from: float
    respond: Callable[[TaskTrial, np.random.Generator], Response]


def rate_subject(network: RateNetwork, task: Task) -> Subject:
    """A rate network, with the noise that it was trained with.

    Its outputs begin after the first update, so that a trial has one step less.
    """
    recurrent = network.recurrent != 0
    w_in, w_out = network.w_in != 0, network.w_out[None] != 0

    def respond(shown: TaskTrial, generator: np.random.Generator) -> Response:
        noise = draw_noise(task.n_steps, network.n_units, generator)
        x, out = run_rates(network, shown.u, noise)
        rates = activate(x, network.activation)
        judged, each = task.judged_rates(out), np.ones(len(out), np.int64)
        pairs = ((w_in, shown.u[:-1]), (recurrent, rates[:-1]), (w_out, rates[1:]))
        return Response(
            _right_for(task, lambda condition: task.is_right(judged, condition)),
            out,
            rates[1:],
            *_per_step([_received(mask, values, each) for mask, values in pairs], len(out)),
        )

    begins = (task.rates_judged_from + 1) * DT
    return Subject(network.n_units, DT, False, begins, respond)


def lif_subject(network: LIFNetwork, task: Task, noise: float) -> Subject:
    """A spiking network in floats; its trials are those of `rsnn.rate.trials.float_trials`."""
    w, w_in, w_out = network.w != 0, network.w_in != 0, network.w_out[None] != 0

    def respond(shown: TaskTrial, generator: np.random.Generator) -> Response:
        start, u = draw_start(network, generator), task.lif_input(shown.u)
        done = Trial(network, u, start, generator, noise=noise, record=True).finish()
        steps, judged = len(done.out), task.judged(done.out)
        columns = (np.arange(1, steps + 1) + LIF_STEPS // 2) // LIF_STEPS
        inputs, traced = u[:: network.downsample], _traced_steps(done, network.filter)
        connections = [
            _received(w_in, inputs, np.bincount(columns, minlength=len(inputs))),
            Connection(w, done.spike_counts),
            Connection(w_out, traced, traced),
        ]
        ends = task_steps(network, steps)
        return Response(
            _right_for(task, lambda condition: task.spikes_are_right(judged, condition)),
            done.out[ends - 1],
            _binned(done, ends, network.n_units),
            *_per_step(connections, steps),
        )

    begins = task.judged_from / LIF_STEPS * DT
    return Subject(network.n_units, network.dt, True, begins, respond)


def integer_subject(network: IntegerNetwork, task: Task) -> Subject:
    """Integers of a spiking network; its trials are those of `rsnn.rate.trials.integer_trials`.

    Raises:
        MismatchError: the network is no quantized spiking network of such a task.
    """
    steps, n_units = check_network(network, task), network.hidden[0].n_neurons

    def respond(shown: TaskTrial, generator: np.random.Generator) -> Response:
        start = generator.uniform(*START, n_units)
        simulator = Simulator(started(network, start))
        raster = raster_of(task.lif_input(shown.u), steps, network, task.input_step)
        outs, counts = [], [np.zeros(n_units, np.int64)]
        for first in range(0, len(raster), steps):
            outs.append(simulator.step_block(raster[first : first + steps]).out)
            counts.append(simulator.spike_counts.copy())
        out = network.readout.decode(np.concatenate(outs))[:, 0]
        judged = task.judged(out)
        cost = evaluate_counts(network, simulator, n_steps=len(out), r2=float("nan"))
        return Response(
            _right_for(task, lambda condition: task.spikes_are_right(judged, condition)),
            out[steps - 1 :: steps],
            np.diff(np.array(counts), axis=0).astype(np.uint8),
            cost.effective_macs,
            cost.effective_acs,
        )

    begins = task.judged_from / LIF_STEPS * DT
    return Subject(n_units, network.dt, True, begins, respond)


def _right_for(task: Task, is_right: Callable[[str], bool]) -> frozenset[str]:
    return frozenset(filter(is_right, task.conditions))


def _received(
    mask: NDArray[np.bool_], values: NDArray[np.floating], lasts: NDArray[np.int64]
) -> Connection:
    """A connection and what it received: `values` (n, n_pre), each row for `lasts` (n,) steps."""
    multiplied = ~np.isin(values, (-1, 0, 1)).all(1)
    present = values != 0
    return Connection(mask, lasts @ present, (lasts * multiplied) @ present)


def _per_step(connections: list[Connection], steps: int) -> tuple[float, float]:
    """Effective MACs and ACs per step."""
    every = sum(each.operations(each.spike_counts) for each in connections)
    macs = sum(each.operations(each.multiplied) for each in connections)
    return macs / steps, (every - macs) / steps


def _traced_steps(done: LIFRun, filter: str) -> NDArray[np.int64]:
    """Steps in which the trace that a unit leaves in the output was not 0, (n_units,)."""
    steps = len(done.out)
    first = np.full(len(done.spike_counts), steps + 1)
    np.minimum.at(first, done.spike_units, done.spike_steps)
    return np.maximum(steps + (filter == "single") - first, 0)


def _binned(done: LIFRun, ends: NDArray[np.int64], n_units: int) -> NDArray[np.uint8]:
    """Spikes of each unit in bins that end with the steps `ends`, (n_bins, n_units)."""
    bins = np.searchsorted(ends, done.spike_steps)
    cells = bins * n_units + done.spike_units
    return np.bincount(cells, minlength=len(ends) * n_units).reshape(-1, n_units).astype(np.uint8)
