"""One long stream through a model in the published order, block by block, in any precision.

The arithmetic is that of `RSNN.forward`, product by product and sum by sum, so both give the same
spikes; the loop takes a batch of one and keeps no history beyond its results.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsnn.model import RSNN
from rsnn.neurons import CubaLI, CubaLIF
from rsnn.surrogate import V_THRESHOLD

_BLOCK = 256  # steps; large enough to project the input fast, small enough to stay in the cache


def decode_published(
    model: RSNN, raster: NDArray[np.uint8], dtype: torch.dtype
) -> tuple[NDArray[np.floating], tuple[NDArray[np.uint8], ...]]:
    """Run a model of the published order over one stream from its initial state.

    Args:
        model: in `dtype`, on the CPU.
        raster: input spikes (n_steps, n_inputs) uint8, 0 and 1.
        dtype: precision of states and sums.

    Returns:
        As `rsnn.evaluate.decode`.
    """
    sizes = model.architecture.hidden
    hidden = [_Hidden(layer) for layer in model.layers]
    readout = _Readout(model.readouts)
    delays = [_Delay(n, dtype) for n in (raster.shape[1], *sizes)]
    kept = np.float64 if dtype == torch.float64 else np.float32
    out = np.empty((len(raster), model.architecture.n_outputs), kept)
    spk = tuple(np.empty((len(raster), n), np.uint8) for n in sizes)
    for block in blocks(len(raster)):
        signal = torch.from_numpy(raster[block].astype(np.float32)).to(dtype)
        for layer, delay, spikes in zip(hidden, delays[:-1], spk, strict=True):
            signal = layer.advance(delay(signal))
            spikes[block] = signal.to(torch.uint8).numpy()
        decoded = readout.advance(delays[-1](signal))
        out[block] = decoded.to(torch.float64).numpy()
    return out, spk


def blocks(n_steps: int) -> Iterator[slice]:
    """Cut a stream into blocks of nearly equal length, in order.

    Matrix products of a block's rows round alike for all lengths but the shortest; this is why the
    last block is as long as the others.
    """
    n_blocks = -(-n_steps // _BLOCK)
    edges = [i * n_steps // n_blocks for i in range(n_blocks + 1)]
    return (slice(start, stop) for start, stop in pairwise(edges))


# Starting a dozen small operations is the cost of a step. Both kinds of layer therefore keep
# membranes and currents side by side in one row per step, [v | syn], and update
#     [v | syn][t] = [decay_mem | decay_syn] [v | syn][t-1] + [gain syn[t-1] | acc]
# at once, where v is `mem` or `out` and acc is what has arrived.


class _Hidden:
    """A hidden layer and its state between blocks."""

    def __init__(self, layer: CubaLIF) -> None:
        decay_mem, self.gain, decay_syn = layer.tau.factors(1)
        self.decays = torch.cat((decay_mem, decay_syn), 1)
        self.w_in = layer.w_in.T
        self.w_rec = None if layer.w_rec is None else layer.w_rec.T
        self.bias = layer.bias
        initial = layer.initial_state(1)
        self.spk, self.state = initial.spk, torch.cat((initial.mem, initial.syn), 1)
        self.threshold = torch.full_like(self.spk, V_THRESHOLD)

    def advance(self, sent: Tensor) -> Tensor:
        """Return the spikes (length, n_neurons) of a block that receives `sent` (length, n)."""
        spikes = torch.cat((self.spk, self.spk.new_empty(len(sent), self.spk.shape[1])))
        states, mems, syns = _rows(self.state, len(sent))
        feeds = sent @ self.w_in
        if self.bias is not None:
            feeds += self.bias
        arriving, drives, accs = _rows(torch.cat((torch.empty_like(feeds), feeds), 1))
        spks = spikes.split(1)
        recurrent, zero = torch.empty_like(self.spk), self.spk.new_zeros(())
        fired = torch.empty_like(self.spk, dtype=torch.bool)
        for t in range(len(sent)):
            if self.w_rec is not None:
                accs[t].add_(torch.mm(spks[t], self.w_rec, out=recurrent))
            torch.mul(syns[t], self.gain, out=drives[t])
            torch.mul(states[t], self.decays, out=states[t + 1]).add_(arriving[t])
            torch.gt(mems[t], self.threshold, out=fired)
            mems[t + 1].masked_fill_(fired, zero)
            spks[t + 1].copy_(fired)
        self.spk, self.state = spks[-1].clone(), states[-1].clone()
        return spikes[1:]


class _Readout:
    """All heads and their state between blocks; units in order of the heads."""

    def __init__(self, heads: Sequence[CubaLI]) -> None:
        factors = [head.tau.factors(1) for head in heads]
        decay_mem, self.gain, decay_syn = (torch.cat(x, 1) for x in zip(*factors, strict=True))
        self.decays = torch.cat((decay_mem, decay_syn), 1)
        self.w_out = [head.w_out.T for head in heads]
        biases: list[Tensor] = [head.bias for head in heads if head.bias is not None]
        self.bias = torch.cat(biases) if biases else None
        initial = [head.initial_state(1) for head in heads]
        self.state = torch.cat([s.out for s in initial] + [s.syn for s in initial], 1)

    def advance(self, sent: Tensor) -> Tensor:
        """Return the mean `out` (length, n_outputs) of a block that receives `sent`."""
        feeds = torch.cat([sent @ w_out for w_out in self.w_out], 1)
        if self.bias is not None:
            feeds += self.bias
        arriving, drives, _ = _rows(torch.cat((torch.empty_like(feeds), feeds), 1))
        states, outs, syns = _rows(self.state, len(sent))
        for t in range(len(sent)):
            torch.mul(syns[t], self.gain, out=drives[t])
            torch.mul(states[t], self.decays, out=states[t + 1]).add_(arriving[t])
        self.state = states[-1].clone()
        return torch.stack(torch.cat(outs[1:]).chunk(len(self.w_out), 1)).mean(0)


def _rows(block: Tensor, n_more: int = 0) -> tuple[tuple[Tensor, ...], ...]:
    """Append `n_more` unset rows; return views (1, 2n) of all rows, and their halves (1, n)."""
    block = torch.cat((block, block.new_empty(n_more, block.shape[1])))
    return block.split(1), *(half.split(1) for half in block.chunk(2, 1))


class _Delay:
    """One step of delay: signals sent at the end of a block arrive at the start of the next."""

    def __init__(self, n: int, dtype: torch.dtype) -> None:
        self.last = torch.zeros(1, n, dtype=dtype)

    def __call__(self, signal: Tensor) -> Tensor:
        """Return `signal` (length, n) a step later."""
        delayed = torch.cat((self.last, signal[:-1]))
        self.last = signal[-1:].clone()
        return delayed
