"""Random small networks and rasters that fire, for tests of the float world."""

from functools import partial

import numpy as np
import torch

from rsnn.data.raster import random_raster
from rsnn.model import RSNN, Architecture, Head, big

random_raster = partial(random_raster, dt=0.004, rate=50.0)  # a fifth of the steps
FEW_HEADS = (Head(0.05, 0.01), Head(0.02, 0.02))
ARCHITECTURES = {
    "one neuron, one input": Architecture(1, (1,)),
    "recurrent": Architecture(17, (23,)),
    "two layers": Architecture(12, (20, 15)),
    "three layers, five heads": Architecture(9, (20, 15, 11), big(1).heads),
    "no recurrence, three outputs": Architecture(12, (20, 15), FEW_HEADS, 3, recurrent=False),
    "biased, two heads": Architecture(12, (20, 15), FEW_HEADS, bias=True),
}


def random_model(architecture: Architecture, seed: int = 0, *, sparsity: float = 1 / 3) -> RSNN:
    """A network with zeros for that share of the weights, in float32, exact in float16."""
    generator = torch.Generator().manual_seed(seed)
    model = RSNN(architecture)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            drawn = torch.rand(parameter.shape, generator=generator)
            if parameter.dim() == 2:
                present = drawn > sparsity
                drawn = torch.randn(parameter.shape, generator=generator) * present
                drawn *= 4.0 / parameter.shape[1] ** 0.5
            if name.endswith("bias"):
                drawn = (drawn - 0.5) / 2  # a current that makes some units fire by itself
            if name.endswith("w_in"):
                drawn[0] = 6.0 / parameter.shape[1] ** 0.5  # one neuron that surely fires
            parameter.copy_(drawn.half())
    return model.eval()


def random_target(n_steps: int, n_outputs: int = 2, seed: int = 0) -> np.ndarray:
    """A smooth trajectory (n_steps, n_outputs) float32."""
    steps = np.random.default_rng(seed).normal(size=(n_steps, n_outputs))
    return np.cumsum(steps, 0).astype(np.float32)


def assert_equal_models(model: RSNN, other: RSNN) -> None:
    """Same architecture, and every parameter of the same dtype and bits."""
    assert model.architecture == other.architecture
    ours, theirs = dict(model.named_parameters()), dict(other.named_parameters())
    assert list(ours) == list(theirs)
    for name, parameter in ours.items():
        assert parameter.dtype == theirs[name].dtype
        assert torch.equal(parameter, theirs[name])
