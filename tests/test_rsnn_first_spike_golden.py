"""The definition and the compiled code against golden steps of an independent implementation."""

import numpy as np
import pytest
from first_spike import BOTH, golden_config, golden_samples, golden_steps, learner_of

from rsnn.first_spike import definition, groups, kernels
from rsnn.first_spike.layer import forward
from rsnn.first_spike.training import rates_of, rule_of

N_CLASSES = 3


@pytest.mark.parametrize(("case", "semantics"), BOTH)
def test_spikes_and_potentials_of_each_golden_step(shared, case, semantics):
    samples, steps = golden_samples(shared), golden_steps(shared, case, semantics)
    config = golden_config(shared, case, semantics)
    rule = rule_of(config, N_CLASSES)
    learner = learner_of(config, steps["weights_before"])
    for k in range(samples.n_samples):
        label = int(samples.label[k])
        threshold = groups.in_training(rule, learner.threshold, learner.adapted, label)
        spikes, v = forward(
            *(learner.w, threshold, *samples.events(k), 16, learner.decay),
            published=rule.published,
        )
        compiled, compiled_v, _ = kernels.respond(
            *(learner.w, threshold, learner.decay, samples.take([k])), published=rule.published
        )
        assert (spikes / 16 == steps["spike_times"][k]).all()
        assert np.allclose(v, steps["potentials"][k], rtol=0, atol=1e-9)
        assert (compiled == spikes).all()
        assert (compiled_v == v).all()
        learner.w[:], learner.adapted[:] = steps["weights"][k], steps["thresholds"][k]


@pytest.mark.parametrize("learn", [definition.learn_epoch, kernels.learn_epoch])
@pytest.mark.parametrize(("case", "semantics"), BOTH)
def test_weights_and_thresholds_after_each_golden_step(shared, case, semantics, learn):
    samples, steps = golden_samples(shared), golden_steps(shared, case, semantics)
    config = golden_config(shared, case, semantics)
    learner = learner_of(config, steps["weights_before"])
    rates = rates_of(config, 0, 1 / N_CLASSES)
    generator = np.random.default_rng(0)
    for k in range(samples.n_samples):
        learn(learner, rule_of(config, N_CLASSES), rates, samples.take([k]), generator)
        assert np.allclose(learner.w, steps["weights"][k], rtol=0, atol=1e-9)
        assert np.allclose(learner.adapted, steps["thresholds"][k], rtol=0, atol=1e-9)


def test_the_golden_steps_have_silent_neurons_ties_and_both_semantics(shared):
    spikes = {each: golden_steps(shared, *each)["spike_times"] for each in BOTH}
    assert any((times == 1).all() for times in spikes.values())
    assert sum(len(set(row)) < len(row) for times in spikes.values() for row in times) > 30
    assert sum((spikes[case, "exact"] != spikes[case, "published"]).any() for case, _ in BOTH) > 6
