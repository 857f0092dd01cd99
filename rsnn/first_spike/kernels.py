"""Training and classification, compiled: an epoch is one call.

`rsnn.first_spike.definition` defines both. A neuron passes over the events until it fires; only
rows that are updated are clipped and normalized.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from base.numba_cache import can_cache
from rsnn.first_spike.data.samples import Samples
from rsnn.first_spike.definition import Learner
from rsnn.first_spike.rules import RSTDP, S4NN, Rates, Rule

_CACHE = can_cache(__file__)
compiled = numba.njit(cache=_CACHE, nogil=True, error_model="numpy")
summing = numba.njit(cache=_CACHE, nogil=True, error_model="numpy", fastmath={"reassoc"})
"""A sum in any order is several times as fast."""


def learn_epoch(
    learner: Learner,
    rule: Rule,
    rates: Rates,
    samples: Samples,
    generator: np.random.Generator,
) -> int:
    """Train on all samples in their order; how many were classified right.

    Arguments as in `rsnn.first_spike.definition.learn_epoch`; the generator draws the same numbers.
    """
    arrays = learner.w, learner.row_sum, learner.threshold, learner.adapted, learner.decay
    given = samples.ptr, samples.index, samples.tick, samples.label
    return int(_learn_epoch(*arrays, learner.t_max, rule, rates, *given, generator))


def respond(
    w: NDArray[np.float64],
    threshold: NDArray[np.float64],
    decay: NDArray[np.float64],
    samples: Samples,
    *,
    published: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """First spikes and potentials of all samples, (n_samples, n), and the first neuron of each.

    Args:
        w, threshold, decay, published: as in `rsnn.first_spike.layer.forward`.
        samples: with as many inputs.
    """
    shape = samples.n_samples, len(w)
    spikes, v = np.empty(shape, np.int64), np.empty(shape)
    winner = np.empty(samples.n_samples, np.int64)
    given = samples.ptr, samples.index, samples.tick
    _respond(w, threshold, decay, samples.t_max, published, *given, spikes, v, winner)
    return spikes, v, winner


@compiled
def _respond(w, threshold, decay, t_max, published, ptr, index, tick, spikes, v, winner):
    ends = np.empty(w.shape[1] + 1, np.int64)
    for k in range(len(winner)):
        at, now = index[ptr[k] : ptr[k + 1]], tick[ptr[k] : ptr[k + 1]]
        n_ends = _find_ends(now, published, ends)
        _forward(w, threshold, decay, t_max, published, at, now, ends[:n_ends], spikes[k], v[k])
        winner[k] = _first(spikes[k], v[k], 0, len(w))


@compiled
def _find_ends(tick, published, ends):
    """Fill the numbers of events after each of which V is compared; how many there are."""
    last, found = len(tick) - 1, 0
    for q in range(len(tick)):
        if published:
            is_checked = q < last and (tick[q + 1] > tick[q] or q == last - 1)
        else:
            is_checked = q == last or tick[q + 1] > tick[q]
        if is_checked:
            ends[found] = q + 1
            found += 1
    return found


@compiled
def _forward(w, threshold, decay, t_max, published, index, tick, ends, spikes, v):
    n_events, leaks = len(tick), len(decay) > 0
    for j in range(len(w)):
        row, theta = w[j], threshold[j]
        total, start, spike = 0.0, 0, t_max
        for end in ends:
            for q in range(start, end):
                total += row[index[q]]
            if leaks and published:
                total *= decay[tick[end] - tick[end - 1]]
            if total > theta:
                spike = tick[end - 1]
                break
            if leaks and not published and end < n_events:
                total *= decay[tick[end] - tick[end - 1]]
            start = end
        if spike == t_max:
            for q in range(start, n_events):
                total += row[index[q]]
        spikes[j], v[j] = spike, total


@compiled
def _first(spikes, v, start, stop):
    """The first of neurons start..stop - 1: by spike, then potential, then index."""
    best = start
    for j in range(start + 1, stop):
        if spikes[j] < spikes[best] or (spikes[j] == spikes[best] and v[j] > v[best]):
            best = j
    return best


@compiled
def _learn_epoch(
    w,
    row_sum,
    threshold,
    adapted,
    decay,
    t_max,
    rule,
    rates,
    ptr,
    index,
    tick,
    label,
    generator,
):
    n, n_inputs = w.shape
    size = n // rule.n_classes
    ends = np.empty(n_inputs + 1, np.int64)
    spikes, v, errors = np.empty(n, np.int64), np.empty(n), np.empty(n)
    is_off = np.zeros(n, np.bool_)
    updated = np.ones(n, np.bool_)
    inputs = np.full(n_inputs, t_max, np.int32)
    used = threshold.copy()
    right = 0
    for k in range(len(label)):
        at, now, c = index[ptr[k] : ptr[k + 1]], tick[ptr[k] : ptr[k + 1]], label[k]
        if rule.dropout_out > 0:
            for j in range(n):
                is_off[j] = generator.random() < rule.dropout_out
        own, end = c * size + rule.n_nontarget, (c + 1) * size
        if rule.two_thresholds:
            used[own:end] = adapted[own:end]
        else:
            used[:] = adapted
        n_ends = _find_ends(now, rule.published, ends)
        _forward(w, used, decay, t_max, rule.published, at, now, ends[:n_ends], spikes, v)
        if rule.two_thresholds:
            used[own:end] = threshold[own:end]
        if rule.dropout_out > 0:
            for j in range(n):
                if is_off[j]:
                    spikes[j], v[j] = t_max, 0.0
        winner = _first(spikes, v, 0, n)
        right += winner // size == c
        _regulate(rule, rates.threshold, threshold, adapted, spikes, v, own, end)
        for q in range(len(now)):
            inputs[at[q]] = now[q]
        if rule.dropout_in > 0:
            for i in range(n_inputs):
                if generator.random() < rule.dropout_in:
                    inputs[i] = t_max
        if rule.method == RSTDP:
            is_ok = own <= winner < end
            causal = rates.causal if is_ok else rates.anti_causal
            other = rates.other if is_ok else rates.anti_other
            _step(rule, w[winner], inputs, spikes[winner], causal, other, row_sum[winner], t_max)
        else:
            if rule.class_inhib:
                _inhibit(rule.n_classes, size, spikes, v, updated, t_max)
            _find_errors(rule, spikes, updated, own, end, t_max, errors)
            for j in range(n):
                if errors[j] != 0:
                    causal, other = errors[j] * rates.causal, errors[j] * rates.other
                    _step(rule, w[j], inputs, spikes[j], causal, other, row_sum[j], t_max)
        for q in range(len(now)):
            inputs[at[q]] = t_max
    return right


@compiled
def _regulate(rule, rate, threshold, adapted, spikes, v, own, end):
    m = end - own
    if m < 2 or rate <= 0:
        return
    first, lowest = _first(spikes, v, own, end), threshold.min()
    for j in range(own, end):
        if j == first:
            adapted[j] += rate * (m - 1) / m
        else:
            adapted[j] -= rate / m
        if rule.two_thresholds and adapted[j] < lowest:
            adapted[j] = lowest


@compiled
def _inhibit(n_classes, size, spikes, v, updated, t_max):
    """Let all but the first neuron of each class count as silent."""
    updated[:] = False
    for c in range(n_classes):
        updated[_first(spikes, v, c * size, (c + 1) * size)] = True
    for j in range(len(updated)):
        if not updated[j]:
            spikes[j] = t_max


@compiled
def _find_errors(rule, spikes, updated, own, end, t_max, errors):
    if rule.method == S4NN:
        base = min(spikes.min() / t_max, 1 - rule.t_gap)
        early, late = 0.0, rule.t_gap
    else:
        late = rule.t_gap / rule.n_classes
        early = rule.t_gap * (rule.n_classes - 1) / rule.n_classes
        base, fired = 0.0, 0
        for spike in spikes:
            if spike < t_max:
                base += spike / t_max
                fired += 1
        base = min(base / fired, 1 - late) if fired > 0 else 1 - late
    square = 0.0
    for j in range(len(spikes)):
        errors[j] = 0.0
        if updated[j]:
            t = spikes[j] / t_max
            is_ok = own <= j < end
            wanted = base - early if is_ok else base + late
            if rule.ranges:
                wanted = min(t, wanted) if is_ok else max(t, wanted)
            errors[j] = t - wanted
            square += errors[j] * errors[j]
    if rule.method == S4NN and square > 0:
        errors /= np.sqrt(square)


@summing
def _step(rule, row, inputs, spike, causal, other, row_sum, t_max):
    """One step of a neuron's weights, clipped and normalized, in place."""
    skipped = 0.0 if rule.ignore_silent else other
    low, high, total = rule.w_min, rule.w_max, 0.0
    if rule.multiplicative:
        span = rule.hi - rule.lo
        for i in range(len(row)):
            if inputs[i] <= spike:
                row[i] += causal * np.exp(-rule.beta * (row[i] - rule.lo) / span)
            else:
                amount = other if inputs[i] < t_max else skipped
                row[i] += amount * np.exp(-rule.beta * (rule.hi - row[i]) / span)
            row[i] = min(max(row[i], low), high)
            total += abs(row[i])
    else:
        for i in range(len(row)):
            late = other if inputs[i] < t_max else skipped
            changed = row[i] + (causal if inputs[i] <= spike else late)
            changed = min(max(changed, low), high)
            row[i] = changed
            total += abs(changed)
    if rule.w_norm and total > 0:
        factor = row_sum / total
        for i in range(len(row)):
            row[i] *= factor
