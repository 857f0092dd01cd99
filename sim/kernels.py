"""The step of `sim/reference.py`, event by event and compiled: one kernel for each contract.

Spikes are few, so a kernel walks over lists of spiking units and adds one row of weights for each.
All layers live in shared arrays, layer after layer. A contract's choices are constants of the
compiled code; its widths are arguments. Compiled code is cached on disk.
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numba
import numpy as np
from numpy.typing import NDArray

from sim.network import CubaLIF, IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace, variable_names


@dataclass(frozen=True)
class Run:
    """What a compiled run leaves.

    Attributes:
        out: readout words (n_steps, rows) int32.
        input_counts: spikes of each input that arrived, all steps but the last, (n_inputs,).
        sent_counts: the same for each hidden neuron, layer after layer.
        hidden_spikes: spikes of all hidden neurons over all steps.
        trace: every state word, or None if it was not asked for.
    """

    out: NDArray[np.int32]
    input_counts: NDArray[np.int64]
    sent_counts: NDArray[np.int64]
    hidden_spikes: int
    trace: Trace | None


def run(network: IntegerNetwork, raster: NDArray[np.uint8], *, record: bool = False) -> Run:
    """Run a network from its initial state.

    Args:
        network: the network.
        raster: input spikes (n_steps, n_inputs), 0 or 1.
        record: keep every state word.

    Raises:
        MismatchError: the raster has another number of channels than the network.
    """
    check_channels(network, raster)
    packed = _pack(network)
    n_steps = len(raster)
    n_hidden = sum(layer.n_neurons for layer in network.hidden)
    kept = n_steps if record else 0
    spk = np.zeros((kept, n_hidden), np.uint8)
    syn = np.zeros((kept, n_hidden), np.int32)
    mem = np.zeros((kept, n_hidden), np.int32)
    readout_syn = np.zeros((kept, network.readout.n_neurons), np.int32)
    out = np.zeros((n_steps, network.readout.n_neurons), np.int32)
    input_counts = np.zeros(network.n_inputs, np.int64)
    sent_counts = np.zeros(n_hidden, np.int64)
    c = network.contract
    hidden_spikes = _kernel(
        c.current == "previous",
        c.fires_on == "previous_membrane",
        c.fires_when == ">=",
        c.reset == "zero",
        c.reset_drops_input,
        c.rounding == "floor",
        c.overflow_syn == "wrap",
        c.overflow_mem == "wrap",
    )(
        np.ascontiguousarray(raster, np.uint8),
        packed,
        (c.decay_frac, c.frac_bits, c.syn_bits, c.mem_bits),
        record,
        (spk, syn, mem, readout_syn, out, input_counts, sent_counts),
    )
    trace = None
    if record:
        bounds = np.cumsum([0, *(layer.n_neurons for layer in network.hidden)])
        arrays: list[NDArray] = []
        for start, stop in pairwise(bounds):
            arrays += [words[:, start:stop] for words in (spk, syn, mem)]
        arrays += [readout_syn, out]
        trace = Trace(dict(zip(variable_names(network), arrays, strict=True)))
    return Run(out, input_counts, sent_counts, int(hidden_spikes), trace)


def run_backend(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Run and return every state word: what `verify` compares with the reference."""
    trace = run(network, raster, record=True).trace
    assert trace is not None  # because it was asked for
    return trace


def _pack(network: IntegerNetwork) -> tuple[NDArray, ...]:
    """Lay a network out as the kernel reads it: weights by presynaptic row, layers end to end."""
    hidden = network.hidden

    def joined(key: str, dtype) -> NDArray:
        return np.concatenate([getattr(layer, key) for layer in hidden]).astype(dtype)

    def recurrent(layer: CubaLIF) -> NDArray:
        return np.empty(0, layer.w_in.dtype) if layer.w_rec is None else layer.w_rec.T.ravel()

    readout = network.readout
    return (
        np.array([layer.n_neurons for layer in hidden], np.int64),
        np.array([layer.w_rec is not None for layer in hidden], np.bool_),
        np.concatenate([layer.w_in.T.ravel() for layer in hidden]),
        np.concatenate([recurrent(layer) for layer in hidden]),
        joined("e_in", np.int64),
        joined("e_rec", np.int64),
        joined("decay_syn", np.int64),
        joined("decay_mem", np.int64),
        joined("threshold", np.int64),
        np.ascontiguousarray(readout.w_out.T).ravel(),
        readout.decay_syn.astype(np.int64),
        readout.decay_mem.astype(np.int64),
        readout.initial_out.astype(np.int64),
    )


@cache
def _kernel(
    current_is_previous: bool,
    fires_on_previous: bool,
    fires_at_equal: bool,
    reset_to_zero: bool,
    reset_drops_input: bool,
    floor: bool,
    wrap_syn: bool,
    wrap_mem: bool,
):
    """Compile the kernel of one set of choices; the closure's constants decide every branch."""

    @numba.njit(cache=True, nogil=True)
    def kernel(raster, packed, widths, record, results):
        sizes, is_recurrent, w_in, w_rec, e_in, e_rec, decay_syn, decay_mem, threshold = packed[:9]
        w_out, decay_readout_syn, decay_out, initial_out = packed[9:]
        decay_frac, frac_bits, syn_bits, mem_bits = widths
        spk_kept, syn_kept, mem_kept, readout_syn_kept, out_kept, input_counts, sent_counts = (
            results
        )
        n_steps, n_inputs = raster.shape
        n_layers = len(sizes)
        n_hidden = len(threshold)
        n_rows = len(initial_out)

        fraction = (np.int64(1) << decay_frac) - 1
        syn_high = (np.int64(1) << (syn_bits - 1)) - 1
        syn_low = -syn_high - 1
        mem_high = (np.int64(1) << (mem_bits - 1)) - 1
        mem_low = -mem_high - 1
        syn_spare = 64 - syn_bits
        mem_spare = 64 - mem_bits

        syn = np.zeros(n_hidden, np.int64)
        mem = np.zeros(n_hidden, np.int64)
        readout_syn = np.zeros(n_rows, np.int64)
        out = initial_out.copy()
        acc_in = np.zeros(n_hidden, np.int32)
        acc_rec = np.zeros(n_hidden, np.int32)
        acc_out = np.zeros(n_rows, np.int32)
        # events[first : first + n_events[layer]]: neurons of a layer that spiked a step ago
        events = np.zeros(n_hidden, np.int64)
        n_events = np.zeros(n_layers, np.int64)
        hidden_spikes = 0

        for t in range(n_steps):
            acc_in[:] = 0
            acc_rec[:] = 0
            acc_out[:] = 0
            if t > 0:
                n = sizes[0]
                for j in range(n_inputs):
                    if raster[t - 1, j] != 0:
                        input_counts[j] += 1
                        row = j * n
                        for i in range(n):
                            acc_in[i] += w_in[row + i]
            first = 0
            block_in = n_inputs * sizes[0]  # where the next layer's weights begin
            block_rec = 0
            for layer in range(n_layers):
                n = sizes[layer]
                last = layer == n_layers - 1
                above = n_rows if last else sizes[layer + 1]
                for k in range(n_events[layer]):
                    j = events[first + k]
                    sent_counts[first + j] += 1
                    if is_recurrent[layer]:
                        row = block_rec + j * n
                        for i in range(n):
                            acc_rec[first + i] += w_rec[row + i]
                    if last:
                        row = j * above
                        for i in range(above):
                            acc_out[i] += w_out[row + i]
                    else:
                        row = block_in + j * above
                        for i in range(above):
                            acc_in[first + n + i] += w_in[row + i]
                if is_recurrent[layer]:
                    block_rec += n * n
                if not last:
                    block_in += n * above
                first += n

            first = 0
            for layer in range(n_layers):
                count = 0
                for k in range(sizes[layer]):
                    i = first + k
                    acc = (np.int64(acc_in[i]) << e_in[i]) + (np.int64(acc_rec[i]) << e_rec[i])

                    p = syn[i] * decay_syn[i]
                    if not floor:
                        p += (p >> 63) & fraction
                    new_syn = (p >> decay_frac) + (acc << frac_bits)
                    if wrap_syn:
                        new_syn = (new_syn << syn_spare) >> syn_spare
                    else:
                        new_syn = min(max(new_syn, syn_low), syn_high)
                    drive = syn[i] if current_is_previous else new_syn

                    p = mem[i] * decay_mem[i]
                    if not floor:
                        p += (p >> 63) & fraction
                    kept = p >> decay_frac
                    new_mem = kept + drive
                    if wrap_mem:
                        new_mem = (new_mem << mem_spare) >> mem_spare
                    else:
                        new_mem = min(max(new_mem, mem_low), mem_high)

                    tested = mem[i] if fires_on_previous else new_mem
                    fires = tested >= threshold[i] if fires_at_equal else tested > threshold[i]
                    if fires:
                        new_mem = np.int64(0) if reset_to_zero else kept - threshold[i]
                        if not reset_drops_input:
                            new_mem += drive
                        if wrap_mem:
                            new_mem = (new_mem << mem_spare) >> mem_spare
                        else:
                            new_mem = min(max(new_mem, mem_low), mem_high)
                        events[first + count] = k
                        count += 1
                    syn[i] = new_syn
                    mem[i] = new_mem
                    if record:
                        spk_kept[t, i] = fires
                        syn_kept[t, i] = new_syn
                        mem_kept[t, i] = new_mem
                n_events[layer] = count
                hidden_spikes += count
                first += sizes[layer]

            for i in range(n_rows):
                p = readout_syn[i] * decay_readout_syn[i]
                if not floor:
                    p += (p >> 63) & fraction
                new_syn = (p >> decay_frac) + (np.int64(acc_out[i]) << frac_bits)
                if wrap_syn:
                    new_syn = (new_syn << syn_spare) >> syn_spare
                else:
                    new_syn = min(max(new_syn, syn_low), syn_high)
                drive = readout_syn[i] if current_is_previous else new_syn
                p = out[i] * decay_out[i]
                if not floor:
                    p += (p >> 63) & fraction
                new_out = (p >> decay_frac) + drive
                if wrap_mem:
                    new_out = (new_out << mem_spare) >> mem_spare
                else:
                    new_out = min(max(new_out, mem_low), mem_high)
                readout_syn[i] = new_syn
                out[i] = new_out
                out_kept[t, i] = new_out
                if record:
                    readout_syn_kept[t, i] = new_syn
        return hidden_spikes

    return kernel
