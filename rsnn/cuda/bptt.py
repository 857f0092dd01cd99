"""`RSNN.forward` and its gradient by CUDA kernels, each of which takes a layer through all steps.

The definition is `RSNN.forward`. The same keys give the same dropout as everywhere, and the same
decays the same spikes and outputs as `rsnn.fast.bptt`, bit for bit: kernels add in its order.

Currents are kept for backward, membranes once per `HISTORY` steps; backward writes its gradients of
currents over the currents. Each block sums what it finds, and torch adds the blocks in order, so
that two runs on one card are equal to the bit.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from base.errors import MismatchError
from rsnn.cuda.card import Argument, Kernels
from rsnn.fast.dropout import draw_key, keep_limit
from rsnn.fast.parameters import decoded, has_published_loops, layers_of
from rsnn.layer_floats import LayerFloats, by_layer, flattened
from rsnn.model import RSNN, Decoded, check_channels

HISTORY = 16  # steps of which one membrane is kept, as in kernels/common.h
MOST_UNITS = 1024  # of a layer and of the input: threads of a block, words of a warp
NARROW = 128  # neurons up to which a recurrent layer fits into one block on its way back
MOST_ABOVE = 16  # units of the layer above whose weights a thread keeps in registers
SAMPLES = 8  # that share the blocks of a wide layer on its way back
WIDE_BLOCK = 256  # threads of such a block
FLAT_BLOCK = 256  # threads of a block of kernels with one thread per element
WARPS_PER_PROCESSOR = 16  # that gradients of weights keep busy


def unsupported(model: RSNN, n_processors: int) -> str | None:
    """Why these kernels cannot compute a model; None if they can.

    Args:
        n_processors: multiprocessors of the card.
    """
    if not has_published_loops(model):
        return "its neurons or the order of its step are not the published ones"
    for name, n in {"inputs": model.architecture.n_inputs, **_sizes(model)}.items():
        if n > MOST_UNITS:
            return f"{name} has {n} units, the kernels at most {MOST_UNITS}"
    for name, layer in zip(_sizes(model), model.layers, strict=True):
        n = layer.n_neurons
        if layer.w_rec is not None and n > NARROW and _words(n) > n_processors:
            return f"{name} has {n} neurons, the card {n_processors} multiprocessors"
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        return "its parameters are not torch.float32"
    return None


def draw_keys(model: RSNN, dropout: float, generator: torch.Generator | None) -> Tensor:
    """Draw the keys of dropout, of the input and of each hidden layer, (n,) int64 on the CPU."""
    keys = [draw_key(generator) if dropout else np.uint64(0) for _ in range(len(model.layers) + 1)]
    return torch.from_numpy(np.array(keys, np.uint64).view(np.int64))


def forward(
    model: RSNN,
    raster: Tensor,
    dropout: float = 0.0,
    generator: torch.Generator | None = None,
    *,
    kernels: Kernels,
    keys: Tensor | None = None,
    with_spikes: bool = True,
) -> Decoded:
    """Do what `RSNN.forward` does, differentiable once, with respect to the parameters.

    Args:
        model: one that `unsupported` finds no fault with, on the card.
        raster: input spikes (batch, n_steps, n_inputs), 0 and 1, uint8, on the card.
        dropout, generator: as in `RSNN.forward`.
        kernels: of the card.
        keys: of dropout, on the card, in place of those that the generator gives.
        with_spikes: return `spk` beside `counts`, which are enough for training and a fraction of
            the memory.

    Raises:
        MismatchError: another number of channels.
    """
    check_channels(model, raster.shape[2])
    if keys is None:
        keys = draw_keys(model, dropout, generator).to(raster.device)
    run = _Run(model, raster.to(torch.uint8).contiguous(), keys, dropout, kernels, with_spikes)
    out, *rest = _AllSteps.apply(run, *flattened(layers_of(model)))
    return decoded(model, out, rest)


class _AllSteps(torch.autograd.Function):
    """As `rsnn.fast.bptt._Compiled`, with the same arguments and results."""

    @staticmethod
    def forward(ctx: Any, run: "_Run", *parameters: Tensor | None) -> tuple[Tensor, ...]:
        ctx.run = run
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*parameters)
        keeps = any(ctx.needs_input_grad)
        detached = [None if p is None else p.detach() for p in parameters]
        return tuple(run.forward(by_layer(detached), keeps))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        detached = [None if p is None else p.detach() for p in ctx.saved_tensors]
        found = flattened(ctx.run.backward(by_layer(detached), grads))
        return (None, *found)


class _Kept(NamedTuple):
    """What backward needs of a layer.

    Spikes and what dropout keeps of them are masks (n_steps, batch, words), see kernels/common.h.
    `state` holds some membranes of a hidden layer, or the outputs of readouts; `syn` the currents.
    """

    arriving: Tensor
    keep: Tensor | None
    sent: Tensor | None
    state: Tensor
    syn: Tensor


class _Run:
    """One pass over a batch forward and, at most once, back."""

    def __init__(
        self,
        model: RSNN,
        raster: Tensor,
        keys: Tensor,
        dropout: float,
        kernels: Kernels,
        with_spikes: bool,
    ) -> None:
        self.surrogates = [layer.surrogate.code for layer in model.layers]
        self.raster = raster
        self.batch, self.n_steps, self.n_inputs = raster.shape
        self.keys = keys
        self.limit = keep_limit(dropout)
        self.scale = np.float32(1.0 / (1.0 - dropout))
        self.kernels = kernels
        self.with_spikes = with_spikes
        self.kept: list[_Kept] = []

    def forward(self, layers: list[LayerFloats], keeps: bool) -> list[Tensor]:
        """Return the results of `_AllSteps`; keep what backward needs if it is wanted."""
        arriving = self._masks(self.n_inputs)
        self._each("input_spikes", arriving, self.raster, self.keys[:1], np.int32(self.limit),
                   *_ints(self.n_inputs, self.n_steps, self.batch), arriving)  # fmt: skip
        counts, spikes, kept = [], [], []
        for level, layer in enumerate(layers[:-1]):
            n = len(layer.decay_mem)
            syn = self._project(arriving, layer.w_in)
            keep, sent = self._masks(n), self._masks(n)
            fired = self._masks(n) if self.with_spikes else None
            self._each("keep_masks", keep, self.keys[level + 1 : level + 2],
                       np.int32(self.limit), *_ints(n, self.n_steps, self.batch),
                       keep)  # fmt: skip
            state = self._new(-(-self.n_steps // HISTORY), self.batch, n)
            counts.append(self._new(self.batch, n))
            recurrent = layer.w_rec is not None
            in_shared = recurrent and n <= NARROW
            self._launch(
                "run_hidden",
                {"N": n, "RECURRENT": int(recurrent), "IN_SHARED": int(in_shared)},
                (self.batch, 1),
                32 * _words(n),
                4 * (32 * _words(n) + 32 + n * n * in_shared),
                [keep, _transposed(layer.w_rec), *_constants(layer), self.scale,
                 *_ints(self.n_steps, self.batch), sent, fired, state, syn, counts[-1]],
            )  # fmt: skip
            if fired is not None:
                spikes.append(_unpacked(fired, n))
            kept.append(_Kept(arriving, keep, sent, state, syn))
            arriving = sent
        readout = layers[-1]
        n = len(readout.decay_mem)
        syn = self._project(arriving, readout.w_in)
        out = self._new(self.n_steps, self.batch, n)
        self._each("run_readout", out[0], *_constants(readout), self.scale,
                   *_ints(n, self.n_steps, self.batch), syn, out)  # fmt: skip
        kept.append(_Kept(arriving, None, None, out, syn))
        if keeps:
            self.kept = kept
        return [out, *counts, *spikes]

    def backward(
        self, layers: list[LayerFloats], grads: Sequence[Tensor | None]
    ) -> list[LayerFloats]:
        """Return the gradients of the layers from those of what `forward` returned.

        Raises:
            MismatchError: the second time, since the first has written over what it needs.
        """
        if not self.kept:
            raise MismatchError("the cuda kernel is differentiable once; run it forward again")
        kept, self.kept = self.kept, []
        found = [self._pull_readout(layers[-1], kept[-1], grads[0])]
        for level in reversed(range(len(layers) - 1)):
            above = kept[level + 1].syn, layers[level + 1].w_in
            given = grads[1 + level], grads[len(layers) + level] if self.with_spikes else None
            found.append(self._pull_hidden(level, layers[level], kept[level], above, given))
        return found[::-1]

    def _pull_readout(
        self, layer: LayerFloats, kept: _Kept, grad_out: Tensor | None
    ) -> LayerFloats:
        n = len(layer.decay_mem)
        grad = torch.zeros_like(kept.state) if grad_out is None else grad_out.contiguous()
        sums = self._new(3, self.batch, n)
        _, *decays = _constants(layer)
        self._each("pull_readout", kept.state[0], grad, *decays,
                   *_ints(n, self.n_steps, self.batch), kept.state, kept.syn,
                   sums)  # fmt: skip
        return self._gradients(layer, kept, sums)

    def _pull_hidden(
        self,
        level: int,
        layer: LayerFloats,
        kept: _Kept,
        above: tuple[Tensor, Tensor],
        given: tuple[Tensor | None, Tensor | None],
    ) -> LayerFloats:
        n = len(layer.decay_mem)
        lambdas, w_above = above
        n_above = lambdas.shape[2]
        if n_above > MOST_ABOVE:
            lambdas, n_above = lambdas @ w_above, 0
        counts, spikes = (None if grad is None else grad.contiguous() for grad in given)
        sums = self._new(3, self.batch, n)
        code, beta = self.surrogates[level]
        _, *decays = _constants(layer)
        arguments: list[Argument] = [
            self._new(self.batch, n).zero_() if counts is None else counts, spikes, lambdas,
            w_above.contiguous(), kept.keep,
            None if layer.w_rec is None else layer.w_rec.contiguous(), *decays, self.scale,
            np.int32(code), beta, *_ints(self.n_steps, self.batch), kept.state, kept.syn,
            sums,
        ]  # fmt: skip
        sizes = {"N": n, "N_ABOVE": n_above}
        if layer.w_rec is None or n <= NARROW:
            recurrent = layer.w_rec is not None
            columns = min(n, NARROW)
            block = 32 * _words(columns)
            shared = 2 * _up(n, 4) * recurrent + HISTORY * (n_above + 3 * block)
            sizes |= {"RECURRENT": int(recurrent), "COLUMNS": columns}
            grid = self.batch, -(-n // columns)
            self._launch("pull_narrow", sizes, grid, block, 4 * shared, arguments)
        else:
            groups = min(-(-self.batch // SAMPLES), self.kernels.n_processors // _words(n))
            shared = SAMPLES * (_up(n, 32) + WIDE_BLOCK + HISTORY * n_above)
            shared += 3 * HISTORY * WIDE_BLOCK
            arrived = torch.zeros(
                groups, self.n_steps, dtype=torch.int32, device=self.raster.device
            )
            grid = groups * _words(n), 1
            self._launch("pull_wide", sizes, grid, WIDE_BLOCK, 4 * shared, [*arguments, arrived])
        return self._gradients(layer, kept, sums)

    def _gradients(self, layer: LayerFloats, kept: _Kept, sums: Tensor) -> LayerFloats:
        """Gradients of a layer, from lambda_syn in `kept.syn` and the sums of each sample."""
        decay_mem, decay_syn, bias = sums.sum(1)
        w_rec = None
        if layer.w_rec is not None:
            assert kept.sent is not None
            w_rec = self._weights(kept.sent, kept.syn, len(bias))
        w_in = self._weights(kept.arriving, kept.syn, layer.w_in.shape[1])
        return LayerFloats(w_in, w_rec, None if layer.bias is None else bias, decay_mem, decay_syn)

    def _weights(self, masks: Tensor, lambdas: Tensor, n_pre: int) -> Tensor:
        """Gradient of weights, (post, pre)."""
        n, words = lambdas.shape[2], _words(n_pre)
        tiles = -(-n // 32)
        most = max(WARPS_PER_PROCESSOR // words, 1) * self.kernels.n_processors // tiles
        n_parts = min(max(most, 1), (self.n_steps - 1) * self.batch)
        parts = self._new(n_parts, n_pre, n)
        self._launch("weight_gradient", {}, (tiles, n_parts), 32 * words, 4 * 1024 * words,
                     [masks, lambdas, *_ints(n_pre, n, self.n_steps, self.batch),
                      parts])  # fmt: skip
        return (parts.sum(0) * float(self.scale)).t()

    def _project(self, arriving: Tensor, weights: Tensor) -> Tensor:
        """What arrives at a layer at each step but the first, in an array for its currents."""
        n, n_below = weights.shape
        syn = self._new(self.n_steps, self.batch, n)
        self._each("project", syn[1:], arriving, _transposed(weights),
                   *_ints(n_below, n, self.n_steps, self.batch), syn)  # fmt: skip
        return syn

    def _each(self, name: str, elements: Tensor, *arguments: Argument) -> None:
        """Launch a kernel with one thread per element."""
        self._launch(name, {}, (-(-elements.numel() // FLAT_BLOCK), 1), FLAT_BLOCK, 0, arguments)

    def _launch(
        self,
        name: str,
        sizes: dict[str, int],
        grid: tuple[int, int],
        block: int,
        shared: int,
        arguments: Sequence[Argument],
    ) -> None:
        self.kernels.launch(name, sizes, grid, block, shared, arguments)

    def _masks(self, n: int) -> Tensor:
        shape = self.n_steps, self.batch, _words(n)
        return torch.empty(shape, dtype=torch.int32, device=self.raster.device)

    def _new(self, *shape: int) -> Tensor:
        return torch.empty(shape, device=self.raster.device)


def _ints(*values: int) -> tuple[np.int32, ...]:
    return tuple(map(np.int32, values))


def _constants(layer: LayerFloats) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Bias, decay_mem, the membrane's gain and decay_syn of a layer, each (post,)."""
    bias = torch.zeros_like(layer.decay_mem) if layer.bias is None else layer.bias
    return bias, layer.decay_mem, 1.0 - layer.decay_mem, layer.decay_syn


def _transposed(weights: Tensor | None) -> Tensor | None:
    return None if weights is None else weights.t().contiguous()


def _unpacked(masks: Tensor, n: int) -> Tensor:
    """Masks as 0 and 1, (n_steps, batch, n) float32."""
    bits = masks.unsqueeze(-1) >> torch.arange(32, device=masks.device) & 1
    return bits.flatten(2)[:, :, :n].to(torch.float32)


def _sizes(model: RSNN) -> dict[str, int]:
    return {f"hidden{i}": layer.n_neurons for i, layer in enumerate(model.layers)}


def _words(n: int) -> int:
    return -(-n // 32)


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
