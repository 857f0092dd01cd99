"""Models, batches and steps with which tests compare CUDA kernels, and a card that is none."""

import torch

from rsnn.model import RSNN, Head
from rsnn.surrogate import Surrogate
from rsnn.training.initialize import initialize

HEADS = (Head(0.05, 0.01), Head(0.02, 0.005))


def made(architecture, surrogate="superspike"):
    model = RSNN(architecture)
    generator = torch.Generator().manual_seed(3)
    initialize(model, rates=(20.0,), generator=generator)
    with torch.no_grad():
        for layer in model.layers:
            layer.w_in *= 3.0
            layer.surrogate = Surrogate(surrogate, 12.0)
            if layer.bias is not None:
                layer.bias.normal_(0.0, 0.05, generator=generator)
    return model


def drawn(architecture, batch, n_steps):
    generator = torch.Generator().manual_seed(5)
    shape = batch, n_steps, architecture.n_inputs
    raster = (torch.rand(shape, generator=generator) < 0.3).to(torch.uint8)
    target = torch.randn(batch, n_steps, 2, generator=generator)
    weights = [torch.randn(batch, n_steps, n, generator=generator) for n in architecture.hidden]
    return raster, target, weights


def loss(decoded, target, weights=None):
    total = (decoded.out - target).square().sum()
    total = total + sum((counts - 3.0).square().mean() for counts in decoded.spike_counts())
    if weights is not None:
        total = total + sum((s * w).sum() for s, w in zip(decoded.spk, weights, strict=True))
    return total


def step(model, forward, raster, target, weights, dropout, **options):
    """What a step decodes, and its gradients."""
    model.zero_grad()
    decoded = forward(model, raster, dropout, torch.Generator().manual_seed(7), **options)
    loss(decoded, target, weights).backward()
    return decoded, [parameter.grad.clone() for parameter in model.parameters()]


class FakeCard:
    n_processors = 9
    most_shared = 73_000

    def __init__(self, device=None):
        pass
