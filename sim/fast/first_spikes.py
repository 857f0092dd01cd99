"""First spikes event by event: the integers of a layer that decides alone, without a clock.

Events are taken in their order; after those of a tick, potentials are compared with thresholds, and
a sample ends when all neurons have fired. Potentials and times are those of the step, which
`verify` checks; states in between are not computed.
"""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from base.errors import DataError, MismatchError, UnsupportedError
from base.numba_cache import can_cache
from sim.fast.events import check_network, n_steps_of
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Outcome


@dataclass(frozen=True)
class FirstSpikes:
    """When each neuron spikes in each sample, and its potential then.

    Attributes:
        t: step of the first spike, (n_samples, n_neurons) int32; the length of a sample if silent.
        v: potential at the spike, or at the end, (n_samples, n_neurons) int32.
        n_events: events of each sample that were taken before it ended, (n_samples,) int64.
    """

    t: NDArray[np.int32]
    v: NDArray[np.int32]
    n_events: NDArray[np.int64]

    def classes(self, network: IntegerNetwork) -> NDArray[np.int64]:
        """The class that each sample is decided on, (n_samples,)."""
        layer = network.readout
        lead = np.maximum(layer.lead_start - self.t.astype(np.int64) * layer.lead_step, 0)
        found: NDArray[np.int64] = layer.decode(self.v + lead)[:, 0].astype(np.int64)
        return found


def first_spikes(
    network: IntegerNetwork, ptr: ArrayLike, index: ArrayLike, tick: ArrayLike
) -> FirstSpikes:
    """Run samples of events; only the first event of an input counts.

    Args:
        network: of one layer `first_spike`.
        ptr: where each sample begins in `index` and `tick`, (n_samples + 1,).
        index, tick: input and step of each event, (n_events,), ordered by step in each sample.

    Raises:
        UnsupportedError: see `check_network`.
        MismatchError: an input that the network does not have, or arrays of different lengths.
        DataError: a sample that is not ordered, or a step below 0.
    """
    check_network(network)
    starts, inputs, ticks = (np.asarray(each, np.int64) for each in (ptr, index, tick))
    if len(inputs) != len(ticks) or starts[0] != 0 or starts[-1] != len(ticks):
        raise MismatchError(
            f"there are {len(inputs)} inputs, {len(ticks)} ticks, and samples up to {starts[-1]}"
        )
    if inputs.size and not 0 <= inputs.min() <= inputs.max() < network.n_inputs:
        raise MismatchError(
            f"events name inputs {inputs.min()}..{inputs.max()}; there are 0.."
            f"{network.n_inputs - 1}"
        )
    begins = np.zeros(len(ticks), bool)
    begins[starts[:-1][starts[:-1] < len(ticks)]] = True
    if (np.diff(starts) < 0).any() or ((np.diff(ticks) < 0) & ~begins[1:]).any():
        raise DataError("the events of a sample are not ordered by step; sort them")
    if ticks.size and ticks.min() < 0:
        raise DataError(f"an event is in step {ticks.min()}; steps count from 0")
    c, layer = network.contract, network.readout
    n_samples, n_neurons = len(starts) - 1, layer.n_neurons
    t = np.empty((n_samples, n_neurons), np.int32)
    v = np.empty((n_samples, n_neurons), np.int32)
    n_events = np.empty(n_samples, np.int64)
    weights = np.ascontiguousarray(layer.w_in.T.astype(np.int32) << c.frac_bits)
    last = layer.threshold.astype(np.int64) - (c.fires_when == ">=")  # the highest that is silent
    _run(starts, inputs, ticks, weights, last, n_steps_of(layer), t, v, n_events)
    return FirstSpikes(t, v, n_events)


def run_backend(network: IntegerNetwork, raster: NDArray[Any]) -> Outcome:
    """Times and potentials after a raster (n_steps, n_inputs), which is one sample.

    Raises:
        UnsupportedError: see `check_network`; the raster is shorter than a sample.
        MismatchError: the raster has another number of channels.
    """
    check_channels(network, raster.shape)
    check_network(network)
    if len(raster) < (n_steps := n_steps_of(network.readout)):
        raise UnsupportedError(f"the input has {len(raster)} steps, a sample {n_steps}")
    tick, index = np.nonzero(raster)
    found = first_spikes(network, [0, len(tick)], index, tick)
    return Outcome({"readout.v": found.v, "readout.t": found.t})


@numba.njit(nogil=True, cache=can_cache(__file__))
def _run(
    ptr: Any,
    index: Any,
    tick: Any,
    weights: Any,
    last: Any,
    n_steps: Any,
    t: Any,
    v: Any,
    n_events: Any,
) -> None:
    """Fill `t`, `v` and `n_events`; `weights` are (n_inputs, n_neurons)."""
    n_neurons = weights.shape[1]
    potential = np.empty(n_neurons, np.int32)
    seen = np.zeros(weights.shape[0], np.int64)  # the last sample with an event of each input, + 1
    for s in range(len(n_events)):
        potential[:] = 0
        t[s] = n_steps
        at, end, now, n_open = ptr[s], ptr[s + 1], 0, n_neurons
        while now < n_steps and n_open:
            while at < end and tick[at] == now:
                if seen[index[at]] != s + 1:
                    seen[index[at]] = s + 1
                    row = weights[index[at]]
                    for j in range(n_neurons):
                        potential[j] += row[j]
                at += 1
            for j in range(n_neurons):
                if t[s, j] == n_steps and potential[j] > last[j]:
                    t[s, j], v[s, j] = now, potential[j]
                    n_open -= 1
            now = tick[at] if at < end else n_steps
        for j in range(n_neurons):
            if t[s, j] == n_steps:
                v[s, j] = potential[j]
        n_events[s] = at - ptr[s]
