"""torch's floats: over these a step is a layer that can be trained, its gradients by autograd.

Membranes are in the unit of the current, as in integer networks: the gain of 1 - decay_mem, which
float models give the drive, is in the threshold instead. Through a spike goes the gradient of a
surrogate (`rsnn/surrogate.py`); no gradient goes through the choice to reset.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from base.order import Order
from rsnn.surrogate import V_THRESHOLD, Spike, Surrogate


class FloatConnection(NamedTuple):
    """A connection of a float layer: weights (post, pre), or None for what has been weighed."""

    name: str
    weights: Tensor | None


class Floats:
    """The operations of `sim/step.py` on tensors (batch, n_neurons)."""

    def __init__(
        self, order: Order, constants: Mapping[str, Tensor], gain: Tensor, surrogate: Surrogate
    ) -> None:
        """Compute with a layer's arrays by name.

        Args:
            order: of the updates of a step.
            constants: decays as factors, all else in the unit of the current.
            gain: 1 - decay_mem, what turns a membrane into that of the float model.
            surrogate: gradient of a spike.
        """
        self.order = order
        self._constants, self._gain, self._surrogate = constants, gain, surrogate

    def delivered(self, connection: FloatConnection, source: Tensor) -> Tensor:
        """Weighted sums of what `source` (batch, pre) sends."""
        return source if connection.weights is None else source @ connection.weights.T

    def scaled(self, acc: Tensor) -> Tensor:
        """Sums of weights are in the unit of the current already."""
        return acc

    def constant(self, name: str) -> Tensor:
        """An array of the layer."""
        return self._constants[name]

    def decayed(self, x: Tensor, name: str) -> Tensor:
        """`x` times the decay factor of that name."""
        return x * self._constants[name]

    def fit(self, x: Tensor, word: str) -> Tensor:
        """Floats have no words."""
        return x

    def over(self, x: Tensor, threshold: Tensor) -> Tensor:
        """1 where a membrane is over threshold, else 0; its gradient is the surrogate's."""
        soft = Spike.apply((x - threshold) * self._gain + V_THRESHOLD, self._surrogate)
        hard = (x > threshold).to(x.dtype)
        return soft + (hard - soft).detach()

    def where(self, mask: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """`a` where the mask is 1, else `b`; without a gradient through the mask."""
        return torch.where(mask.detach() > 0.5, a, b)

    def zero(self, x: Tensor) -> Tensor:
        """Zeros like `x`."""
        return torch.zeros_like(x)
