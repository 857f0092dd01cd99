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
from rsnn.neurons import INITIAL_OUT
from rsnn.surrogate import V_THRESHOLD, fill_slope

compiled = numba.njit(cache=True, nogil=True, error_model="numpy")
compiled_fused = numba.njit(
    cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"}
)

THRESHOLD = np.float32(V_THRESHOLD)
ZERO, ONE = np.float32(0.0), np.float32(1.0)

# Times this, a word of eight bytes of 0 or 1 has them as bits in its highest byte.
BYTES_TO_BITS = np.uint64(0x0102040810204080)
# Every six successive bits of this differ, so those that a single bit shifts to the top name it.
DE_BRUIJN = np.uint64(0x03F79D71B4CB0A89)
BIT_INDEX = np.zeros(64, np.int32)
for bit in range(64):
    BIT_INDEX[(int(DE_BRUIJN) << bit) % 2**64 >> 58] = bit


class Events(NamedTuple):
    """Spikes of a chunk: those of step t and sample s are unit[start[i]:start[i+1]], i = t S + s.

    `start` is (n_steps * S + 1,) int64, `unit` int32 and long enough.
    """

    start: NDArray[np.int64]
    unit: NDArray[np.int32]


class Dropout(NamedTuple):
    """What decides which spikes of a layer are lost, see `rsnn/dropout.py`."""

    key: np.uint64
    limit: int


@compiled
def gather(
    raster: NDArray[np.uint64], first: int, dropout: Dropout, n_inputs: int, events: Events
) -> None:
    """List the spikes of a chunk that dropout keeps.

    Args:
        raster: 0 and 1 of the batch as bytes, eight to a word, (batch, n_steps, n_words).
        first: of the samples of the batch that is in the chunk.
        events: filled.
    """
    batch, n_steps, _ = raster.shape
    n_samples = (len(events.start) - 1) // n_steps
    events.start[0] = 0
    for t in range(n_steps):
        words = raster[first : first + n_samples, t]
        _send(words, n_inputs, dropout, t * batch + first, events, t * n_samples)


@compiled
def _send(words, n, dropout, row, events, i):
    """List the spikes of one step that dropout keeps, after those of the steps before.

    `words` are 0 and 1 as bytes, eight to a word, (chunk, n_words); `row` numbers the first sample
    among all rows of `n` elements that have random bits, `i` among the lists of `events`.
    """
    start, unit = events
    key, limit = dropout
    end = start[i]
    for s in range(len(words)):
        random = (row + s) * ((n + 3) // 4)
        for w in range(0, words.shape[1], 8):
            bits = np.uint64(0)  # one for each of 64 bytes
            for v in range(w, min(w + 8, words.shape[1])):
                byte = (words[s, v] * BYTES_TO_BITS) >> np.uint64(56)
                bits |= byte << np.uint64(8 * (v - w))
            while bits:
                lowest = bits & (~bits + np.uint64(1))
                bits ^= lowest
                j = 8 * w + BIT_INDEX[(lowest * DE_BRUIJN) >> np.uint64(58)]
                unit[end] = j
                if limit == ALL_KEPT:
                    end += 1
                else:
                    end += is_kept(random_word(key, random + j // 4), j, limit)
        start[i + s + 1] = end


@compiled
def _add_rows(weights, events, i, acc):
    """Add a row of `weights` to a row of `acc` for each event of lists `i`, `i + 1`, ..."""
    start, unit = events
    n_samples, n = acc.shape
    for s in range(n_samples):
        total = acc[s]
        e, end = start[i + s], start[i + s + 1]
        while e + 4 <= end:  # four at once: a quarter of the loads and stores of `total`
            a, b = weights[unit[e]], weights[unit[e + 1]]
            c, d = weights[unit[e + 2]], weights[unit[e + 3]]
            for k in range(n):
                total[k] += (a[k] + b[k]) + (c[k] + d[k])
            e += 4
        while e < end:
            a = weights[unit[e]]
            for k in range(n):
                total[k] += a[k]
            e += 1


@compiled
def _tiled(values, n_samples):
    """One copy of `values` for each sample, end to end: loops over a whole step are long ones."""
    tiled = np.empty(n_samples * len(values), np.float32)
    for s in range(n_samples):
        tiled[s * len(values) : (s + 1) * len(values)] = values
    return tiled


@compiled
def run_hidden(
    arriving: Events,
    w_in: NDArray[np.float32],
    w_rec: NDArray[np.float32],
    decays: tuple[NDArray[np.float32], ...],
    scale: np.float32,
    dropout: Dropout,
    first: int,
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
        first: of the samples of the batch that is in the chunk.
        sent, mem, syn: filled; states (n_steps, chunk, n).
        spk: 0 and 1 of the batch, (n_steps, batch, n); those of the chunk are filled.
    """
    n_steps, n_samples, n = mem.shape
    batch = spk.shape[1]
    decay_mem = _tiled(decays[0], n_samples)
    gain_mem = _tiled(decays[1], n_samples)
    decay_syn = _tiled(decays[2], n_samples)
    acc = np.empty((n_samples, n), np.float32)
    flat_acc = acc.reshape(-1)
    fired = np.zeros((n_samples, (n + 7) // 8 * 8), np.uint8)
    words = fired.view(np.uint64)
    mem[0] = 0.0
    syn[0] = 0.0
    spk[0, first : first + n_samples] = 0.0
    sent.start[: n_samples + 1] = 0
    for t in range(1, n_steps):
        acc[:] = 0.0
        _add_rows(w_in, arriving, (t - 1) * n_samples, acc)
        if len(w_rec) > 0:
            _add_rows(w_rec, sent, (t - 1) * n_samples, acc)
        last_mem, last_syn = mem[t - 1].reshape(-1), syn[t - 1].reshape(-1)
        new_mem, new_syn = mem[t].reshape(-1), syn[t].reshape(-1)
        new_spk = spk[t, first : first + n_samples].reshape(-1)
        for i in range(n_samples * n):
            new_syn[i] = decay_syn[i] * last_syn[i] + flat_acc[i] * scale
            free = decay_mem[i] * last_mem[i] + gain_mem[i] * last_syn[i]
            fires = last_mem[i] > THRESHOLD
            new_mem[i] = ZERO if fires else free
            new_spk[i] = ONE if fires else ZERO
        tested = mem[t - 1]
        for s in range(n_samples):
            for i in range(n):
                fired[s, i] = tested[s, i] > THRESHOLD
        _send(words, n, dropout, t * batch + first, sent, t * n_samples)


@compiled
def run_readout(
    arriving: Events,
    w_out: NDArray[np.float32],
    decays: tuple[NDArray[np.float32], ...],
    scale: np.float32,
    first: int,
    syn: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Take readout rows forward; fill `syn` (n_steps, chunk, n) and `out` (n_steps, batch, n)."""
    n_steps, n_samples, n = syn.shape
    decay_mem, gain_mem, decay_syn = decays
    acc = np.empty((n_samples, n), np.float32)
    syn[0] = 0.0
    for s in range(first, first + n_samples):
        for i in range(n):
            out[0, s, i] = decay_mem[i] * np.float32(INITIAL_OUT)
    for t in range(1, n_steps):
        acc[:] = 0.0
        _add_rows(w_out, arriving, (t - 1) * n_samples, acc)
        for s in range(n_samples):
            last_syn, last_out, new_out = syn[t - 1, s], out[t - 1, first + s], out[t, first + s]
            for i in range(n):
                new_out[i] = decay_mem[i] * last_out[i] + gain_mem[i] * last_syn[i]
                syn[t, s, i] = decay_syn[i] * last_syn[i] + acc[s, i] * scale


# Backward: lambda_x[t] is the gradient of the loss with respect to x[t].


@compiled_fused
def pull_readout(
    grad_out: NDArray[np.float32],
    decays: tuple[NDArray[np.float32], ...],
    first: int,
    syn: NDArray[np.float32],
    out: NDArray[np.float32],
    lambda_syn: NDArray[np.float32],
    grad_decays: NDArray[np.float64],
) -> None:
    """Take the gradient of `out` back to readout currents and decays.

        lambda_out[t]   = grad_out[t] + decay_mem lambda_out[t+1]
        lambda_syn[t-1] = (1 - decay_mem) lambda_out[t] + decay_syn lambda_syn[t]

    Args:
        grad_out: (n_steps, batch, n), or (1, batch, n) where it is the same at all steps.
        lambda_syn: filled, (n_steps, chunk, n).
        grad_decays: filled, those of decay_mem and decay_syn, (2, n).
    """
    n_steps, n_samples, n = syn.shape
    decay_mem, gain_mem, decay_syn = decays
    grad_decays[:] = 0.0
    lambda_syn[n_steps - 1] = 0.0
    lambda_out = np.zeros((n_samples, n), np.float32)
    for t in range(n_steps - 1, 0, -1):
        given = grad_out[min(t, len(grad_out) - 1)]
        for s in range(n_samples):
            for i in range(n):
                pulled = given[first + s, i] + decay_mem[i] * lambda_out[s, i]
                here, last = lambda_syn[t, s, i], syn[t - 1, s, i]
                grad_decays[0, i] += pulled * (out[t - 1, first + s, i] - last)
                grad_decays[1, i] += here * last
                lambda_syn[t - 1, s, i] = gain_mem[i] * pulled + decay_syn[i] * here
                lambda_out[s, i] = pulled
    for s in range(n_samples):
        for i in range(n):
            pulled = grad_out[0, first + s, i] + decay_mem[i] * lambda_out[s, i]
            grad_decays[0, i] += pulled * np.float32(INITIAL_OUT)


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
    surrogate: tuple[int, np.float32],
    first: int,
    mem: NDArray[np.float32],
    syn: NDArray[np.float32],
    lambda_syn: NDArray[np.float32],
    grad_decays: NDArray[np.float64],
) -> None:
    """Take gradients back through a hidden layer to its currents and decays.

        lambda_spk[t]   = grad_spk[t] + keep[t] (w_rec^T lambda_syn[t+1] + w_above^T above[t+1])
        lambda_mem[t-1] = decay_mem r[t] + lambda_spk[t] slope(mem[t-1])
        lambda_syn[t-1] = (1 - decay_mem) r[t] + decay_syn lambda_syn[t]

    with r[t] = lambda_mem[t] (1 - spk[t]): no gradient flows through the reset.

    Args:
        grad_spk: (n_steps, batch, n), or (1, batch, n) where it is the same at all steps.
        above: lambda_syn of the layer above, (n_steps, chunk, n_above).
        w_above, w_rec: (post, pre); `w_rec` of no rows for a layer without recurrence.
        scale, dropout: of this layer's spikes on their way to both.
        surrogate: `Surrogate.code`, which gives the slope.
        mem, syn: states of the forward run.
        lambda_syn: filled, (n_steps, chunk, n).
        grad_decays: filled, those of decay_mem and decay_syn, (2, n).
    """
    n_steps, n_samples, n = mem.shape
    batch = grad_spk.shape[1]
    decay_mem = _tiled(decays[0], n_samples)
    gain_mem = _tiled(decays[1], n_samples)
    decay_syn = _tiled(decays[2], n_samples)
    product = np.empty((n_samples + 1, n), np.float32)
    pulled = product.reshape(-1)
    keep = np.full((n_samples, n), scale, np.float32)
    flat_keep = keep.reshape(-1)
    lambda_mem = np.zeros(n_samples * n, np.float32)
    slope = np.empty(n_samples * n, np.float32)
    sum_mem = np.zeros(n_samples * n, np.float32)
    sum_syn = np.zeros(n_samples * n, np.float32)
    lambda_syn[n_steps - 1] = 0.0
    for t in range(n_steps - 1, 0, -1):
        product[:] = 0.0
        if t + 1 < n_steps:
            _add_product(above[t + 1], w_above, product)
            if len(w_rec) > 0:
                _add_product(lambda_syn[t + 1], w_rec, product)
        if dropout.limit != ALL_KEPT:
            _fill_keep(dropout, t * batch + first, scale, keep)
        from_spk = grad_spk[min(t, len(grad_spk) - 1), first : first + n_samples].reshape(-1)
        last_mem, last_syn = mem[t - 1].reshape(-1), syn[t - 1].reshape(-1)
        here, before = lambda_syn[t].reshape(-1), lambda_syn[t - 1].reshape(-1)
        fill_slope(surrogate, last_mem, slope)
        for i in range(n_samples * n):
            r = ZERO if last_mem[i] > THRESHOLD else lambda_mem[i]
            lambda_spk = from_spk[i] + flat_keep[i] * pulled[i]
            sum_mem[i] += r * (last_mem[i] - last_syn[i])
            sum_syn[i] += here[i] * last_syn[i]
            lambda_mem[i] = decay_mem[i] * r + lambda_spk * slope[i]
            before[i] = gain_mem[i] * r + decay_syn[i] * here[i]
    grad_decays[:] = 0.0
    for s in range(n_samples):
        for i in range(n):
            grad_decays[0, i] += sum_mem[s * n + i]
            grad_decays[1, i] += sum_syn[s * n + i]


@compiled
def _fill_keep(dropout, row, scale, keep):
    """What dropout makes of each spike of a step, (chunk, n); `row` numbers the first sample."""
    n_samples, n = keep.shape
    words = np.empty((n + 3) // 4, np.uint64)
    bits = words.view(np.int16)
    limit = np.int16(dropout.limit)
    for s in range(n_samples):
        for w in range(len(words)):
            words[w] = random_word(dropout.key, (row + s) * len(words) + w)
        for i in range(n):
            keep[s, i] = scale if bits[i] >= limit else ZERO


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
