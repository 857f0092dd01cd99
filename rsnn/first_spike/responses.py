"""What a first-spike network says about samples, in floats or integers: when it decides, and what.

A sample is decided by its first spike; one without a spike, at its end, by the potentials.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import UnsupportedError
from rsnn.first_spike.data.samples import Samples
from rsnn.first_spike.network import FirstSpikeNetwork, check_fits
from sim.fast import runs
from sim.fast.events import check_network, has_engine, n_steps_of
from sim.fast.first_spikes import first_spikes
from sim.network import IntegerNetwork

Spikes = tuple[NDArray[np.integer], NDArray[np.number], NDArray[np.int64]]
"""Ticks of first spikes, `t_max` if silent, and potentials, (n_samples, n); the classes."""
_CURVE = 256  # ticks of a curve at most


@dataclass(frozen=True)
class Classifier:
    """A network that decides by first spikes.

    Attributes:
        respond: samples -> `Spikes`.
        synapses: weights that are not zero, of each input, (n_inputs,).
        n_classes: classes that it knows.
        t_max: ticks of a sample.
    """

    respond: Callable[[Samples], Spikes]
    synapses: NDArray[np.integer]
    n_classes: int
    t_max: int


@dataclass(frozen=True)
class Responses:
    """The decisions on samples.

    Attributes:
        classifier: the network.
        samples: the samples.
        spikes: ticks of first spikes, `t_max` if silent, (n_samples, n).
        classes: decision on each sample, (n_samples,).
    """

    classifier: Classifier
    samples: Samples
    spikes: NDArray[np.integer]
    classes: NDArray[np.int64]

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Of each sample, (n_samples,)."""
        return self.classes == self.samples.label

    @property
    def decided(self) -> NDArray[np.integer]:
        """Tick of the first spike of each sample, `t_max` if there is none, (n_samples,)."""
        return self.spikes.min(1)

    @property
    def events(self) -> NDArray[np.int64]:
        """Events of each sample up to its decision, that tick's included, (n_samples,)."""
        return self._sums(np.ones(self.samples.n_inputs, np.int64))

    @property
    def accumulates(self) -> NDArray[np.int64]:
        """Effective accumulates of each sample up to its decision, (n_samples,)."""
        return self._sums(self.classifier.synapses)

    def confusion(self) -> NDArray[np.int64]:
        """Samples by class and decision, (n, n) for n classes."""
        n = max(self.samples.n_classes, self.classifier.n_classes)
        counts = np.zeros((n, n), np.int64)
        np.add.at(counts, (self.samples.label, self.classes), 1)
        return counts

    def curve(self, n_points: int = _CURVE) -> tuple[NDArray[np.int64], NDArray, NDArray]:
        """Ticks; the share of samples decided, and that right, if all must be decided by then.

        A sample without a spike so far is decided by its potentials. Each (n_points,), or (t_max,)
        if these are fewer.
        """
        t_max = self.classifier.t_max
        ticks = np.unique(np.linspace(0, t_max - 1, min(n_points, t_max)).round().astype(np.int64))
        shares, right = np.empty(len(ticks)), np.empty(len(ticks))
        for i, tick in enumerate(ticks):
            fired = self.decided <= tick
            forced = self.classifier.respond(_until(self.samples, int(tick)))[2]
            shares[i] = fired.mean()
            right[i] = (np.where(fired, self.classes, forced) == self.samples.label).mean()
        return ticks, shares, right

    def _sums(self, weights: NDArray[np.integer]) -> NDArray[np.int64]:
        sample = np.repeat(np.arange(self.samples.n_samples), np.diff(self.samples.ptr))
        counted = self.samples.tick <= self.decided[sample]
        found = np.zeros(self.samples.n_samples, np.int64)
        np.add.at(found, sample[counted], weights[self.samples.index[counted]])
        return found


def respond(classifier: Classifier, samples: Samples) -> Responses:
    """Decide on samples.

    Raises:
        MismatchError: the samples have another number of inputs or ticks.
    """
    spikes, _, classes = classifier.respond(samples)
    return Responses(classifier, samples, spikes, classes)


def float_classifier(network: FirstSpikeNetwork) -> Classifier:
    """A network in floats."""
    synapses = np.count_nonzero(network.w, 0)
    return Classifier(network.respond, synapses, network.n_classes, network.t_max)


def integer_classifier(network: IntegerNetwork) -> Classifier:
    """A network in integers: event by event, or clocked where these refuse it, as with a leak.

    Raises:
        UnsupportedError: it is no network that first spikes decide.
    """
    if not has_engine(network):
        check_network(network)
    layer = network.readout
    synapses = np.count_nonzero(layer.w_in, 0)
    try:
        check_network(network)
    except UnsupportedError:
        answer = partial(_clocked, network)
    else:
        answer = partial(_by_events, network)
    return Classifier(answer, synapses, int(layer.label.max()) + 1, n_steps_of(layer))


def rasters_of(samples: Samples) -> list[NDArray[np.uint8]]:
    """The raster of each sample."""
    return [raster_of(samples, number) for number in range(samples.n_samples)]


def raster_of(samples: Samples, number: int) -> NDArray[np.uint8]:
    """The raster of a sample, (t_max, n_inputs): 1 in the tick of each event."""
    index, tick = samples.events(number)
    raster = np.zeros((samples.t_max, samples.n_inputs), np.uint8)
    raster[tick, index] = 1
    return raster


def _by_events(network: IntegerNetwork, samples: Samples) -> Spikes:
    check_fits(network.n_inputs, n_steps_of(network.readout), samples)
    found = first_spikes(network, samples.ptr, samples.index, samples.tick)
    return found.t, found.v, found.classes(network)


def _clocked(network: IntegerNetwork, samples: Samples) -> Spikes:
    check_fits(network.n_inputs, n_steps_of(network.readout), samples)
    ends = [_end(network, raster) for raster in rasters_of(samples)]
    t, v, out = (np.array(each) for each in zip(*ends, strict=True))
    return t, v, network.readout.decode(out)[:, 0].astype(np.int64)


def _end(network: IntegerNetwork, raster: NDArray[np.uint8]) -> list[NDArray[Any]]:
    trace = runs.run_backend(network, raster).variables
    return [trace[f"readout.{name}"][-1] for name in ("t", "v", "out")]


def _until(samples: Samples, tick: int) -> Samples:
    """The samples without events after a tick."""
    kept = samples.tick <= tick
    ptr = np.concatenate([[0], np.cumsum(kept)])[samples.ptr]
    return replace(samples, ptr=ptr, index=samples.index[kept], tick=samples.tick[kept])
