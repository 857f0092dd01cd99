"""Decisions of first-spike networks, in floats and integers, against words of the reference."""

from dataclasses import replace

import numpy as np
import pytest
from first_spike import random_samples
from first_spike_networks import T, drawn
from networks import random_network

from base.errors import MismatchError, UnsupportedError
from rsnn.first_spike.data.samples import Samples, from_ticks
from rsnn.first_spike.network import FirstSpikeNetwork
from rsnn.first_spike.responses import (
    float_classifier,
    integer_classifier,
    rasters_of,
    respond,
)
from sim import reference

LABELS = [0, 1, 1, 2]


def two_neurons(threshold=(2.5, 2.5), **changes) -> FirstSpikeNetwork:
    """Inputs 0 and 1 push neuron 0 (class 0), inputs 2 and 3 neuron 1 (class 1), 3 both."""
    w = np.array([[2.0, 1.0, 0.0, 1.0], [0.0, 0.0, 2.0, 1.5]])
    values = {"n_classes": 2, "t_max": 8, "leak_tau": 0.0, "semantics": "exact"}
    return FirstSpikeNetwork(w, np.array(threshold), **(values | changes))


def few() -> Samples:
    """Times (n_samples, 4); 8 is silent."""
    times = [[1, 3, 5, 7], [6, 8, 0, 2], [4, 8, 8, 8], [8, 8, 5, 8]]
    return from_ticks(np.array(times), [0, 1, 1, 1], 8)


def test_decisions_events_and_accumulates_of_a_network_computed_by_hand():
    found = respond(float_classifier(two_neurons()), few())
    assert found.spikes.tolist() == [[3, 7], [6, 2], [8, 8], [8, 8]]
    assert found.classes.tolist() == [0, 1, 0, 1]  # the last two by potentials
    assert found.is_right.tolist() == [True, True, False, True]
    assert found.decided.tolist() == [3, 2, 8, 8]
    assert found.events.tolist() == [2, 2, 1, 1]
    assert found.accumulates.tolist() == [2, 3, 1, 1]
    assert found.confusion().tolist() == [[1, 0], [1, 2]]


def test_the_confusion_has_classes_that_only_samples_or_only_the_network_has():
    samples = from_ticks(np.array([[1, 3, 5, 7]] * 4), LABELS, 8)
    assert respond(float_classifier(two_neurons()), samples).confusion().sum(1).tolist() == [
        1,
        2,
        1,
    ]
    one = few().take([0])
    assert respond(float_classifier(two_neurons()), one).confusion().shape == (2, 2)


def test_the_curve_is_accuracy_if_all_must_be_decided_by_a_tick():
    ticks, decided, right = respond(float_classifier(two_neurons()), few()).curve()
    assert ticks.tolist() == list(range(8))
    assert decided.tolist() == [0, 0, 0.25, 0.5, 0.5, 0.5, 0.5, 0.5]
    # Until tick 5, sample 3 has no event, and the first of equal neurons is first.
    assert right.tolist() == [0.5, 0.5, 0.5, 0.5, 0.5, 0.75, 0.75, 0.75]
    found = respond(float_classifier(two_neurons()), few())
    assert found.curve(3)[0].tolist() == [0, 4, 7]
    assert found.curve(3)[2].tolist() == [0.5, 0.5, 0.75]


def test_integers_decide_as_the_reference_sample_by_sample():
    network, _, _ = drawn(3)
    samples = random_samples(30, n_inputs=24, t_max=T, seed=4)
    classifier = integer_classifier(network)
    found = respond(classifier, samples)
    assert (classifier.n_classes, classifier.t_max) == (5, T)
    assert classifier.synapses.tolist() == np.count_nonzero(network.readout.w_in, 0).tolist()
    for number, raster in enumerate(rasters_of(samples)):
        words = reference.run(network, raster).variables
        assert words["readout.t"][-1].tolist() == found.spikes[number].tolist()
        decoded = network.readout.decode(words["readout.out"][-1:])
        assert decoded[0, 0] == found.classes[number]
    assert 0 < (found.decided < T).mean() < 1 or (found.decided < T).all()


@pytest.mark.slow
def test_a_network_with_a_leak_is_clocked():
    network, _, _ = drawn(5, leak=True)
    samples = random_samples(8, n_inputs=24, t_max=T)
    found = respond(integer_classifier(network), samples)
    ends = [reference.run(network, each).variables for each in rasters_of(samples)]
    assert found.spikes.tolist() == [words["readout.t"][-1].tolist() for words in ends]
    decoded = [network.readout.decode(words["readout.out"][-1:])[0, 0] for words in ends]
    assert found.classes.tolist() == decoded
    assert len(set(decoded)) > 1


def test_other_networks_and_samples_are_refused():
    with pytest.raises(UnsupportedError, match="computes first_spike alone"):
        integer_classifier(random_network(np.random.default_rng(1)))
    for leak in (False, True):
        classifier = integer_classifier(drawn(3, leak=leak)[0])
        with pytest.raises(MismatchError, match="the network has 24 inputs, the samples 21"):
            respond(classifier, random_samples(t_max=T))
        with pytest.raises(MismatchError, match="the network has 16 ticks, the samples 9"):
            respond(classifier, random_samples(n_inputs=24))


def test_published_semantics_decide_by_their_own_spikes():
    """The last event never causes a spike: the second of the first sample."""
    samples = from_ticks(np.array([[1, 3, 8, 8], [1, 3, 8, 5]]), [0, 1], 8)
    for semantics, decided in (("exact", [3, 3]), ("published", [8, 3])):
        found = respond(float_classifier(replace(two_neurons(), semantics=semantics)), samples)
        assert found.decided.tolist() == decided
        assert found.curve()[1].tolist() == [0] * 3 + [sum(t == 3 for t in decided) / 2] * 5
