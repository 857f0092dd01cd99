"""One pass over a batch through all layers of a network, forward and back, by CUDA kernels.

Currents are kept for backward, membranes once per `HISTORY` steps; backward writes its gradients of
currents over the currents. Each block sums what it finds, and torch adds the blocks in order, so
that two runs on one card are equal to the bit.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from base.errors import MismatchError
from rsnn.cuda.card import Argument, Kernels, Launch
from rsnn.fast.dropout import keep_limit
from rsnn.layer_floats import LayerFloats

MOST_UNITS = 1024  # of a layer and of the input: threads of a block, words of a warp
HISTORY = 16  # steps of which one membrane is kept, as in kernels/common.h
NARROW = 128  # neurons up to which a recurrent layer fits into one block on its way back
MOST_ABOVE = 16  # units of the layer above whose weights a thread keeps in registers
SAMPLES = 8  # that share the blocks of a wide layer on its way back
WIDE_BLOCK = 256  # threads of such a block
FLAT_BLOCK = 256  # threads of a block of kernels with one thread per element
WARP_SHARED = 4096  # bytes of shared memory of a warp that sums gradients of weights
WARPS_PER_PROCESSOR = 16  # that gradients of weights keep busy


class Integers(NamedTuple):
    """A layer of an integer network, on the card; all int32 but `units`.

    Weights are (post, pre), already shifted; `threshold` is a readout's `initial_out`. `units` are
    float32 values of one step: (3, n) of the current, the membrane and the threshold of a hidden
    layer, (2, n) of the current and the output of a readout.
    """

    w_in: Tensor
    w_rec: Tensor | None
    bias: Tensor
    decay_mem: Tensor
    decay_syn: Tensor
    threshold: Tensor
    units: Tensor


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


class Run:
    """One pass over a batch forward and, at most once, back."""

    def __init__(
        self,
        surrogates: Sequence[tuple[int, np.float32]],
        raster: Tensor,
        keys: Tensor,
        dropout: float,
        kernels: Kernels,
        with_spikes: bool,
    ) -> None:
        self.surrogates = surrogates
        self.raster = raster
        self.batch, self.n_steps, self.n_inputs = raster.shape
        self.keys = keys
        self.limit = keep_limit(dropout)
        self.scale = np.float32(1.0 / (1.0 - dropout))
        self.kernels = kernels
        self.with_spikes = with_spikes
        self.kept: list[_Kept] = []
        self.integers: Sequence[Integers] | None = None  # what runs in place of the floats
        self.sizes: Mapping[str, int] = {}

    def compute_in_integers(self, layers: Sequence[Integers], sizes: Mapping[str, int]) -> None:
        """Go forward through an integer network, and back through the floats behind it.

        Args:
            layers: its layers, the readout last.
            sizes: macros of the contract, see kernels/common.h.
        """
        self.integers, self.sizes = layers, {"INTEGER": 1, **sizes}

    def forward(self, floats: list[LayerFloats], *, keeps: bool) -> list[Tensor]:
        """Outputs (n_steps, batch, rows), spike counts of each hidden layer, and spikes.

        Args:
            floats: the layers, all heads as one at the end.
            keeps: whether `backward` will be called.
        """
        layers: Sequence[LayerFloats | Integers] = self.integers or floats
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
            every = 1 if self.integers else HISTORY
            state = self._states(-(-self.n_steps // every), n)
            counts.append(self._new(self.batch, n))
            recurrent = layer.w_rec is not None
            in_shared = recurrent and n <= NARROW
            self._launch(
                "run_hidden",
                {"N": n, "RECURRENT": int(recurrent), "IN_SHARED": int(in_shared)},
                (self.batch, 1),
                32 * words(n),
                4 * (32 * words(n) + 32 + n * n * in_shared),
                keep, _transposed(layer.w_rec), *_constants(layer), self.scale,
                *_ints(self.n_steps, self.batch), sent, fired, state, syn, counts[-1],
            )  # fmt: skip
            if fired is not None:
                spikes.append(_unpacked(fired, n))
            kept.append(_Kept(arriving, keep, sent, state, syn))
            arriving = sent
        readout = layers[-1]
        n = len(readout.decay_mem)
        syn = self._project(arriving, readout.w_in)
        out = self._states(self.n_steps, n)
        self._each("run_readout", out[0], *_constants(readout), self.scale,
                   *_ints(n, self.n_steps, self.batch), syn, out)  # fmt: skip
        kept.append(_Kept(arriving, None, None, out, syn))
        if keeps:
            self.kept = kept
        if isinstance(readout, Integers):
            return [out * readout.units[1], *counts, *spikes]
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
            above = kept[level + 1].syn.view(torch.float32), layers[level + 1].w_in
            given = grads[1 + level], grads[len(layers) + level] if self.with_spikes else None
            found.append(self._pull_hidden(level, layers[level], kept[level], above, given))
        return found[::-1]

    def _pull_readout(
        self, layer: LayerFloats, kept: _Kept, grad_out: Tensor | None
    ) -> LayerFloats:
        n = len(layer.decay_mem)
        grad = torch.zeros_like(kept.syn, dtype=torch.float32) if grad_out is None else grad_out
        sums = self._new(3, self.batch, n)
        self._each("pull_readout", kept.state[0], grad.contiguous(), *_decays(layer),
                   *self._of_integers(-1), *_ints(n, self.n_steps, self.batch), kept.state,
                   kept.syn, sums)  # fmt: skip
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
        arguments: list[Argument] = [
            self._new(self.batch, n).zero_() if counts is None else counts, spikes, lambdas,
            w_above.contiguous(), kept.keep,
            None if layer.w_rec is None else layer.w_rec.contiguous(), *_decays(layer),
            *self._of_integers(level), self.scale, np.int32(code), beta,
            *_ints(self.n_steps, self.batch), kept.state, kept.syn, sums,
        ]  # fmt: skip
        sizes = {"N": n, "N_ABOVE": n_above}
        slots = 4 if self.integers else 3
        if layer.w_rec is None or n <= NARROW:
            recurrent = layer.w_rec is not None
            columns = min(n, NARROW)
            block = 32 * words(columns)
            shared = 2 * _up(n, 4) * recurrent + HISTORY * (n_above + slots * block)
            sizes |= {"RECURRENT": int(recurrent), "COLUMNS": columns}
            grid = self.batch, -(-n // columns)
            self._launch("pull_narrow", sizes, grid, block, 4 * shared, *arguments)
        else:
            groups = min(-(-self.batch // SAMPLES), self.kernels.n_processors // words(n))
            shared = wide_shared(n, n_above, integers=self.integers is not None)
            arrived = torch.zeros(
                groups, self.n_steps, dtype=torch.int32, device=self.raster.device
            )
            grid = groups * words(n), 1
            self._launch("pull_wide", sizes, grid, WIDE_BLOCK, shared, *arguments, arrived)
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

    def _of_integers(self, level: int) -> tuple[Tensor | None, Tensor | None]:
        """Threshold and units of a layer of integers."""
        if self.integers is None:
            return None, None
        return self.integers[level].threshold, self.integers[level].units

    def _weights(self, masks: Tensor, lambdas: Tensor, n_pre: int) -> Tensor:
        """Gradient of weights, (post, pre)."""
        n, n_warps = lambdas.shape[2], words(n_pre)
        groups = -(-n_warps // (self.kernels.most_shared // WARP_SHARED))
        n_warps = -(-n_warps // groups)
        blocks = words(n) * groups
        most = max(WARPS_PER_PROCESSOR // n_warps, 1) * self.kernels.n_processors // blocks
        n_parts = min(max(most, 1), (self.n_steps - 1) * self.batch)
        parts = self._new(n_parts, n_pre, n)
        self._launch("weight_gradient", {}, (blocks, n_parts), 32 * n_warps, WARP_SHARED * n_warps,
                     masks, lambdas, *_ints(n_pre, n, self.n_steps, self.batch),
                     parts)  # fmt: skip
        return (parts.sum(0) * float(self.scale)).t()

    def _project(self, arriving: Tensor, weights: Tensor) -> Tensor:
        """What arrives at a layer at each step but the first, in an array for its currents."""
        n, n_below = weights.shape
        syn = self._states(self.n_steps, n)
        self._each("project", syn[1:], arriving, _transposed(weights),
                   *_ints(n_below, n, self.n_steps, self.batch), syn)  # fmt: skip
        return syn

    def _each(self, name: str, elements: Tensor, *arguments: Argument) -> None:
        """Launch a kernel with one thread per element."""
        self._launch(name, {}, (-(-elements.numel() // FLAT_BLOCK), 1), FLAT_BLOCK, 0, *arguments)

    def _launch(
        self,
        name: str,
        sizes: dict[str, int],
        grid: tuple[int, int],
        block: int,
        shared: int,
        *arguments: Argument,
    ) -> None:
        """Launch a kernel; see `rsnn.cuda.card.Launch`."""
        self.kernels.launch(Launch(name, {**self.sizes, **sizes}, grid, block, shared, arguments))

    def _masks(self, n: int) -> Tensor:
        shape = self.n_steps, self.batch, words(n)
        return torch.empty(shape, dtype=torch.int32, device=self.raster.device)

    def _states(self, n_rows: int, n: int) -> Tensor:
        """States (n_rows, batch, n), floats or integers."""
        dtype = torch.int32 if self.integers else torch.float32
        return torch.empty((n_rows, self.batch, n), dtype=dtype, device=self.raster.device)

    def _new(self, *shape: int) -> Tensor:
        return torch.empty(shape, device=self.raster.device)


def _ints(*values: int) -> tuple[np.int32, ...]:
    return tuple(map(np.int32, values))


def _constants(layer: LayerFloats | Integers) -> tuple[Tensor | None, ...]:
    """Bias, decay_mem, the membrane's gain, decay_syn and threshold of a layer, each (post,)."""
    if isinstance(layer, Integers):
        return layer.bias, layer.decay_mem, None, layer.decay_syn, layer.threshold
    bias = torch.zeros_like(layer.decay_mem) if layer.bias is None else layer.bias
    return bias, *_decays(layer), None


def _decays(layer: LayerFloats) -> tuple[Tensor, Tensor, Tensor]:
    """decay_mem, the membrane's gain and decay_syn of a layer, each (post,)."""
    return layer.decay_mem, 1.0 - layer.decay_mem, layer.decay_syn


def _transposed(weights: Tensor | None) -> Tensor | None:
    return None if weights is None else weights.t().contiguous()


def _unpacked(masks: Tensor, n: int) -> Tensor:
    """Masks as 0 and 1, (n_steps, batch, n) float32."""
    bits = masks.unsqueeze(-1) >> torch.arange(32, device=masks.device) & 1
    return bits.flatten(2)[:, :, :n].to(torch.float32)


def wide_shared(n: int, n_above: int, *, integers: bool) -> int:
    """Bytes of shared memory of a block of `pull_wide`."""
    numbers = SAMPLES * (_up(n, 32) + WIDE_BLOCK + HISTORY * n_above)
    return 4 * (numbers + (4 if integers else 3) * HISTORY * WIDE_BLOCK)


def refusal(
    sizes: Sequence[tuple[str, int]], recurrent: bool, kernels: Kernels, *, integers: bool = False
) -> str | None:
    """Why the kernels cannot compute layers of these sizes; None if they can.

    Args:
        sizes: units of the input and of each layer, by name.
        recurrent: whether hidden layers are.
    """
    for name, n in sizes:
        if n > MOST_UNITS:
            return f"{name} has {n} units, the kernels at most {MOST_UNITS}"
    for name, n in sizes[1:-1] if recurrent else ():
        if n > NARROW and words(n) > kernels.n_processors:
            return f"{name} has {n} neurons, the card {kernels.n_processors} multiprocessors"
        need = wide_shared(n, MOST_ABOVE, integers=integers)
        if n > NARROW and need > kernels.most_shared:
            return (
                f"{name} has {n} neurons, which takes {need} bytes of shared memory, and the card"
                f" has {kernels.most_shared}"
            )
    return None


def words(n: int) -> int:
    """Words of 32 bits that hold `n`."""
    return -(-n // 32)


def _up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple
