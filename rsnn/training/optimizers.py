"""SMORMS3, the optimizer of the published recipe; others come from torch."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from base.errors import RangeError


class SMORMS3(Optimizer):
    """Squared mean over root mean squared cubed (Funk 2015, "RMSprop loses to SMORMS3").

    For each parameter w with gradient g, elementwise, from memory = 1, mean = 0, square = 0:

        r      = 1 / (memory + 1)
        mean   = (1 - r) mean + r g
        square = (1 - r) square + r g^2
        signal = mean^2 / (square + eps)
        w      = w - g min(lr, signal) / (sqrt(square) + eps)
        memory = 1 + memory (1 - signal)

    The memory grows while gradients look like noise and is lost when they agree: the averages
    choose their own horizon. `lr` caps the step and is all there is to tune.

    Args:
        params: as for any torch optimizer.
        lr: largest share of the root mean squared gradient that one step may take; a tensor where
            steps are captured as a CUDA graph.
        eps: keeps the divisions finite.

    Raises:
        RangeError: `lr` or `eps` is not above 0.
    """

    def __init__(self, params, lr: float | Tensor = 2e-3, eps: float = 1e-16) -> None:
        for name, value in (("lr", lr), ("eps", eps)):
            if not value > 0.0:
                raise RangeError(f"{name} is {value:g}; SMORMS3 needs it above 0")
        super().__init__(params, {"lr": lr, "eps": eps})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take one step; parameters without a gradient stay as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group["lr"], group["eps"])
        return loss

    def _update(self, parameter: Tensor, lr: float | Tensor, eps: float) -> None:
        state = self.state[parameter]
        if not state:
            state["memory"] = torch.ones_like(parameter)
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        memory, mean, square = state["memory"], state["mean"], state["square"]
        grad = parameter.grad
        assert grad is not None
        r = 1.0 / (memory + 1.0)
        mean.lerp_(grad, r)
        square.lerp_(grad.square(), r)
        signal = mean.square() / (square + eps)
        parameter.sub_(grad * signal.clamp(max=lr) / (square.sqrt() + eps))
        memory.mul_(1.0 - signal).add_(1.0)
