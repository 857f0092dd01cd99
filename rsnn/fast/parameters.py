"""A network as its loops over time take it: arrays by layer in, outputs and spikes out."""

from collections.abc import Sequence

import torch
from torch import Tensor

from rsnn.layer_floats import LayerFloats, combined
from rsnn.model import RSNN, Decoded


def layers_of(model: RSNN) -> list[LayerFloats]:
    """The parameters of the hidden layers, and of all heads as one layer of all their rows."""
    layers = [LayerFloats(x.w_in, x.w_rec, x.bias, *x.tau.decays()) for x in model.layers]
    heads = [LayerFloats(x.w_out, None, x.bias, *x.tau.decays()) for x in model.readouts]
    return [*layers, combined(lambda *rows: torch.cat(rows), *heads)]


def decoded(model: RSNN, out: Tensor, rest: Sequence[Tensor]) -> Decoded:
    """The result of a run.

    Args:
        out: of all heads, (n_steps, batch, n).
        rest: spike counts of each hidden layer, (batch, n), and its spikes (n_steps, batch, n), if
            they are wanted.
    """
    n_hidden = len(model.layers)
    mean = out.unflatten(2, (len(model.readouts), -1)).mean(2)
    spikes = tuple(each.transpose(0, 1) for each in rest[n_hidden:])
    return Decoded(mean.transpose(0, 1), spikes, tuple(rest[:n_hidden]))


def has_published_loops(model: RSNN) -> bool:
    """Whether the loops that know the published order alone compute this model.

    They know no gain of a membrane but 1 - decay_mem.
    """
    return model.architecture.is_published and not any(
        layer.tau.no_leak()[0].any() for layer in model.named_layers().values()
    )
