"""Gradients of a few samples back through time, compiled: with `forward.py`, for `bptt.py`.

lambda_x[t] is the gradient of the loss with respect to x[t]. Arrays and events are as in
`forward.py`. Multiplications and additions may be fused; no sum is reordered at run time.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from base.numba_cache import can_cache
from rsnn.fast.dropout import ALL_KEPT, random_word
from rsnn.fast.forward import (
    THRESHOLD,
    ZERO,
    Dropout,
    Events,
    block_steps,
    compiled,
    repeat_membranes,
    tiled,
)
from rsnn.neurons import INITIAL_OUT
from rsnn.surrogate import fill_slope

compiled_fused = numba.njit(
    cache=can_cache(__file__), nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"}
)


@compiled_fused
def pull_readout(
    grad_out: NDArray[np.float32],
    decays: tuple[NDArray[np.float32], ...],
    first: int,
    syn: NDArray[np.float32],
    out: NDArray[np.float32],
    arriving: Events,
    lambda_syn: NDArray[np.float32],
    grad_decays: NDArray[np.float64],
    grad_w_out: NDArray[np.float32],
    grad_bias: NDArray[np.float64],
) -> None:
    """Take the gradient of `out` back to readout currents, decays, weights and biases.

        lambda_out[t]   = grad_out[t] + decay_mem lambda_out[t+1]
        lambda_syn[t-1] = (1 - decay_mem) lambda_out[t] + decay_syn lambda_syn[t]

    Args:
        grad_out: (n_steps, batch, n), or (1, batch, n) if it is the same at all steps.
        syn, out, arriving: of the forward run; `out` of the batch, (n_steps, batch, n).
        lambda_syn: filled, (n_steps, chunk, n).
        grad_decays: filled, those of decay_mem and decay_syn, (2, n).
        grad_w_out: (pre, post), not scaled; added to.
        grad_bias: (n,), or of no elements; added to.
    """
    n_steps, n_samples, n = syn.shape
    decay_mem = tiled(decays[0], n_samples)
    gain_mem = tiled(decays[1], n_samples)
    decay_syn = tiled(decays[2], n_samples)
    chunk = slice(first, first + n_samples)
    lambda_syn[n_steps - 1] = 0.0
    lambda_out = np.zeros(n_samples * n, np.float32)
    sum_mem = np.zeros(n_samples * n)
    sum_syn = np.zeros(n_samples * n)
    for t in range(n_steps - 1, -1, -1):
        given = grad_out[min(t, len(grad_out) - 1), chunk].reshape(-1)
        for i in range(n_samples * n):
            lambda_out[i] = given[i] + decay_mem[i] * lambda_out[i]
        if t == 0:
            for i in range(n_samples * n):
                sum_mem[i] += lambda_out[i] * np.float32(INITIAL_OUT)
            break
        last_syn, last_out = syn[t - 1].reshape(-1), out[t - 1, chunk].reshape(-1)
        here, before = lambda_syn[t].reshape(-1), lambda_syn[t - 1].reshape(-1)
        for i in range(n_samples * n):
            sum_mem[i] += lambda_out[i] * (last_out[i] - last_syn[i])
            sum_syn[i] += here[i] * last_syn[i]
            before[i] = gain_mem[i] * lambda_out[i] + decay_syn[i] * here[i]
    grad_decays[:] = 0.0
    for s in range(n_samples):
        for i in range(n):
            grad_decays[0, i] += sum_mem[s * n + i]
            grad_decays[1, i] += sum_syn[s * n + i]
    add_outer(arriving, 1, n_steps, lambda_syn, grad_w_out)
    if len(grad_bias) > 0:
        add_steps(0, n_steps, lambda_syn, grad_bias)


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
def _pull_states(states, decays, lambda_spk, slope, lambda_mem, here, before, sums):
    """Take one step back through membranes and currents; all arrays (chunk * n,).

    A function of its own, because the compiler vectorises a loop over this many arrays only where
    it sees little else.
    """
    last_mem, last_syn = states
    decay_mem, gain_mem, decay_syn = decays
    sum_mem, sum_syn = sums
    for i in range(len(last_mem)):
        r = ZERO if last_mem[i] > THRESHOLD else lambda_mem[i]
        sum_mem[i] += r * (last_mem[i] - last_syn[i])
        sum_syn[i] += here[i] * last_syn[i]
        lambda_mem[i] = decay_mem[i] * r + lambda_spk[i] * slope[i]
        before[i] = gain_mem[i] * r + decay_syn[i] * here[i]


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
    kept_mem: NDArray[np.float32],
    syn: NDArray[np.float32],
    arriving: Events,
    sent: Events,
    lambda_syn: NDArray[np.float32],
    grad_decays: NDArray[np.float64],
    grad_in: NDArray[np.float32],
    grad_rec: NDArray[np.float32],
    grad_bias: NDArray[np.float64],
) -> None:
    """Take gradients back through a hidden layer to its currents, decays, weights and biases.

        lambda_spk[t]   = grad_spk[t] + keep[t] (w_rec^T lambda_syn[t+1] + w_above^T above[t+1])
        lambda_mem[t-1] = decay_mem r[t] + lambda_spk[t] slope(mem[t-1])
        lambda_syn[t-1] = (1 - decay_mem) r[t] + decay_syn lambda_syn[t]

    with r[t] = lambda_mem[t] (1 - spk[t]): no gradient flows through the reset.

    Args:
        grad_spk: (n_steps, batch, n), or (1, batch, n) if it is the same at all steps.
        above: lambda_syn of the layer above, (n_steps, chunk, n_above).
        w_above, w_rec: (post, pre); `w_rec` of no rows for a layer without recurrence.
        scale, dropout: of this layer's spikes on their way to both.
        surrogate: `Surrogate.code`, which gives the slope.
        kept_mem, syn, arriving, sent: of the forward run.
        lambda_syn: (n_steps, chunk, n), filled; or of two steps more than a block, that of step t
            in t modulo these, where not all of it is needed.
        grad_decays: filled, those of decay_mem and decay_syn, (2, n).
        grad_in, grad_rec: of w_in and w_rec, (pre, post), not scaled; added to.
        grad_bias: (n,), or of no elements; added to.
    """
    n_steps, n_samples, n = syn.shape
    batch = grad_spk.shape[1]
    n_block = block_steps(n_samples, n)
    n_kept = len(lambda_syn)
    decay_mem = tiled(decays[0], n_samples)
    gain_mem = tiled(decays[1], n_samples)
    decay_syn = tiled(decays[2], n_samples)
    product = np.empty((n_samples + 1, n), np.float32)
    pulled = product.reshape(-1)
    keep = np.full((n_samples, n), scale, np.float32)
    flat_keep = keep.reshape(-1)
    mem = np.empty((n_block, n_samples * n), np.float32)
    lambda_mem = np.zeros(n_samples * n, np.float32)
    lambda_spk = np.empty(n_samples * n, np.float32)
    slope = np.empty(n_samples * n, np.float32)
    sum_mem = np.zeros(n_samples * n, np.float32)
    sum_syn = np.zeros(n_samples * n, np.float32)
    lambda_syn[(n_steps - 1) % n_kept] = 0.0
    for begin in range((n_steps - 1) // n_block * n_block, -1, -n_block):
        end = min(begin + n_block, n_steps)
        first_mem = kept_mem[begin // n_block].reshape(-1)
        repeat_membranes(first_mem, syn[begin:end], decay_mem, gain_mem, mem)
        for t in range(min(end, n_steps - 1), begin, -1):
            product[:] = 0.0
            if t + 1 < n_steps:
                _add_product(above[t + 1], w_above, product)
                if len(w_rec) > 0:
                    _add_product(lambda_syn[(t + 1) % n_kept], w_rec, product)
            if dropout.limit != ALL_KEPT:
                _fill_keep(dropout, t * batch + first, scale, keep)
            from_spk = grad_spk[min(t, len(grad_spk) - 1), first : first + n_samples].reshape(-1)
            last_mem, last_syn = mem[t - 1 - begin], syn[t - 1].reshape(-1)
            here = lambda_syn[t % n_kept].reshape(-1)
            before = lambda_syn[(t - 1) % n_kept].reshape(-1)
            fill_slope(surrogate, last_mem, slope)
            for i in range(n_samples * n):
                lambda_spk[i] = from_spk[i] + flat_keep[i] * pulled[i]
            _pull_states(
                (last_mem, last_syn),
                (decay_mem, gain_mem, decay_syn),
                lambda_spk,
                slope,
                lambda_mem,
                here,
                before,
                (sum_mem, sum_syn),
            )
        add_outer(arriving, max(begin, 1), end, lambda_syn, grad_in)  # while it is in the cache
        if len(w_rec) > 0:
            add_outer(sent, max(begin, 1), end, lambda_syn, grad_rec)
        if len(grad_bias) > 0:
            add_steps(begin, end, lambda_syn, grad_bias)
    grad_decays[:] = 0.0
    for s in range(n_samples):
        for i in range(n):
            grad_decays[0, i] += sum_mem[s * n + i]
            grad_decays[1, i] += sum_syn[s * n + i]


@compiled
def _fill_keep(dropout, row, scale, keep):
    """The dropout factor of each spike of a step, (chunk, n); `row` numbers the first sample."""
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
def add_outer(
    arriving: Events,
    begin: int,
    end: int,
    lambda_syn: NDArray[np.float32],
    grad: NDArray[np.float32],
) -> None:
    """Add steps `begin` to `end` to the gradient of weights, (pre, post).

    Row j gains lambda_syn[t] for an event of j at t - 1. `lambda_syn` holds that of step t in t
    modulo its length, (any length, chunk, n).
    """
    n_kept, n_samples, n = lambda_syn.shape
    start, unit = arriving
    for t in range(begin, end):
        for s in range(n_samples):
            before = (t - 1) * n_samples + s
            here = lambda_syn[t % n_kept, s]
            for e in range(start[before], start[before + 1]):
                row = grad[unit[e]]
                for i in range(n):
                    row[i] += here[i]


@compiled
def add_steps(
    begin: int, end: int, lambda_syn: NDArray[np.float32], grad: NDArray[np.float64]
) -> None:
    """Add steps `begin` to `end` to the gradient of a bias, (n,); `lambda_syn` as above."""
    n_kept, n_samples, n = lambda_syn.shape
    for t in range(begin, end):
        for s in range(n_samples):
            here = lambda_syn[t % n_kept, s]
            for i in range(n):
                grad[i] += here[i]
