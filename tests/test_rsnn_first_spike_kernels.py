"""The compiled epoch equals the definition, for every rule and everything that changes it."""

from itertools import product

import numpy as np
import pytest
from first_spike import random_learner, random_samples

from rsnn.first_spike import definition, kernels
from rsnn.first_spike.config import resolve
from rsnn.first_spike.data.samples import from_ticks
from rsnn.first_spike.layer import forward, order
from rsnn.first_spike.network import FirstSpikeNetwork
from rsnn.first_spike.training import rates_of, rule_of

S2 = "optimizer.method=s2stdp optimizer.t_gap=0.2 optimizer.ap=0.05 optimizer.am=-0.03"
RULES = {
    "s2stdp": S2,
    "sstdp": f"{S2} optimizer.use_time_ranges=true",
    "multiplicative": f"{S2} optimizer.stdp=multiplicative optimizer.beta=2.0",
    "silent ignored": f"{S2} optimizer.ignore_silent=true",
    "both": f"{S2} optimizer.stdp=multiplicative optimizer.ignore_silent=true",
    "s4nn": "optimizer.method=s4nn optimizer.lr=0.05",
    "s4nn adapted": "optimizer.method=s4nn optimizer.lr=0.05 optimizer.use_time_ranges=false",
    "rstdp": "optimizer.method=rstdp optimizer.ap=0.05 optimizer.am=-0.02",
    "rstdp fixed": "optimizer.method=rstdp optimizer.ap=0.05 optimizer.adaptive_lr=false",
}
LAYERS = {
    "exact": "",
    "published": "network.semantics=published",
    "leak": "network.leak_tau=0.6",
    "published leak": "network.semantics=published network.leak_tau=0.6",
}
TRAINERS = {
    "plain": "",
    "norm": "network.w_norm=true",
    "regulated": "regularizer.thr_lr=0.3 trainer.nt_neurons=1",
    "one threshold": "regularizer.thr_lr=0.3 regularizer.use_two_thr=false",
    "dropout": "trainer.dropout_in=0.2 trainer.dropout_out=0.3 network.w_norm=true",
    "silent": "network.firing_threshold=50.0",
}
INHIBITED = "optimizer.class_inhib=true"


def settings(*texts: str):
    words = ["network.n_neurons=9", "network.firing_threshold=4.0", *" ".join(texts).split()]
    changes = []
    for word in words:
        key, _, text = word.partition("=")
        values = {"true": True, "false": False}
        value = values.get(text, text)
        if text.lstrip("-").replace(".", "", 1).isdigit():
            value = float(text) if "." in text else int(text)
        changes.append((*key.split("."), value))
    return resolve(changes)


def both_after(config, samples, n_epochs=2):
    """Weights, adapted thresholds, right samples: of the definition, and compiled."""
    found = []
    for learn in (definition.learn_epoch, kernels.learn_epoch):
        learner, generator = random_learner(config, samples), np.random.default_rng(5)
        rule, right = rule_of(config, samples.n_classes), []
        for epoch in range(n_epochs):
            rates = rates_of(config, epoch, 0.4)
            right.append(learn(learner, rule, rates, samples, generator))
        found.append((learner.w, learner.adapted, right, generator.random()))
    return found


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("rule", RULES)
def test_a_compiled_epoch_is_the_definitions(rule, trainer):
    samples = random_samples()
    for layer, inhibited in product(LAYERS.values(), ("", INHIBITED)):
        if inhibited and "rstdp" in RULES[rule]:
            continue
        config = settings(RULES[rule], TRAINERS[trainer], layer, inhibited)
        (w, adapted, right, drawn), compiled = both_after(config, samples)
        assert np.abs(w - compiled[0]).max() < 1e-12
        assert np.abs(adapted - compiled[1]).max() < 1e-12
        assert (right, drawn) == compiled[2:]
        assert np.abs(w - random_learner(config, samples).w).max() > 0.01
        assert adapted.std() > 0 or "thr_lr" not in TRAINERS[trainer]


@pytest.mark.parametrize("layer", LAYERS)
def test_compiled_responses_are_the_definitions_bit_by_bit(layer):
    samples = random_samples(40, t_max=6, seed=3)
    config = settings(LAYERS[layer])
    learner = random_learner(config, samples)
    learner.threshold[:] = np.linspace(2, 9, 9)
    network = FirstSpikeNetwork(
        *(learner.w, learner.threshold, 3, samples.t_max),
        *(config.network.leak_tau, config.network.semantics),
    )
    spikes, v, classes = network.respond(samples)
    for k in range(samples.n_samples):
        expected = forward(
            *(learner.w, learner.threshold, *samples.events(k), samples.t_max, learner.decay),
            published=config.network.semantics == "published",
        )
        assert (spikes[k] == expected[0]).all()
        assert (v[k] == expected[1]).all()
        assert classes[k] == order(*expected)[0] // 3
    assert 0 < (spikes == samples.t_max).sum() < spikes.size
    assert network.accuracy(samples) == (classes == samples.label).mean()


def test_ties_are_decided_by_potential_then_by_index():
    assert list(order(np.array([3, 2, 2, 2]), np.array([9.0, 1.0, 2.0, 2.0]))) == [2, 3, 1, 0]
    assert kernels._first(np.array([3, 2, 2, 2]), np.array([9.0, 1.0, 2.0, 2.0]), 0, 4) == 2
    assert kernels._first(np.array([5, 5]), np.array([1.0, 1.0]), 0, 2) == 0


@pytest.mark.parametrize("published", [False, True])
def test_a_neuron_at_its_threshold_does_not_fire(published):
    w, threshold = np.array([[0.5, 0.5, 0.25], [0.5, 0.75, 0.25]]), np.array([1.0, 1.0])
    samples = from_ticks([[0, 1, 3]], [0], 4)
    spikes, v = forward(w, threshold, *samples.events(0), 4, np.empty(0), published=published)
    compiled, compiled_v, _ = kernels.respond(
        w, threshold, np.empty(0), samples, published=published
    )
    assert spikes.tolist() == compiled[0].tolist() == [4 if published else 3, 1]
    assert v.tolist() == compiled_v[0].tolist() == [1.25, 1.25]


def test_a_row_of_zeros_is_not_normalized():
    samples = random_samples(6)
    config = settings(RULES["rstdp"], "network.w_norm=true optimizer.ap=-5.0 optimizer.am=-5.0")
    (w, *_), (compiled, *_) = both_after(config, samples, 1)
    assert np.isfinite(w).all()
    assert (w == compiled).all()
    assert (w.sum(1) == 0).any()
