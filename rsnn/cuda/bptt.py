"""`RSNN.forward` and its gradient by CUDA kernels, each of which takes a layer through all steps.

The definition is `RSNN.forward`. The same keys give the same dropout as everywhere, and the same
decays the same spikes and outputs as `rsnn.fast.bptt`, bit for bit: kernels add in its order.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rsnn.cuda.card import Kernels
from rsnn.cuda.run import Integers, Run, refusal
from rsnn.fast.dropout import draw_key
from rsnn.fast.parameters import decoded, has_published_loops, layers_of
from rsnn.layer_floats import LayerFloats, by_layer, flattened
from rsnn.model import RSNN, Decoded, check_channels


def unsupported(model: RSNN, kernels: Kernels) -> str | None:
    """Why these kernels cannot compute a model; None if they can.

    Args:
        kernels: of the card.
    """
    if not has_published_loops(model):
        return "its neurons or the order of its step are not the published ones"
    if any(parameter.dtype != torch.float32 for parameter in model.parameters()):
        return "its parameters are not torch.float32"
    hidden = [(f"hidden{i}", layer.n_neurons) for i, layer in enumerate(model.layers)]
    n_rows = len(model.readouts) * model.architecture.n_outputs
    sizes = [("the input", model.architecture.n_inputs), *hidden, ("the readout", n_rows)]
    return refusal(sizes, model.architecture.recurrent, kernels)


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
    surrogates = [layer.surrogate.code for layer in model.layers]
    spikes = raster.to(torch.uint8).contiguous()
    run = Run(surrogates, spikes, keys, dropout, kernels, with_spikes)
    out, *rest = _AllSteps.apply(run, *flattened(layers_of(model)))
    return decoded(model, out, rest)


def run_integers(
    layers: Sequence[Integers],
    sizes: Mapping[str, int],
    floats: Sequence[LayerFloats],
    raster: Tensor,
    surrogates: Sequence[tuple[int, np.float32]],
    kernels: Kernels,
    *,
    with_spikes: bool = True,
) -> list[Tensor]:
    """Run an integer network, differentiable once by the floats behind its integers.

    Args:
        layers: its layers, the readout last.
        sizes: macros of the contract, see kernels/common.h.
        floats: what gradients are of, on the card.
        raster: input spikes (batch, n_steps, n_inputs), 0 and 1, uint8, on the card.
        surrogates: `rsnn.surrogate.Surrogate.code` of each hidden layer.
        with_spikes: return spikes too.

    Returns:
        The words of `out` as floats, (n_steps, batch, rows); spike counts of each hidden layer,
        (batch, n); and its spikes, (n_steps, batch, n), if they are wanted.
    """
    keys = torch.zeros(len(layers), dtype=torch.int64, device=raster.device)
    run = Run(surrogates, raster.contiguous(), keys, 0.0, kernels, with_spikes)
    run.compute_in_integers(layers, sizes)
    return list(_AllSteps.apply(run, *flattened(floats)))


class _AllSteps(torch.autograd.Function):
    """As `rsnn.fast.bptt._Compiled`, with the same arguments and results."""

    @staticmethod
    def forward(ctx: Any, run: "Run", *parameters: Tensor | None) -> tuple[Tensor, ...]:
        ctx.run = run
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*parameters)
        keeps = any(ctx.needs_input_grad)
        detached = [None if p is None else p.detach() for p in parameters]
        return tuple(run.forward(by_layer(detached), keeps=keeps))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        detached = [None if p is None else p.detach() for p in ctx.saved_tensors]
        found = flattened(ctx.run.backward(by_layer(detached), grads))
        return (None, *found)
