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
            parameters = [each for each in group["params"] if each.grad is not None]
            if parameters:
                self._update(parameters, group["lr"], group["eps"])
        return loss

    def _update(self, parameters: list[Tensor], lr: float | Tensor, eps: float) -> None:
        """Update all parameters, each operation on all of them at once."""
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter] |= {
                    "memory": torch.ones_like(parameter),
                    "mean": torch.zeros_like(parameter),
                    "square": torch.zeros_like(parameter),
                }
        memory, mean, square = (
            [self.state[parameter][name] for parameter in parameters]
            for name in ("memory", "mean", "square")
        )
        grads = [each.grad for each in parameters if each.grad is not None]
        r = torch._foreach_reciprocal(torch._foreach_add(memory, 1.0))
        torch._foreach_lerp_(mean, grads, r)
        torch._foreach_lerp_(square, torch._foreach_mul(grads, grads), r)
        signal = torch._foreach_div(torch._foreach_mul(mean, mean), torch._foreach_add(square, eps))
        steps = torch._foreach_mul(grads, [each.clamp(max=lr) for each in signal])
        root = torch._foreach_add(torch._foreach_sqrt(square), eps)
        torch._foreach_sub_(parameters, torch._foreach_div(steps, root))
        kept = torch._foreach_add(torch._foreach_neg(signal), 1.0)
        torch._foreach_mul_(memory, kept)
        torch._foreach_add_(memory, 1.0)
