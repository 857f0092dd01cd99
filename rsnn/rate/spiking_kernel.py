"""The fast path of the spiking network: compiled, many trials over threads.

`rsnn.rate.spiking` is the definition. Numba's generators draw what numpy's draw, so both see the
same noise, and a trial depends on its own generator only, not on the number of threads.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from base.numba_cache import can_cache
from rsnn.rate.spiking import (
    BIAS,
    NOISE,
    RESET,
    START,
    STATES,
    TAU_MEM,
    TAU_RISE,
    THRESHOLD,
    LIFNetwork,
    n_steps,
    resumptions,
)
from rsnn.rate.task import LIF_STEPS

compiled = numba.njit(cache=can_cache(__file__), nogil=True, error_model="numpy")
T = TypeVar("T")


@dataclass(frozen=True)
class LIFRun:
    """What a spiking network did in one trial.

    Attributes:
        out: after each step, (n_steps,).
        spike_counts: spikes of each unit, (n_units,).
        spike_steps: steps of all spikes, counted from 1; empty if they were not asked for.
        spike_units: their units, in ascending order in a step.
        states: those of `STATES` after the last step, (5, n_units).
    """

    out: NDArray[np.float64]
    spike_counts: NDArray[np.int64]
    spike_steps: NDArray[np.int32]
    spike_units: NDArray[np.int32]
    states: NDArray[np.float64]


class Trial:
    """A trial that is computed in pieces, from step to step.

    Args:
        network: the network.
        u: as in `LIFNetwork.driven`.
        start: v before the first step, (n_units,) in mV.
        generator: for the noise; not used without.
        noise: standard deviation of what each step adds to each v, in mV.
        resumes: as `rsnn.rate.spiking.resumptions` gives it, which is the default.
        record: keep the step and unit of every spike.
    """

    def __init__(
        self,
        network: LIFNetwork,
        u: NDArray[np.floating],
        start: NDArray[np.floating],
        generator: np.random.Generator,
        *,
        noise: float = NOISE,
        resumes: NDArray[np.int64] | None = None,
        record: bool = False,
    ) -> None:
        self._network, self._generator, self._noise = network, generator, noise
        self._driven = np.ascontiguousarray(network.driven(u))
        self.n_steps = n_steps(len(self._driven))
        self._resumes = resumptions(network, self.n_steps) if resumes is None else resumes
        self.states = np.zeros((len(STATES), network.n_units))
        self.states[0] = start
        self._resume = np.full(network.n_units, self._resumes[0], np.int64)
        self._counts = np.zeros(network.n_units, np.int64)
        self._out = np.zeros(self.n_steps)
        self._step = 0
        self._record = record
        self._spikes: list[NDArray[np.int32]] = [np.empty((2, 0), np.int32)]
        self._by_sender = np.ascontiguousarray(network.w.T)

    def advance(self, steps: int) -> None:
        """Compute the next `steps` steps."""
        network, last = self._network, self._step + steps
        most = steps * network.n_units if self._record else 0
        spikes = np.empty((2, most), np.int32)
        found = _advance(
            self._step + 1,
            last,
            network.dt,
            network.filter == "double",
            self._noise,
            self._by_sender,
            self._driven,
            network.w_out,
            network.tau,
            self._resumes,
            self._resume,
            self.states,
            self._counts,
            self._out,
            spikes,
            self._generator,
        )
        self._step = last
        self._spikes.append(spikes[:, :found].copy())

    def finish(self) -> LIFRun:
        """Compute the remaining steps; what the whole trial gave."""
        while self._step < self.n_steps:  # in pieces, so that all spikes have room in each
            self.advance(min(LIF_STEPS, self.n_steps - self._step))
        steps, units = np.concatenate(self._spikes, axis=1)
        return LIFRun(self._out, self._counts, steps, units, self.states)


def run_trials(run: Callable[[int], T], numbers: Iterable[int], n_threads: int) -> list[T]:
    """Run numbered trials over threads; results in the order of the numbers."""
    with ThreadPoolExecutor(n_threads) as pool:
        return list(pool.map(run, numbers))


def draw_start(network: LIFNetwork, generator: np.random.Generator) -> NDArray[np.float64]:
    """Membranes at the start of a trial, (n_units,) in mV: uniform, as published."""
    return generator.uniform(*START, network.n_units)


@compiled
def _advance(
    first,
    last,
    dt,
    is_double,
    noise,
    by_sender,
    driven,
    w_out,
    tau,
    resumes,
    resume,
    states,
    counts,
    out,
    spikes,
    generator,
):
    """Steps first..last; returns how many spikes there were. `by_sender` is w, axes [pre, post]."""
    n_units = len(w_out)
    v, current, h, r, q = states[0], states[1], states[2], states[3], states[4]
    keep = np.exp(-dt / tau)
    keep_rise = np.exp(-dt / TAU_RISE)
    fired = np.empty(n_units, np.int64)
    arriving = np.empty(n_units)
    found = 0
    for i in range(first, last + 1):
        column = driven[(i + LIF_STEPS // 2) // LIF_STEPS]
        for j in range(n_units):
            drive = current[j] + BIAS + column[j]
            moved = v[j] + dt * (drive - v[j]) / TAU_MEM
            v[j] = moved if i >= resume[j] else v[j]
        if noise != 0.0:
            for j in range(n_units):
                v[j] += generator.standard_normal() * noise
        n_fired = 0
        for j in range(n_units):
            if v[j] >= THRESHOLD:
                fired[n_fired] = j
                n_fired += 1
        total = 0.0
        if is_double:
            for j in range(n_units):
                current[j] = current[j] * keep[j] + h[j] * dt
                h[j] *= keep_rise
                r[j] = r[j] * keep[j] + q[j] * dt
                q[j] *= keep_rise
        else:
            for j in range(n_units):
                current[j] *= keep[j]
                r[j] *= keep[j]
        if n_fired > 0:
            arriving[:] = 0.0
            for k in range(n_fired):
                j = fired[k]
                for m in range(n_units):
                    arriving[m] += by_sender[j, m]
                resume[j] = resumes[i]
                counts[j] += 1
                v[j] = RESET
                if spikes.shape[1] > 0:
                    spikes[0, found] = i
                    spikes[1, found] = j
                found += 1
                if is_double:
                    q[j] += 1.0 / (TAU_RISE * tau[j])
                else:
                    r[j] += 1.0 / tau[j]
            if is_double:
                for m in range(n_units):
                    h[m] += arriving[m] / (TAU_RISE * tau[m])
            else:
                for m in range(n_units):
                    current[m] += arriving[m] / tau[m]
        for j in range(n_units):
            total += w_out[j] * r[j]
        out[i - 1] = total
    return found
