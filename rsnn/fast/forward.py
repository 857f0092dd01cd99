"""A few samples forward through time, compiled; with `backward.py`, the loops of `bptt.py`.

A chunk is a handful of samples that one thread takes through all steps. Its arrays are time-major,
(n_steps, chunk, n), float32, so that a step is one contiguous block. Spikes travel as events: lists
of the indices of spiking units, first those of step 0 and sample 0, then of sample 1, and so on.
Weights lie by presynaptic row, (pre, post), because each event adds one row.

Compiled without contraction, so its rounding is that of torch's elementwise operations.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from base.numba_cache import can_cache
from rsnn.fast.dropout import ALL_KEPT, is_kept, random_word
from rsnn.neurons import INITIAL_OUT
from rsnn.surrogate import V_THRESHOLD

compiled = numba.njit(cache=can_cache(__file__), nogil=True, error_model="numpy")

THRESHOLD = np.float32(V_THRESHOLD)
ZERO, ONE = np.float32(0.0), np.float32(1.0)

BLOCK_ELEMENTS = 2**15  # bytes of a block's membranes, 128 kB

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
    """The choice of the spikes of a layer that dropout removes, see `rsnn/fast/dropout.py`."""

    key: np.uint64
    limit: int


@compiled
def block_steps(n_samples: int, n: int) -> int:
    """Steps of a block, whose membranes backward computes again and the cache should hold."""
    return min(max(BLOCK_ELEMENTS // (n_samples * n), 4), 64)


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
            bits = np.uint64(0)  # one per 64 bytes
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
def tiled(values, n_samples):
    """One copy of `values` per sample, end to end, so that loops over a step are long."""
    tiled = np.empty(n_samples * len(values), np.float32)
    for s in range(n_samples):
        tiled[s * len(values) : (s + 1) * len(values)] = values
    return tiled


@compiled
def _tiled_bias(bias, n_samples, n):
    """The bias of each sample and unit, end to end; zeros where the layer has none."""
    return tiled(bias, n_samples) if len(bias) > 0 else np.zeros(n_samples * n, np.float32)


@compiled
def run_hidden(
    arriving: Events,
    w_in: NDArray[np.float32],
    w_rec: NDArray[np.float32],
    bias: NDArray[np.float32],
    decays: tuple[NDArray[np.float32], ...],
    scale: np.float32,
    dropout: Dropout,
    first: int,
    sent: Events,
    kept_mem: NDArray[np.float32],
    syn: NDArray[np.float32],
    counts: NDArray[np.float32],
    spk: NDArray[np.float32],
) -> None:
    """Take a hidden layer forward; fill its states, spikes, and the events that it sends.

    Args:
        arriving: events of the layer below.
        w_in, w_rec: (pre, post); `w_rec` of no rows for a layer without recurrence.
        bias: (n,), or of no elements for a layer without.
        decays: decay_mem, 1 - decay_mem, decay_syn, each (n,).
        scale: of a spike that dropout has kept.
        first: of the samples of the batch that is in the chunk.
        sent, syn: filled; currents (n_steps, chunk, n).
        kept_mem: filled with the membranes of the first step of each block, (n_blocks, chunk, n).
        counts: spikes of each neuron of the batch over all steps, (batch, n), filled for the chunk.
        spk: 0 and 1 of the batch, (n_steps, batch, n), filled for the chunk; none if of no steps.
    """
    n_steps, n_samples, n = syn.shape
    batch = len(counts)
    n_block = block_steps(n_samples, n)
    decay_mem = tiled(decays[0], n_samples)
    gain_mem = tiled(decays[1], n_samples)
    decay_syn = tiled(decays[2], n_samples)
    constant = _tiled_bias(bias, n_samples, n)
    acc = np.empty((n_samples, n), np.float32)
    flat_acc = acc.reshape(-1)
    fired = np.zeros((n_samples, (n + 7) // 8 * 8), np.uint8)
    words = fired.view(np.uint64)
    mem = np.zeros((2, n_samples, n), np.float32)  # of two successive steps
    kept_mem[0] = 0.0
    syn[0] = constant.reshape(n_samples, n)
    count = counts[first : first + n_samples].reshape(-1)
    count[:] = 0.0
    if len(spk) > 0:
        spk[0, first : first + n_samples] = 0.0
    sent.start[: n_samples + 1] = 0
    for t in range(1, n_steps):
        acc[:] = 0.0
        _add_rows(w_in, arriving, (t - 1) * n_samples, acc)
        if len(w_rec) > 0:
            _add_rows(w_rec, sent, (t - 1) * n_samples, acc)
        tested = mem[(t - 1) % 2]
        last_mem, new_mem = tested.reshape(-1), mem[t % 2].reshape(-1)
        last_syn, new_syn = syn[t - 1].reshape(-1), syn[t].reshape(-1)
        for i in range(n_samples * n):
            new_syn[i] = decay_syn[i] * last_syn[i] + (flat_acc[i] * scale + constant[i])
            free = decay_mem[i] * last_mem[i] + gain_mem[i] * last_syn[i]
            fires = last_mem[i] > THRESHOLD
            new_mem[i] = ZERO if fires else free
            count[i] += ONE if fires else ZERO
        for s in range(n_samples):
            for i in range(n):
                fired[s, i] = tested[s, i] > THRESHOLD
        if len(spk) > 0:
            spk[t, first : first + n_samples] = fired[:, :n]
        if t % n_block == 0:
            kept_mem[t // n_block] = mem[t % 2]
        _send(words, n, dropout, t * batch + first, sent, t * n_samples)


@compiled
def repeat_membranes(
    kept_mem: NDArray[np.float32],
    syn: NDArray[np.float32],
    decay_mem: NDArray[np.float32],
    gain_mem: NDArray[np.float32],
    mem: NDArray[np.float32],
) -> None:
    """Compute the membranes of a block of steps once more, to the bit.

    Args:
        kept_mem: of its first step, (chunk * n,).
        syn: currents of its steps, (n_block, chunk, n).
        decay_mem, gain_mem: for each unit of the chunk, (chunk * n,).
        mem: filled, (at least n_block, chunk * n).
    """
    mem[0] = kept_mem
    for t in range(1, len(syn)):
        last_mem, last_syn, new_mem = mem[t - 1], syn[t - 1].reshape(-1), mem[t]
        for i in range(len(kept_mem)):
            free = decay_mem[i] * last_mem[i] + gain_mem[i] * last_syn[i]
            new_mem[i] = ZERO if last_mem[i] > THRESHOLD else free


@compiled
def run_readout(
    arriving: Events,
    w_out: NDArray[np.float32],
    bias: NDArray[np.float32],
    decays: tuple[NDArray[np.float32], ...],
    scale: np.float32,
    first: int,
    syn: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Take readout rows forward; fill `syn` (n_steps, chunk, n) and `out` (n_steps, batch, n)."""
    n_steps, n_samples, n = syn.shape
    decay_mem = tiled(decays[0], n_samples)
    gain_mem = tiled(decays[1], n_samples)
    decay_syn = tiled(decays[2], n_samples)
    constant = _tiled_bias(bias, n_samples, n)
    acc = np.empty((n_samples, n), np.float32)
    flat_acc = acc.reshape(-1)
    chunk = slice(first, first + n_samples)
    syn[0] = constant.reshape(n_samples, n)
    new_out = out[0, chunk].reshape(-1)
    for i in range(n_samples * n):
        new_out[i] = decay_mem[i] * np.float32(INITIAL_OUT)
    for t in range(1, n_steps):
        acc[:] = 0.0
        _add_rows(w_out, arriving, (t - 1) * n_samples, acc)
        last_syn, new_syn = syn[t - 1].reshape(-1), syn[t].reshape(-1)
        last_out, new_out = out[t - 1, chunk].reshape(-1), out[t, chunk].reshape(-1)
        for i in range(n_samples * n):
            new_out[i] = decay_mem[i] * last_out[i] + gain_mem[i] * last_syn[i]
            new_syn[i] = decay_syn[i] * last_syn[i] + (flat_acc[i] * scale + constant[i])
