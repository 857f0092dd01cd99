"""Sweeps of a few samples through time, forward and backward, compiled: what `kernels.py` is of.

A chunk is a handful of samples that one thread takes through all steps. Its arrays are time-major,
(n_steps, chunk, n), float32, so that a step is one contiguous block. Spikes travel as events: lists
of the indices of spiking units, first those of step 0 and sample 0, then of sample 1, and so on.
Weights lie by presynaptic row, (pre, post), because each event adds one row.

Forward is compiled without contraction, so its rounding is that of torch's elementwise operations.
Backward may fuse multiplications and additions; no sum is reordered at run time in either.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from rsnn.dropout import ALL_KEPT, is_kept, random_word
from rsnn.neurons import INITIAL_OUT, SURROGATE_BETA, V_THRESHOLD

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
compiled_fused = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"}
)

BETA = np.float32(SURROGATE_BETA)
THRESHOLD = np.float32(V_THRESHOLD)
ONE = np.float32(1.0)


class Events(NamedTuple):
    """Spikes of a chunk: those of step t and sample s are unit[start[i]:start[i+1]], i = t S + s.

    `start` is (n_steps * S + 1,) int64, `unit` int32 and long enough.
    """

    start: NDArray[np.int64]
    unit: NDArray[np.int32]


class Dropout(NamedTuple):
    """What decides which spikes of a layer are lost; `n_samples` and `first` place the chunk."""

    key: np.uint64
    limit: int
    n_samples: int
    first: int


@compiled
def gather(raster: NDArray[np.uint8], dropout: Dropout, events: Events) -> None:
    """List the spikes of a raster (chunk, n_steps, n) of 0 and 1 that dropout keeps."""
    n_samples, n_steps, n = raster.shape
    start, unit = events
    row = np.empty(n, np.int32)
    start[0] = 0
    end = 0
    for t in range(n_steps):
        for s in range(n_samples):
            found = 0
            for j in range(n):
                row[found] = j
                found += raster[s, t, j] != 0
            end = _keep_some(row, found, n, dropout, t, s, unit, end)
            start[t * n_samples + s + 1] = end


@compiled
def _keep_some(row, found, n, dropout, t, s, unit, end):
    """Append the kept ones of `row[:found]` to `unit[end:]`; return the new end."""
    place = (t * dropout.n_samples + dropout.first + s) * ((n + 3) // 4)
    if dropout.limit == ALL_KEPT:
        unit[end : end + found] = row[:found]
        return end + found
    for e in range(found):
        j = row[e]
        unit[end] = j
        end += is_kept(random_word(dropout.key, place + j // 4), j, dropout.limit)
    return end


@compiled
def _add_rows(weights, unit, begin, end, acc):
    """Add the rows of `weights` that `unit[begin:end]` names to `acc`."""
    e = begin
    while e + 4 <= end:  # four at once: a quarter of the loads and stores of `acc`
        a, b = weights[unit[e]], weights[unit[e + 1]]
        c, d = weights[unit[e + 2]], weights[unit[e + 3]]
        for i in range(len(acc)):
            acc[i] += (a[i] + b[i]) + (c[i] + d[i])
        e += 4
    while e < end:
        a = weights[unit[e]]
        for i in range(len(acc)):
            acc[i] += a[i]
        e += 1


@compiled
def run_hidden(
    arriving: Events,
    w_in: NDArray[np.float32],
    w_rec: NDArray[np.float32],
    decays: tuple[NDArray[np.float32], ...],
    scale: np.float32,
    dropout: Dropout,
    sent: Events,
    mem: NDArray[np.float32],
    syn: NDArray[np.float32],
    spk: NDArray[np.float32],
) -> None:
    """Take a hidden layer forward and leave its states, spikes, and the events that it sends.

    Args:
        arriving: events of the layer below.
        w_in, w_rec: (pre, post); `w_rec` of no rows for a layer without recurrence.
        decays: decay_mem, 1 - decay_mem, decay_syn, each (n,).
        scale: of a spike that dropout has kept.
        sent, mem, syn: filled; states (n_steps, chunk, n).
        spk: filled with 0 and 1, (chunk, n_steps, n).
    """
    n_steps, n_samples, n = mem.shape
    decay_mem, gain_mem, decay_syn = decays
    sent_start, sent_unit = sent
    acc = np.empty(n, np.float32)
    row = np.empty(n, np.int32)
    mem[0] = 0.0
    syn[0] = 0.0
    spk[:, 0] = 0.0
    sent_start[: n_samples + 1] = 0
    end = 0
    for t in range(1, n_steps):
        for s in range(n_samples):
            before = (t - 1) * n_samples + s
            acc[:] = 0.0
            _add_rows(w_in, arriving.unit, arriving.start[before], arriving.start[before + 1], acc)
            if len(w_rec) > 0:
                _add_rows(w_rec, sent_unit, sent_start[before], sent_start[before + 1], acc)
            last_mem, last_syn = mem[t - 1, s], syn[t - 1, s]
            new_mem, new_syn, new_spk = mem[t, s], syn[t, s], spk[s, t]
            for i in range(n):
                new_syn[i] = decay_syn[i] * last_syn[i] + acc[i] * scale
                free = decay_mem[i] * last_mem[i] + gain_mem[i] * last_syn[i]
                fires = last_mem[i] > THRESHOLD
                new_mem[i] = np.float32(0.0) if fires else free
                new_spk[i] = ONE if fires else np.float32(0.0)
            found = 0
            for i in range(n):
                row[found] = i
                found += last_mem[i] > THRESHOLD
            end = _keep_some(row, found, n, dropout, t, s, sent_unit, end)
            sent_start[t * n_samples + s + 1] = end


@compiled
def run_readout(
    arriving: Events,
    w_out: NDArray[np.float32],
    decays: tuple[NDArray[np.float32], ...],
    scale: np.float32,
    syn: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Take readout rows forward; fill `syn` (n_steps, chunk, n) and `out` (chunk, n_steps, n)."""
    n_steps, n_samples, n = syn.shape
    decay_mem, gain_mem, decay_syn = decays
    acc = np.empty(n, np.float32)
    for s in range(n_samples):
        for i in range(n):
            syn[0, s, i] = 0.0
            out[s, 0, i] = decay_mem[i] * np.float32(INITIAL_OUT)
    for t in range(1, n_steps):
        for s in range(n_samples):
            before = (t - 1) * n_samples + s
            acc[:] = 0.0
            for e in range(arriving.start[before], arriving.start[before + 1]):
                for i in range(n):
                    acc[i] += w_out[arriving.unit[e], i]
            for i in range(n):
                out[s, t, i] = decay_mem[i] * out[s, t - 1, i] + gain_mem[i] * syn[t - 1, s, i]
                syn[t, s, i] = decay_syn[i] * syn[t - 1, s, i] + acc[i] * scale


# Backward: lambda_x[t] is the gradient of the loss with respect to x[t].


@compiled_fused
def pull_readout(
    grad_out: NDArray[np.float32],
    decays: tuple[NDArray[np.float32], ...],
    syn: NDArray[np.float32],
    out: NDArray[np.float32],
    lambda_syn: NDArray[np.float32],
    grad_decays: NDArray[np.float64],
) -> None:
    """Take the gradient of `out` (chunk, n_steps, n) back to readout currents and decays.

        lambda_out[t]   = grad_out[t] + decay_mem lambda_out[t+1]
        lambda_syn[t-1] = (1 - decay_mem) lambda_out[t] + decay_syn lambda_syn[t]

    Args:
        lambda_syn: filled, (n_steps, chunk, n).
        grad_decays: filled, those of decay_mem and decay_syn, (2, n).
    """
    n_steps, n_samples, n = syn.shape
    decay_mem, gain_mem, decay_syn = decays
    grad_decays[:] = 0.0
    lambda_syn[n_steps - 1] = 0.0
    for s in range(n_samples):
        for i in range(n):
            lambda_out = np.float32(0.0)
            for t in range(n_steps - 1, 0, -1):
                lambda_out = grad_out[s, t, i] + decay_mem[i] * lambda_out
                last = syn[t - 1, s, i]
                grad_decays[0, i] += lambda_out * (out[s, t - 1, i] - last)
                grad_decays[1, i] += lambda_syn[t, s, i] * last
                lambda_syn[t - 1, s, i] = (
                    gain_mem[i] * lambda_out + decay_syn[i] * lambda_syn[t, s, i]
                )
            lambda_out = grad_out[s, 0, i] + decay_mem[i] * lambda_out
            grad_decays[0, i] += lambda_out * np.float32(INITIAL_OUT)


@compiled_fused
def _add_product(signal, weights, product):
    """Add `signal @ weights` to `product`: (S, n), (n, m), (S + 1, m) with one spare row.

    Two samples and four rows at once keep the multipliers busy: six vectors of weights and sums are
    loaded and two stored for eight fused operations, and twelve registers suffice.
    """
    n_samples, n = signal.shape
    m = weights.shape[1]
    for s in range(0, n_samples, 2):
        a, b = signal[s], signal[min(s + 1, n_samples - 1)]
        sum_a, sum_b = product[s], product[s + 1]
        whole = n // 4 * 4
        for i in range(0, whole, 4):
            a0, a1, a2, a3 = a[i], a[i + 1], a[i + 2], a[i + 3]
            b0, b1, b2, b3 = b[i], b[i + 1], b[i + 2], b[i + 3]
            w0, w1, w2, w3 = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
            for k in range(m):
                sum_a[k] += a0 * w0[k] + a1 * w1[k] + a2 * w2[k] + a3 * w3[k]
                sum_b[k] += b0 * w0[k] + b1 * w1[k] + b2 * w2[k] + b3 * w3[k]
        for i in range(whole, n):
            a0, b0, w0 = a[i], b[i], weights[i]
            for k in range(m):
                sum_a[k] += a0 * w0[k]
                sum_b[k] += b0 * w0[k]


@compiled_fused
def pull_hidden(
    grad_spk: NDArray[np.float32],
    above: NDArray[np.float32],
    w_above: NDArray[np.float32],
    w_rec: NDArray[np.float32],
    decays: tuple[NDArray[np.float32], ...],
    scale: np.float32,
    dropout: Dropout,
    mem: NDArray[np.float32],
    syn: NDArray[np.float32],
    lambda_syn: NDArray[np.float32],
    grad_decays: NDArray[np.float64],
) -> None:
    """Take gradients back through a hidden layer to its currents and decays.

        lambda_spk[t]   = grad_spk[t] + keep[t] (w_rec^T lambda_syn[t+1] + w_above^T above[t+1])
        lambda_mem[t-1] = decay_mem r[t] + lambda_spk[t] / (beta |mem[t-1] - 1| + 1)^2
        lambda_syn[t-1] = (1 - decay_mem) r[t] + decay_syn lambda_syn[t]

    with r[t] = lambda_mem[t] (1 - spk[t]): no gradient flows through the reset.

    Args:
        grad_spk: (chunk, n_steps, n), or (chunk, 1, n) where it is the same at all steps.
        above: lambda_syn of the layer above, (n_steps, chunk, n_above).
        w_above, w_rec: (post, pre); `w_rec` of no rows for a layer without recurrence.
        scale, dropout: of this layer's spikes on their way to both.
        mem, syn: states of the forward run.
        lambda_syn: filled, (n_steps, chunk, n).
        grad_decays: filled, those of decay_mem and decay_syn, (2, n).
    """
    n_steps, n_samples, n = mem.shape
    decay_mem, gain_mem, decay_syn = decays
    recurrent = len(w_rec) > 0
    words = (n + 3) // 4
    product = np.empty((n_samples + 1, n), np.float32)
    keep = np.full(4 * words, scale, np.float32)
    lambda_mem = np.zeros((n_samples, n), np.float32)
    sums = np.zeros((2, n_samples, n), np.float32)
    lambda_syn[n_steps - 1] = 0.0
    for t in range(n_steps - 1, 0, -1):
        product[:] = 0.0
        if t + 1 < n_steps:
            _add_product(above[t + 1], w_above, product)
            if recurrent:
                _add_product(lambda_syn[t + 1], w_rec, product)
        for s in range(n_samples):
            if dropout.limit != ALL_KEPT:
                place = (t * dropout.n_samples + dropout.first + s) * words
                for w in range(words):
                    word = random_word(dropout.key, place + w)
                    for i in range(4):
                        kept = is_kept(word, i, dropout.limit)
                        keep[4 * w + i] = scale if kept else np.float32(0.0)
            from_spk = grad_spk[s, min(t, grad_spk.shape[1] - 1)]
            last_mem, last_syn, pulled = mem[t - 1, s], syn[t - 1, s], product[s]
            here, before, carried = lambda_syn[t, s], lambda_syn[t - 1, s], lambda_mem[s]
            sum_mem, sum_syn = sums[0, s], sums[1, s]
            for i in range(n):
                r = np.float32(0.0) if last_mem[i] > THRESHOLD else carried[i]
                slope = BETA * abs(last_mem[i] - THRESHOLD) + ONE
                lambda_spk = from_spk[i] + keep[i] * pulled[i]
                sum_mem[i] += r * (last_mem[i] - last_syn[i])
                sum_syn[i] += here[i] * last_syn[i]
                carried[i] = decay_mem[i] * r + lambda_spk / (slope * slope)
                before[i] = gain_mem[i] * r + decay_syn[i] * here[i]
    for x in range(2):
        for i in range(n):
            total = 0.0
            for s in range(n_samples):
                total += sums[x, s, i]
            grad_decays[x, i] = total


@compiled
def add_outer(arriving: Events, lambda_syn: NDArray[np.float32], grad: NDArray[np.float32]) -> None:
    """Sum the gradient of weights, (pre, post): row j gains lambda_syn[t+1] for an event at t."""
    n_steps, n_samples, n = lambda_syn.shape
    start, unit = arriving
    for t in range(1, n_steps):
        for s in range(n_samples):
            before = (t - 1) * n_samples + s
            here = lambda_syn[t, s]
            for e in range(start[before], start[before + 1]):
                row = grad[unit[e]]
                for i in range(n):
                    row[i] += here[i]
