"""Gradients of an integer network's run, as if there were no rounding; compiled.

The words of a run stand for the states of a float network whose weights and decays are those of the
integers. Backpropagation through time goes through that network, for every choice of a contract;
a spike has the gradient of a surrogate; rounding, saturation and the choice to reset have that of
the identity (straight-through, Bengio et al. 2013).

Weights are (post, pre) float32, words (n_steps, n) as `sim.trace` has them, one stream at a time.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from base.numba_cache import can_cache
from rsnn.surrogate import fill_slope
from sim.contract import NumericContract


class Choices(NamedTuple):
    """The fields of a contract that decide the path of a gradient."""

    current_is_previous: bool
    fires_on_previous: bool
    reset_to_zero: bool
    reset_drops_input: bool
    delay_steps: int


def choices(contract: NumericContract) -> Choices:
    """The choices of a contract."""
    return Choices(
        contract.current == "previous",
        contract.fires_on == "previous_membrane",
        contract.reset == "zero",
        contract.reset_drops_input,
        contract.delay_steps,
    )


class Units(NamedTuple):
    """Factors that turn a layer's words into floats, each (n,) float32.

    `syn` and `mem` are the weight of one step of a word, `threshold` the membrane that fires as a
    float, and the decays are factors below 1.
    """

    syn: Any
    mem: Any
    threshold: Any
    decay_syn: Any
    decay_mem: Any


@numba.njit(
    cache=can_cache(__file__), nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"}
)
def pull_hidden(
    how,
    units,
    surrogate,
    below,
    spk,
    syn,
    mem,
    resets,
    pending,
    w_in,
    w_rec,
    grad_spk,
    grad_below,
    sums,
):
    """Take the gradient of one stream back through a hidden layer.

    Args:
        how: `Choices`.
        units: `Units`.
        surrogate: `rsnn.surrogate.Surrogate.code`.
        below: spikes that come from below, (n_steps, pre) uint8.
        spk, syn, mem: words of the layer, (n_steps, post).
        resets: where a membrane is reset, (n_steps, post) uint8.
        pending: where it was tested after its reset, likewise; of no steps if it never is.
        w_in, w_rec: the weights as floats; w_rec is (0, 0) without recurrence.
        grad_spk: gradient by this layer's spikes from above, (n_steps, post); is overwritten.
        grad_below: to add the gradient by the spikes below to, (n_steps, pre), or (0, 0).
        sums: gradients to add to: w_in and w_rec as (pre, post), decay_syn, decay_mem, and bias,
            of no elements where there is none.
    """
    n_steps, n = spk.shape
    zero, one = np.float32(0.0), np.float32(1.0)
    grad_in, grad_rec, grad_decay_syn, grad_decay_mem, grad_bias = sums
    recurrent = w_rec.shape[0] > 0
    pull_syn = np.zeros(n, np.float32)  # by syn and mem after the step
    pull_mem = np.zeros(n, np.float32)
    tested = np.empty(n, np.float32)
    slope = np.empty(n, np.float32)
    for t in range(n_steps - 1, -1, -1):
        for i in range(n):
            last_mem = mem[t - 1, i] * units.mem[i] if t else zero
            last_syn = syn[t - 1, i] * units.syn[i] if t else zero
            tested[i] = last_mem
            if not how.fires_on_previous:
                drive = last_syn if how.current_is_previous else syn[t, i] * units.syn[i]
                decay = units.decay_mem[i]
                tested[i] = decay * last_mem + (one - decay) * drive
                if len(pending) and pending[t, i]:
                    left = zero if how.reset_to_zero else decay * last_mem - units.threshold[i]
                    kept = zero if how.reset_drops_input else (one - decay) * drive
                    tested[i] = left + kept
            tested[i] += one - units.threshold[i]
        fill_slope(surrogate, tested, slope)
        for i in range(n):
            last_mem = mem[t - 1, i] * units.mem[i] if t else zero
            last_syn = syn[t - 1, i] * units.syn[i] if t else zero
            drive = last_syn if how.current_is_previous else syn[t, i] * units.syn[i]
            decay = units.decay_mem[i]
            kick = grad_spk[t, i] * slope[i]
            by_sum, by_reset = pull_mem[i], zero  # by what is integrated, by what a reset leaves
            if resets[t, i]:
                by_sum, by_reset = zero, pull_mem[i]
            if not how.fires_on_previous:
                if len(pending) and pending[t, i]:
                    by_reset += kick
                else:
                    by_sum += kick
            by_mem = by_sum if how.reset_to_zero else by_sum + by_reset  # by decay * mem
            by_drive = by_sum if how.reset_drops_input else by_sum + by_reset
            grad_decay_mem[i] += by_mem * last_mem - by_drive * drive
            by_drive *= one - decay
            pull_mem[i] = decay * by_mem
            if how.fires_on_previous:
                pull_mem[i] += kick
            by_syn = pull_syn[i]
            if not how.current_is_previous:
                by_syn += by_drive
            grad_decay_syn[i] += by_syn * last_syn
            pull_syn[i] = by_syn  # by what arrives, for the moment
            slope[i] = units.decay_syn[i] * by_syn  # scratch: by the current before the step
            if how.current_is_previous:
                slope[i] += by_drive
        if t and recurrent:
            _add_rows(spk[t - 1], pull_syn, grad_rec)
            _add_product(pull_syn, w_rec, grad_spk[t - 1])
        sent = t - how.delay_steps
        if sent >= 0:
            _add_rows(below[sent], pull_syn, grad_in)
            if len(grad_below):
                _add_product(pull_syn, w_in, grad_below[sent])
        for i in range(len(grad_bias)):
            grad_bias[i] += pull_syn[i]
        for i in range(n):
            pull_syn[i] = slope[i]


@numba.njit(
    cache=can_cache(__file__), nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"}
)
def pull_readout(how, units, start, below, syn, out, w_out, grad_out, grad_below, sums):
    """Take the gradient of one stream back through the readout.

    Args:
        start: `out` before the first step, words (rows,).
        below: spikes of the last hidden layer, (n_steps, pre) uint8.
        syn, out: words, (n_steps, rows).
        grad_out: gradient by `out` as float, (n_steps, rows).
        grad_below: to add the gradient by the spikes below to, (n_steps, pre).
        sums: gradients to add to: w_out as (pre, rows), decay_syn, decay_mem, and bias, of no
            elements where there is none.
    """
    n_steps, n = out.shape
    zero, one = np.float32(0.0), np.float32(1.0)
    grad_w, grad_decay_syn, grad_decay_mem, grad_bias = sums
    pull_syn = np.zeros(n, np.float32)
    pull_out = np.zeros(n, np.float32)
    scratch = np.empty(n, np.float32)
    for t in range(n_steps - 1, -1, -1):
        for i in range(n):
            last_out = (out[t - 1, i] if t else start[i]) * units.mem[i]
            last_syn = syn[t - 1, i] * units.syn[i] if t else zero
            drive = last_syn if how.current_is_previous else syn[t, i] * units.syn[i]
            decay = units.decay_mem[i]
            pull = pull_out[i] + grad_out[t, i]
            grad_decay_mem[i] += pull * (last_out - drive)
            pull_out[i] = decay * pull
            by_drive = (one - decay) * pull
            by_syn = pull_syn[i]
            if not how.current_is_previous:
                by_syn += by_drive
            grad_decay_syn[i] += by_syn * last_syn
            pull_syn[i] = by_syn
            scratch[i] = units.decay_syn[i] * by_syn
            if how.current_is_previous:
                scratch[i] += by_drive
        sent = t - how.delay_steps
        if sent >= 0:
            _add_rows(below[sent], pull_syn, grad_w)
            _add_product(pull_syn, w_out, grad_below[sent])
        for i in range(len(grad_bias)):
            grad_bias[i] += pull_syn[i]
        for i in range(n):
            pull_syn[i] = scratch[i]


@numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _add_rows(spikes, row, total):
    """Add `row` (post,) to the rows of `total` (pre, post) of the units that spiked."""
    for j in range(len(spikes)):
        if spikes[j]:
            for i in range(len(row)):
                total[j, i] += row[i]


@numba.njit(nogil=True, error_model="numpy", fastmath={"contract", "nsz"})
def _add_product(pull, weights, total):
    """Add `pull` (post,) times `weights` (post, pre) to `total` (pre,)."""
    for i in range(len(pull)):
        factor = pull[i]
        for j in range(len(total)):
            total[j] += factor * weights[i, j]
