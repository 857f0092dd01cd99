"""Decoding one long stream or many at once with a float model, and NeuroBench's figures for it.

The arithmetic of `decode` is that of `RSNN.forward`, product by product and sum by sum, so both
give the same spikes; its loop takes a batch of one and keeps no history beyond its results.
"""

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from base.errors import DataError
from base.metrics import Connection, Metrics, check_shapes, measure, r2_score
from rsnn.fast import bptt
from rsnn.fast.denormals import flushed_denormals
from rsnn.model import RSNN, check_channels
from rsnn.neurons import CubaLI, CubaLIF
from rsnn.surrogate import V_THRESHOLD

_BLOCK = 256  # steps; large enough to project the input fast, small enough to stay in the cache


def decode(
    model: RSNN, raster: NDArray[np.uint8], *, dtype: torch.dtype = torch.float32
) -> tuple[NDArray[np.floating], tuple[NDArray[np.uint8], ...]]:
    """Run a model over one stream from its initial state.

    Args:
        model: left unchanged, whatever `dtype` says.
        raster: input spikes (n_steps, n_inputs).
        dtype: precision of weights, decays, states and sums during the run.

    Returns:
        `out` (n_steps, n_outputs), the mean of the heads, float64 if computed so and float32
        otherwise; and the spikes of each hidden layer, (n_steps, n_neurons) uint8.

    Raises:
        MismatchError: the raster has another number of channels than the model.
        DataError: the raster is empty, is not uint8 or holds other values than 0 and 1.
    """
    check_raster(model, raster)
    with torch.inference_mode():
        model = copy.deepcopy(model).to("cpu", dtype)
        if not model.architecture.is_published:  # the loop below supports no other order
            return _as_defined(model, raster, dtype)
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


class Response(NamedTuple):
    """Decoded streams `out` (n_streams, n_steps, n_outputs) float64, and for each hidden layer
    its spikes (n_streams, n_steps, n_neurons) uint8."""

    out: NDArray[np.float64]
    spk: tuple[NDArray[np.uint8], ...]

    def part(self, chosen: NDArray[np.bool_]) -> "Response":
        """Return some of the streams."""
        return Response(self.out[chosen], tuple(spk[chosen] for spk in self.spk))


def respond(model: RSNN, rasters: NDArray[np.uint8], dtype: str = "float32") -> Response:
    """Run a model over many streams, each from the initial state.

    Args:
        model: left unchanged.
        rasters: input spikes (n_streams, n_steps, n_inputs).
        dtype: name of the torch dtype of weights, decays, states and sums, such as `bfloat16`.

    Raises:
        MismatchError: the rasters have another number of channels than the model.
    """
    wanted = getattr(torch, dtype)
    cast = copy.deepcopy(model).to(wanted)
    streams = torch.from_numpy(np.ascontiguousarray(rasters))
    with torch.inference_mode(), flushed_denormals():
        if wanted == torch.float32:
            decoded = bptt.forward(cast, streams)
        else:
            decoded = cast(streams.to(wanted))
    spk = tuple(layer.to(torch.uint8).numpy() for layer in decoded.spk)
    return Response(decoded.out.double().numpy(), spk)


def evaluate(
    model: RSNN,
    raster: NDArray[np.uint8],
    velocity: NDArray[np.floating],
    *,
    dtype: torch.dtype = torch.float32,
) -> Metrics:
    """Decode one stream and return NeuroBench's figures for it.

    Args:
        model: its footprint is that of the dtype in which it is kept, whatever `dtype` says.
        raster: input spikes (n_steps, n_inputs).
        velocity: the target, (n_steps, n_outputs).
        dtype: precision of the run.

    Raises:
        MismatchError: channels, steps or outputs differ from those of the model or the raster.
        DataError: as in `decode`; a target that is not finite or has a constant coordinate.
    """
    check_raster(model, raster)
    check_target(model, raster, velocity)
    out, spk = decode(model, raster, dtype=dtype)
    return measure(
        _connections(model, raster, spk),
        hidden_spikes=sum(int(np.count_nonzero(layer)) for layer in spk),
        hidden_units=sum(model.architecture.hidden),
        n_steps=len(raster),
        footprint=sum(p.numel() * p.element_size() for p in model.parameters()),
        r2=r2_score(out, velocity),
    )


def _as_defined(
    model: RSNN, raster: NDArray[np.uint8], dtype: torch.dtype
) -> tuple[NDArray[np.floating], tuple[NDArray[np.uint8], ...]]:
    decoded = model(torch.from_numpy(raster.copy())[None].to(dtype))  # it may be read-only
    kept = torch.float64 if dtype == torch.float64 else torch.float32
    spikes = tuple(spk[0].to(torch.uint8).numpy() for spk in decoded.spk)
    return decoded.out[0].to(kept).numpy(), spikes


def check_raster(model: RSNN, raster: NDArray[np.uint8]) -> None:
    """Refuse a raster that the model cannot take; errors as in `decode`."""
    n_inputs = model.architecture.n_inputs
    if raster.ndim != 2 or raster.dtype != np.uint8 or len(raster) == 0:
        raise DataError(
            f"the raster is {raster.dtype} of shape {raster.shape}; it must be uint8 of shape"
            f" (n_steps, {n_inputs}) with at least 1 step"
        )
    check_channels(model, raster.shape[1])
    if raster.max() > 1:
        step, channel = np.argwhere(raster > 1)[0]
        raise DataError(
            f"the raster holds {raster[step, channel]} at step {step}, channel {channel}; it may"
            " hold 0 and 1 only, clip the counts with np.minimum(raster, 1)"
        )


def check_target(model: RSNN, raster: NDArray[np.uint8], velocity: NDArray[np.floating]) -> None:
    """Refuse a target on which R2 has no value for this model; errors as in `evaluate`."""
    check_shapes((len(raster), model.architecture.n_outputs), velocity.shape)
    if n_bad := int(np.count_nonzero(~np.isfinite(velocity))):
        raise DataError(
            f"the target has {n_bad} values that are NaN or infinite; leave those steps out"
        )
    constant = np.flatnonzero(velocity.min(0) == velocity.max(0))
    if constant.size:
        raise DataError(
            f"coordinate {constant[0]} of the target is constant over {len(velocity)} steps, so R2"
            " has no value; use a longer stretch of the recording"
        )


def blocks(n_steps: int) -> Iterator[slice]:
    """Cut a stream into blocks of nearly equal length, in order.

    Matrix products of a block's rows round alike for all lengths but the shortest; this is why the
    last block is as long as the others.
    """
    n_blocks = -(-n_steps // _BLOCK)
    edges = [i * n_steps // n_blocks for i in range(n_blocks + 1)]
    return (slice(start, stop) for start, stop in pairwise(edges))


def _connections(
    model: RSNN, raster: NDArray[np.uint8], spk: tuple[NDArray[np.uint8], ...]
) -> list[Connection]:
    """Every weight matrix with the spikes it received; with a delay, the last step's reach none."""
    late = model.architecture.order.delay_steps
    counts = [source[: len(raster) - late].sum(0, dtype=np.int64) for source in (raster, *spk)]
    feeds: dict[str, NDArray[np.int64]] = {}
    for i, own in enumerate(spk):
        feeds |= {f"hidden{i}.w_in": counts[i], f"hidden{i}.w_rec": own[:-1].sum(0, dtype=np.int64)}
    for i in range(len(model.readouts)):
        feeds[f"head{i}.w_out"] = counts[-1]
    return [
        Connection((weight != 0).cpu().numpy(), feeds[name])
        for name, weight in model.connections().items()
    ]


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
