"""torch's floats: over these a step is a layer that can be trained, its gradients by autograd.

Membranes are in the unit of the current, as in integer networks: the gain of 1 - decay_mem, which
float models give the drive, is in the threshold instead. Through a spike goes the gradient of a
surrogate (`rsnn/surrogate.py`); no gradient goes through the choice to reset.

With a contract, values are integers, exact in float64, and gradients go straight through rounding
and overflow (Bengio et al. 2013): training in the integers that ship.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from base.order import Order
from rsnn.surrogate import V_THRESHOLD, Spike, Surrogate
from sim.arithmetic.exact import number_of
from sim.contract import NumericContract


class FloatConnection(NamedTuple):
    """A connection of a float layer: weights (post, pre), or None if its sums are given.

    `factor` is what the sums of integer weights are multiplied by, (post,).
    """

    name: str
    weights: Tensor | None
    factor: Tensor | None = None


class Floats:
    """The operations of `sim/step.py` on tensors (batch, n_neurons)."""

    def __init__(
        self,
        order: Order,
        constants: Mapping[str, Tensor],
        gain: Tensor,
        surrogate: Surrogate,
        contract: NumericContract | None = None,
    ) -> None:
        """Compute with a layer's arrays by name.

        Args:
            order: order of the updates of a step.
            constants: decays as factors, all else in the unit of the current.
            gain: what turns a membrane into that of the float model: 1 - decay_mem, times what a
                step of an integer current weighs.
            surrogate: surrogate gradient of a spike.
            contract: contract of the integers; None for floats.
        """
        self.order = order
        self._constants, self._gain, self._surrogate = constants, gain, surrogate
        self._contract = contract

    def delivered(self, connection: FloatConnection, source: Tensor) -> Tensor:
        """Weighted sums of what `source` (batch, pre) sends."""
        if connection.weights is None:
            return source
        sums = source @ connection.weights.T
        return sums if connection.factor is None else sums * connection.factor

    def scaled(self, acc: Tensor) -> Tensor:
        """Sums of weights are in the unit of the current already."""
        return acc

    def constant(self, name: str) -> Tensor:
        """An array of the layer."""
        return self._constants[name]

    def decayed(self, x: Tensor, name: str) -> Tensor:
        """`x` times the decay factor of that name, rounded where it is an integer."""
        exact = x * self._constants[name]
        if self._contract is None:
            return exact
        if self._contract.decay == "shift":
            # x less a part of it, which is floor(x / 2^d), but at least 1 where x is above 0
            part = torch.floor(x.detach() * (1 - self._constants[name].detach()))
            part = torch.where(x.detach() > 0, part.clamp(min=1), part)
            return straight_through(exact, x.detach() - part)
        rounding = torch.floor if self._contract.rounding == "floor" else torch.trunc
        return straight_through(exact, rounding(exact.detach()))

    def fit(self, x: Tensor, word: str) -> Tensor:
        """`x` in its word where it is an integer; floats have no words."""
        if self._contract is None:
            return x
        low, high = self._contract.range_of(word)
        if self._contract.overflow_of(word) == "saturate":
            return straight_through(x, torch.clamp(x.detach(), low, high))
        return straight_through(x, torch.remainder(x.detach() - low, high - low + 1) + low)

    def over(self, x: Tensor, threshold: Tensor) -> Tensor:
        """1 where a membrane is over threshold, else 0; its gradient is the surrogate's."""
        soft = Spike.apply((x - threshold) * self._gain + V_THRESHOLD, self._surrogate)
        hard = x >= threshold if self.order.fires_when == ">=" else x > threshold
        return straight_through(soft, hard.to(x.dtype))

    def where(self, mask: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """`a` where the mask is 1, else `b`; without a gradient through the mask."""
        return torch.where(mask.detach() > 0.5, a, b)

    def number(self, what: int | str) -> Tensor:
        """A whole number, or the order's field of that name."""
        return torch.tensor(float(number_of(self.order, what)))

    def positive(self, x: Tensor) -> Tensor:
        """1 where `x` is above 0, else 0."""
        return (x.detach() > 0).to(x.dtype)

    def larger(self, a: Tensor, b: Tensor) -> Tensor:
        """The larger of `a` and `b`."""
        return torch.maximum(a, b)

    def each(
        self, x: Tensor, senders: Sequence[tuple[FloatConnection, Tensor]]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """All spikes at once: floats have no overflow, of integers it is that of the sum."""
        total = x
        for sender in senders:
            total = total + self.delivered(*sender)
        return total, total, self.fit(total, "syn")

    def count(self, x: Tensor, threshold: Tensor) -> Tensor:
        """How often the threshold is in `x`; its gradient is that of the nearest crossing."""
        reached = x.detach() if self.order.fires_when == ">=" else x.detach() - 1
        most = number_of(self.order, "max_spikes")
        hard = torch.floor(reached / threshold.detach()).clamp(0, most)
        nearest = torch.round(x.detach() / threshold.detach()).clamp(1, most)
        away = (x - nearest * threshold) * self._gain + V_THRESHOLD
        return straight_through(Spike.apply(away, self._surrogate), hard)

    def less(self, x: Tensor, n: Tensor, threshold: Tensor) -> Tensor:
        """`x` less `n` times the threshold; without a gradient through the count."""
        return x - n.detach() * threshold

    def zero(self, x: Tensor) -> Tensor:
        """Zeros like `x`."""
        return torch.zeros_like(x)


def straight_through(exact: Tensor, rounded: Tensor) -> Tensor:
    """`rounded`, with the gradient of `exact`."""
    return exact + (rounded - exact).detach()
