"""One sample and one epoch of training, and the class of a sample: the definition, in plain numpy.

`rsnn.first_spike.kernels` computes the same, compiled.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsnn.first_spike import groups
from rsnn.first_spike.data.samples import Samples, each
from rsnn.first_spike.layer import forward, order
from rsnn.first_spike.rules import RSTDP, Rates, Rule, errors, stepped


@dataclass(frozen=True)
class Learner:
    """A layer under training; its arrays change.

    Attributes:
        w: weights, (n, n_inputs).
        row_sum: what each row sums up to, (n,).
        threshold: those of tests, (n,).
        adapted: those that regulation changes, (n,).
        decay: as `rsnn.first_spike.layer.decays` gives it.
        t_max: ticks of a sample.
    """

    w: NDArray[np.float64]
    row_sum: NDArray[np.float64]
    threshold: NDArray[np.float64]
    adapted: NDArray[np.float64]
    decay: NDArray[np.float64]
    t_max: int


def learn(
    learner: Learner,
    rule: Rule,
    rates: Rates,
    index: NDArray[np.integer],
    tick: NDArray[np.integer],
    label: int,
    generator: np.random.Generator,
) -> int:
    """Train on one sample; the class of the neuron that came first.

    Args:
        learner: changed.
        rule, rates: how.
        index, tick: events of the sample, sorted by tick.
        label: its class.
        generator: draws a number per neuron, then one per input, for the dropout that there is.
    """
    n, n_inputs = learner.w.shape
    off = generator.random(n) < rule.dropout_out if rule.dropout_out > 0 else np.zeros(n, bool)
    threshold = groups.in_training(rule, learner.threshold, learner.adapted, label)
    spikes, v = forward(
        learner.w, threshold, index, tick, learner.t_max, learner.decay, published=rule.published
    )
    spikes[off], v[off] = learner.t_max, 0.0
    winner = int(order(spikes, v)[0])
    groups.regulate(rule, rates.threshold, learner.threshold, learner.adapted, spikes, v, label)
    inputs = np.full(n_inputs, learner.t_max)
    inputs[index] = tick
    if rule.dropout_in > 0:
        inputs[generator.random(n_inputs) < rule.dropout_in] = learner.t_max
    of_class = groups.classes(n, rule.n_classes)
    is_ok = (of_class == label) & groups.is_target(n, rule)
    for j, amounts in _amounts(rule, rates, spikes, v, winner, is_ok, learner.t_max).items():
        learner.w[j] = stepped(
            *(rule, learner.w[j], inputs, int(spikes[j]), amounts),
            *(float(learner.row_sum[j]), learner.t_max),
        )
    return int(of_class[winner])


def learn_epoch(
    learner: Learner,
    rule: Rule,
    rates: Rates,
    samples: Samples,
    generator: np.random.Generator,
) -> int:
    """Train on all samples in their order; how many were classified right. Arguments as above."""
    right = 0
    for index, tick, label in each(samples):
        right += learn(learner, rule, rates, index, tick, label, generator) == label
    return right


def _amounts(
    rule: Rule,
    rates: Rates,
    spikes: NDArray[np.int64],
    v: NDArray[np.float64],
    winner: int,
    is_ok: NDArray[np.bool_],
    t_max: int,
) -> dict[int, tuple[float, float]]:
    """f a+ and f a- of each neuron that is updated."""
    if rule.method == RSTDP:
        right = (rates.causal, rates.other)
        return {winner: right if is_ok[winner] else (rates.anti_causal, rates.anti_other)}
    updated = np.ones(len(spikes), bool)
    if rule.class_inhib:
        updated = groups.winners(spikes, v, rule.n_classes)
        spikes = np.where(updated, spikes, t_max)
    found = errors(rule, spikes, updated, is_ok, t_max)
    return {
        int(j): (found[j] * rates.causal, found[j] * rates.other) for j in np.flatnonzero(found)
    }
