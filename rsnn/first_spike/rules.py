"""Rules of supervised STDP: errors of the neurons and the steps of their weights, in plain numpy.

With T = 1, t_j the time of neuron j's spike, and ok(j) for target neurons of the sample's class,
error-driven rules want neuron j to fire at want_j, and e_j = t_j - want_j:

    rule                     base                                    want_j if ok      otherwise
    S2-STDP                  mean of all t_j < T, at most T - late   base - early      base + late
    SSTDP (s2stdp, ranges)   the same              min(t_j, base - early)  max(t_j, base + late)
    S4NN (s4nn, ranges)      min t_j, at most T - t_gap  min(t_j, base)    max(t_j, base + t_gap)
    S4NN, adapted (s4nn)     the same                                base              base + t_gap

late = t_gap / C and early = t_gap (C - 1) / C for C classes. S4NN divides the vector e by its norm.
A step of neuron j by an amount f changes the weight of each input i, which fires at t_i:

    additive:        w_ji += f a+  if t_i <= t_j,  else f a-
    multiplicative:  w_ji += f a+ exp(-beta (w_ji - lo) / (hi - lo)),
                        else f a- exp(-beta (hi - w_ji) / (hi - lo))

Goupy et al. (2024, arXiv 2410.17066), Liu et al. (2021), Mozafari et al. (2018), Kheradpisheh and
Masquelier (2020).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

S2STDP, RSTDP, S4NN = range(3)
METHODS = ("s2stdp", "rstdp", "s4nn")
"""Names by number."""


class Rule(NamedTuple):
    """What stays the same during a training, in a form that compiled code takes.

    Attributes:
        method: S2STDP, RSTDP or S4NN.
        t_gap: gap between wanted times, in units of T.
        ranges: neurons may also fire earlier, or later, than is wanted.
        class_inhib: only the first neuron of each class is updated.
        multiplicative: steps depend on the weight.
        beta, lo, hi: of multiplicative steps.
        ignore_silent: silent inputs get no a-.
        published: published semantics of the forward pass.
        w_min, w_max: to which weights are clipped.
        w_norm: rows keep their sum.
        n_classes: C.
        n_nontarget: neurons of each class that are not wanted to fire, the first ones.
        two_thresholds: adapted thresholds are for the neuron's own class and for training only.
        dropout_in, dropout_out: probabilities.
    """

    method: int
    t_gap: float
    ranges: bool
    class_inhib: bool
    multiplicative: bool
    beta: float
    lo: float
    hi: float
    ignore_silent: bool
    published: bool
    w_min: float
    w_max: float
    w_norm: bool
    n_classes: int
    n_nontarget: int
    two_thresholds: bool
    dropout_in: float
    dropout_out: float


class Rates(NamedTuple):
    """What is annealed after each epoch.

    Attributes:
        causal, other: a+ and a- of S2-STDP, and of R-STDP if the winner is right; S4NN's rate, 0.
        anti_causal, anti_other: those of R-STDP if the winner is wrong.
        threshold: rate of adapted thresholds.
    """

    causal: float
    other: float
    anti_causal: float
    anti_other: float
    threshold: float


def times_wanted(
    rule: Rule, spikes: NDArray[np.int64], is_ok: NDArray[np.bool_], t_max: int
) -> NDArray[np.float64]:
    """The time at which each neuron should fire, (n,), by an error-driven rule.

    Args:
        rule: S2STDP or S4NN.
        spikes: ticks of first spikes, `t_max` for those that count as silent, (n,).
        is_ok: target neurons of the sample's class, (n,).
        t_max: ticks of a sample.
    """
    t = spikes / t_max
    if rule.method == S4NN:
        base = min(float(t.min()), 1 - rule.t_gap)
        early, late = 0.0, rule.t_gap
    else:
        late = rule.t_gap / rule.n_classes
        early = rule.t_gap * (rule.n_classes - 1) / rule.n_classes
        fired = t[spikes < t_max]
        base = min(float(fired.mean()), 1 - late) if len(fired) else 1 - late
    if rule.ranges:
        return np.where(is_ok, np.minimum(t, base - early), np.maximum(t, base + late))
    return np.where(is_ok, base - early, base + late)


def errors(
    rule: Rule,
    spikes: NDArray[np.int64],
    is_updated: NDArray[np.bool_],
    is_ok: NDArray[np.bool_],
    t_max: int,
) -> NDArray[np.float64]:
    """The error of each neuron, (n,); 0 for those that are not updated. Arguments as above."""
    wanted = times_wanted(rule, spikes, is_ok, t_max)
    found = np.where(is_updated, spikes / t_max - wanted, 0.0)
    if rule.method == S4NN and (norm := float(np.sqrt((found * found).sum()))) > 0:
        found = found / norm
    return found


def stepped(
    rule: Rule,
    row: NDArray[np.float64],
    inputs: NDArray[np.int64],
    spike: int,
    amounts: tuple[float, float],
    row_sum: float,
    t_max: int,
) -> NDArray[np.float64]:
    """The weights of a neuron after one step, clipped and normalized, (n_inputs,).

    A silent input has the time of a silent neuron, for which it is causal, as published.

    Args:
        rule: the rule.
        row: weights before, (n_inputs,).
        inputs: tick of each input, `t_max` for those that count as silent, (n_inputs,).
        spike: tick of the neuron.
        amounts: f a+ and f a-.
        row_sum: what the row sums up to, if that is kept.
        t_max: ticks of a sample.
    """
    causal, other = amounts
    up, down = np.full(row.shape, causal), np.full(row.shape, other)
    if rule.multiplicative:
        span = rule.hi - rule.lo
        up *= np.exp(-rule.beta * (row - rule.lo) / span)
        down *= np.exp(-rule.beta * (rule.hi - row) / span)
    if rule.ignore_silent:
        down[inputs == t_max] = 0.0
    changed = np.clip(row + np.where(inputs <= spike, up, down), rule.w_min, rule.w_max)
    if rule.w_norm and (total := float(np.abs(changed).sum())) > 0:
        changed = changed * (row_sum / total)
    return changed
