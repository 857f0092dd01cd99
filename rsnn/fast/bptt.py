"""The fast path of training: `RSNN.forward` and its gradient over compiled, event-driven loops.

The definition is `RSNN.forward`; the same generator gives the same dropout here, and results agree
up to float rounding. Spikes are few, so forward adds one row of weights for each, and so does the
gradient of the weights; only what flows back through the recurrent connection is dense.

The batch is cut into chunks of samples, whose number follows from the batch alone. Each chunk is
one thread's from the first layer to the last, and their gradients are summed in order: results do
not depend on the number of threads.
"""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from base.errors import MismatchError
from rsnn.fast.backward import pull_hidden, pull_readout
from rsnn.fast.denormals import flushed_denormals
from rsnn.fast.dropout import draw_key, keep_limit
from rsnn.fast.forward import Dropout, Events, block_steps, gather, run_hidden, run_readout
from rsnn.fast.parameters import decoded, has_published_loops, layers_of
from rsnn.layer_floats import LayerFloats, by_layer, flattened
from rsnn.model import RSNN, Decoded, check_channels

# Samples of a chunk: an eighth of the batch, so that eight threads find work, within these bounds.
# A step of fewer is too short a loop, one of more leaves the cache.
CHUNK_SIZES = (8, 32)
_Arrays = LayerFloats[NDArray[np.float32]]


class Workspace:
    """Threads and memory of many steps of training: fresh memory costs as much as filling it.

    An array that was taken is not given out again before it is given back, so any number of runs
    may wait for their backward passes; those that never come leave theirs to the garbage collector.

    Args:
        n_threads: threads that share a batch, by default as many as torch has now. torch itself may
            then be left with one: its operations of a step are small, and each waits for all.
    """

    def __init__(self, n_threads: int | None = None) -> None:
        self.n_threads = n_threads or torch.get_num_threads()
        self._free: dict[tuple, list[NDArray]] = {}
        self._pool = ThreadPoolExecutor(self.n_threads)  # starts none before there is work

    def take(self, shape: tuple[int, ...], dtype) -> NDArray:
        """Return an uninitialized array."""
        try:  # in one step, because threads share this
            return self._free[shape, np.dtype(dtype)].pop()
        except (KeyError, IndexError):
            return np.empty(shape, dtype)

    def give_back(self, arrays: list[NDArray]) -> None:
        """Take back arrays that are no longer read."""
        for array in arrays:
            self._free.setdefault((array.shape, array.dtype), []).append(array)

    def map(self, work: Callable[[Any], Any], items: list[Any]) -> list[Any]:
        """Do work on each item; this thread is one of those that each take the next item.

        Waking a waiting thread takes longer than it could save here.
        """
        waiting = deque(enumerate(items))
        results: list[Any] = [None] * len(items)

        def take_turns() -> None:
            while waiting:
                try:  # in one step, because another may have been faster
                    i, item = waiting.popleft()
                except IndexError:
                    return
                results[i] = work(item)

        with flushed_denormals():  # threads inherit it from the one that starts them
            n_others = min(self.n_threads, len(items)) - 1
            others = [self._pool.submit(take_turns) for _ in range(n_others)]
            try:
                take_turns()
            finally:
                waiting.clear()
                for other in others:
                    other.result()
        return results


def forward(
    model: RSNN,
    raster: Tensor,
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
    workspace: Workspace | None = None,
    *,
    with_spikes: bool = True,
) -> Decoded:
    """Do what `RSNN.forward` does, differentiable once, with respect to the parameters.

    Args:
        model: with parameters in float32 on the CPU.
        raster: input spikes (batch, n_steps, n_inputs), 0 and 1; uint8 spares a conversion.
        dropout, generator: as in `RSNN.forward`.
        workspace: threads, and memory reused from call to call; a new one if not given.
        with_spikes: return `spk` beside `counts`, which are enough for training and a fraction of
            the memory.

    Raises:
        MismatchError: another number of channels, another dtype or device.
    """
    check_channels(model, raster.shape[2])
    for name, parameter in model.named_parameters():
        if parameter.dtype != torch.float32 or parameter.device.type != "cpu":
            raise MismatchError(
                f"`{name}` is {parameter.dtype} on {parameter.device}; the numba kernel computes in"
                " torch.float32 on the CPU, choose the torch kernel"
            )
    if not has_published_loops(model):
        return model(raster.to(torch.float32), dropout, generator)
    keys = [draw_key(generator) if dropout else np.uint64(0) for _ in range(len(model.layers) + 1)]
    surrogates = [layer.surrogate.code for layer in model.layers]
    run = _Run(raster.detach(), keys, dropout, surrogates, workspace or Workspace(), with_spikes)
    out, *rest = _Compiled.apply(run, *flattened(layers_of(model)))
    if not out.requires_grad:
        run.release()
    return decoded(model, out, rest)


class _Compiled(torch.autograd.Function):
    """All layers of a network at once, as a function of their flattened `LayerFloats`.

    The last is the readout: the heads, as one layer of all their rows. Returns `out` (n_steps,
    batch, n), the spike counts of each hidden layer (batch, n), and its spikes (n_steps, batch, n)
    if they are wanted.
    """

    @staticmethod
    def forward(ctx: Any, run: "_Run", *parameters: Tensor | None) -> tuple[Tensor, ...]:
        ctx.run = run
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*parameters)
        arrays = [None if p is None else p.detach().numpy() for p in parameters]
        results = run.forward(by_layer(arrays))
        return tuple(torch.from_numpy(result) for result in results)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        assert ctx.saved_tensors  # or torch says that the graph is gone or a parameter has changed
        found = flattened(ctx.run.backward(grads))
        return (None, *(None if grad is None else torch.from_numpy(grad) for grad in found))


@dataclass(frozen=True)
class _Layer:
    """Parameters of a layer as the compiled loops read them.

    `w_in` and `w_rec` are (post, pre), transposed for forward; `w_rec` has no rows where there is
    no recurrence, `bias` no elements where there is none.
    """

    w_in: NDArray[np.float32]
    w_rec: NDArray[np.float32]
    bias: NDArray[np.float32]
    decays: tuple[NDArray[np.float32], ...]

    @classmethod
    def of(cls, layer: _Arrays) -> "_Layer":
        w_rec = np.empty((0, 0), np.float32) if layer.w_rec is None else layer.w_rec
        bias = np.empty(0, np.float32) if layer.bias is None else layer.bias
        decays = (layer.decay_mem, np.float32(1.0) - layer.decay_mem, layer.decay_syn)
        return cls(np.ascontiguousarray(layer.w_in), np.ascontiguousarray(w_rec), bias, decays)

    def transposed(self) -> "_Layer":
        w_in, w_rec = np.ascontiguousarray(self.w_in.T), np.ascontiguousarray(self.w_rec.T)
        return _Layer(w_in, w_rec, self.bias, self.decays)

    @property
    def size(self) -> int:
        return len(self.decays[0])


class _Run:
    """One pass over a batch forward and, at most once, back."""

    def __init__(
        self,
        raster: Tensor,
        keys: list[np.uint64],
        dropout: float,
        surrogates: list[tuple[int, np.float32]],
        workspace: Workspace,
        with_spikes: bool,
    ) -> None:
        self.with_spikes = with_spikes
        self.surrogates = surrogates
        self.n_inputs = raster.shape[2]
        raster = raster.to(torch.uint8)
        if self.n_inputs % 8:  # eight bytes are read at once
            raster = torch.nn.functional.pad(raster, (0, -self.n_inputs % 8))
        self.raster = raster.contiguous().numpy().view(np.uint64)
        self.keys = keys
        self.limit = keep_limit(dropout)
        self.scale = np.float32(1.0 / (1.0 - dropout))
        self.workspace = workspace
        smallest, largest = CHUNK_SIZES
        n_chunks = -(-len(raster) // min(max(len(raster) // 8, smallest), largest))
        bounds = [len(raster) * c // n_chunks for c in range(n_chunks + 1)]
        self.chunks = [_Chunk(self, slice(*pair)) for pair in pairwise(bounds)]
        self.layers: list[_Layer] = []

    def forward(self, layers: list[_Arrays]) -> list[NDArray[np.float32]]:
        """Return the results of `_Compiled`."""
        self.layers = [_Layer.of(layer) for layer in layers]
        forward = [layer.transposed() for layer in self.layers]
        batch, n_steps = self.raster.shape[:2]
        sizes = [layer.size for layer in self.layers]
        out = np.empty((n_steps, batch, sizes.pop()), np.float32)
        counts = [np.empty((batch, n), np.float32) for n in sizes]
        n_filled = n_steps if self.with_spikes else 0
        spk = [np.empty((n_filled, batch, n), np.float32) for n in sizes]
        self.workspace.map(lambda chunk: chunk.forward(forward, counts, spk, out), self.chunks)
        return [out, *counts, *(spk if self.with_spikes else ())]

    def backward(self, grads: Sequence[Tensor | None]) -> list[_Arrays]:
        """Return the gradients of the layers from those of what `forward` returned."""
        n_hidden = len(self.layers) - 1
        out, counts, spk = grads[0], grads[1 : n_hidden + 1], grads[n_hidden + 1 :]
        dense = []
        for level, layer in enumerate(self.layers[:-1]):
            grad = counts[level]
            same = np.zeros((1, len(self.raster), layer.size), np.float32)
            if grad is not None:
                same += grad.numpy()
            spikes = spk[level] if spk else None
            dense.append(same if spikes is None else same + _compact(spikes))
        nothing = np.zeros((1, len(self.raster), self.layers[-1].size), np.float32)
        dense.append(nothing if out is None else _compact(out))
        sums = self.workspace.map(lambda chunk: chunk.backward(dense), self.chunks)
        found = []
        for layer, *parts in zip(self.layers, *sums, strict=True):
            w_in, w_rec, bias, decays = (sum(arrays) for arrays in zip(*parts, strict=True))
            found.append(
                LayerFloats(
                    (w_in * self.scale).T,
                    (w_rec * self.scale).T if len(layer.w_rec) else None,
                    bias.astype(np.float32) if len(layer.bias) else None,
                    *decays.astype(np.float32),
                )
            )
        self.release()
        return found

    def release(self) -> None:
        """Give the memory back."""
        for chunk in self.chunks:
            self.workspace.give_back(chunk.held)
            chunk.held = []


class _Chunk:
    """A few samples of a run, taken through all layers by one thread."""

    def __init__(self, run: _Run, samples: slice) -> None:
        self.run = run
        self.samples = samples
        self.n_samples = samples.stop - samples.start
        self.held: list[NDArray] = []  # given back after the run
        self.events: list[Events] = []  # events of the input and of each hidden layer
        self.states: list[tuple[NDArray, NDArray]] = []  # kept mem or out, and syn, of each layer

    def forward(
        self, layers: list[_Layer], counts: list[NDArray], spk: list[NDArray], out: NDArray
    ) -> None:
        """Run, and fill `counts`, `spk` and `out`; `layers` are transposed."""
        run, first = self.run, self.samples.start
        self._new_events(run.n_inputs)
        gather(run.raster, first, self._dropout(0), run.n_inputs, self.events[0])
        n_steps = run.raster.shape[1]
        for level, layer in enumerate(layers[:-1]):
            n_blocks = -(-n_steps // block_steps(self.n_samples, layer.size))
            kept_mem, syn = self._take(n_blocks, layer.size), self._take(n_steps, layer.size)
            self._new_events(layer.size)
            run_hidden(
                self.events[level],
                layer.w_in,
                layer.w_rec,
                layer.bias,
                layer.decays,
                run.scale,
                self._dropout(level + 1),
                first,
                self.events[level + 1],
                kept_mem,
                syn,
                counts[level],
                spk[level],
            )
            self.states.append((kept_mem, syn))
        readout, syn = layers[-1], self._take(n_steps, layers[-1].size)
        run_readout(
            self.events[-1], readout.w_in, readout.bias, readout.decays, run.scale, first, syn, out
        )
        self.states.append((out, syn))

    def backward(self, grads: list[NDArray]) -> list[tuple[NDArray, NDArray, NDArray, NDArray]]:
        """Return the gradients of w_in, w_rec, bias and decays, weights (pre, post), not scaled."""
        run, first = self.run, self.samples.start
        found = []
        scratch = [run.workspace.take(syn.shape, np.float32) for _, syn in self.states[1:]]
        n_steps, n_samples, n = self.states[0][1].shape
        n_kept = min(block_steps(n_samples, n) + 2, n_steps)  # nothing is below the first layer
        scratch.insert(0, run.workspace.take((n_kept, n_samples, n), np.float32))
        for level in reversed(range(len(run.layers))):
            layer, (state, syn) = run.layers[level], self.states[level]
            lambda_syn = scratch[level]
            grad_decays = np.empty((2, layer.size))
            grad_in = np.zeros(layer.w_in.T.shape, np.float32)
            grad_rec = np.zeros_like(layer.w_rec)
            grad_bias = np.zeros(len(layer.bias))
            if level == len(run.layers) - 1:
                pull_readout(
                    grads[level],
                    layer.decays,
                    first,
                    syn,
                    state,
                    self.events[level],
                    lambda_syn,
                    grad_decays,
                    grad_in,
                    grad_bias,
                )
            else:
                pull_hidden(
                    grads[level],
                    scratch[level + 1],
                    run.layers[level + 1].w_in,
                    layer.w_rec,
                    layer.decays,
                    run.scale,
                    self._dropout(level + 1),
                    run.surrogates[level],
                    first,
                    state,
                    syn,
                    self.events[level],
                    self.events[level + 1],
                    lambda_syn,
                    grad_decays,
                    grad_in,
                    grad_rec,
                    grad_bias,
                )
            found.append((grad_in, grad_rec, grad_bias, grad_decays))
        run.workspace.give_back(scratch)  # for the next chunk, while it is in the cache
        return found[::-1]

    def _dropout(self, level: int) -> Dropout:
        return Dropout(self.run.keys[level], self.run.limit)

    def _take(self, n_rows: int, n: int) -> NDArray[np.float32]:
        """Room for one number per sample, unit and step."""
        self.held.append(self.run.workspace.take((n_rows, self.n_samples, n), np.float32))
        return self.held[-1]

    def _new_events(self, n: int) -> None:
        """Room for every unit to spike at every step; memory never written costs nothing."""
        rows = self.n_samples * self.run.raster.shape[1]
        take = self.run.workspace.take
        self.events.append(Events(take((rows + 1,), np.int64), take((rows * n + 1,), np.int32)))
        self.held += self.events[-1]


def _compact(grad: Tensor) -> NDArray[np.float32]:
    """A gradient (n_steps, batch, n), or (1, batch, n) if it is the same at all steps."""
    return (grad[:1] if grad.stride(0) == 0 else grad).contiguous().numpy()
