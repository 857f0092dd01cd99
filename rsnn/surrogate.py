"""Surrogate gradients: stand-ins for the derivative of a spike, chosen by name.

With x = mem - 1 and steepness beta:

    superspike     1 / (beta |x| + 1)^2               Zenke & Ganguli 2018; the published recipe
    fast_sigmoid   beta / (beta |x| + 1)^2            derivative of beta x / (1 + beta |x|)
    sigmoid        beta s (1 - s), s = 1 / (1 + e^(-beta x))    derivative of the logistic function
"""

import math
from dataclasses import dataclass

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from base.errors import RangeError
from base.numba_cache import can_cache

SURROGATES = ("superspike", "fast_sigmoid", "sigmoid")  # their positions are the kernel's codes
V_THRESHOLD = 1.0
_FAST_SIGMOID, _SIGMOID = 1, 2
_ONE = np.float32(1.0)
_THRESHOLD = np.float32(V_THRESHOLD)


@dataclass(frozen=True)
class Surrogate:
    """A surrogate gradient by name, and its steepness.

    Raises:
        RangeError: no such name, or a steepness that is not above 0 and finite.
    """

    name: str = "superspike"
    beta: float = 20.0

    def __post_init__(self) -> None:
        if self.name not in SURROGATES:
            raise RangeError(f"surrogate is `{self.name}`; choose one of {', '.join(SURROGATES)}")
        if not 0.0 < self.beta < math.inf:
            raise RangeError(
                f"surrogate_beta is {self.beta:g}; it must be above 0 and finite, the published one"
                " is 20"
            )

    @property
    def code(self) -> tuple[int, np.float32]:
        """Name and steepness as the compiled kernels take them."""
        return SURROGATES.index(self.name), np.float32(self.beta)

    def slope(self, mem: Tensor) -> Tensor:
        """The stand-in for d spk / d mem, elementwise."""
        distance = (mem - V_THRESHOLD).abs_().mul_(self.beta)
        if self.name == "sigmoid":
            below = torch.exp(distance.neg_())  # s (1 - s) is even in x, and this cannot overflow
            return self.beta * below / (1.0 + below).square_()
        scale = self.beta if self.name == "fast_sigmoid" else 1.0
        return scale / distance.add_(1.0).square_()


class Spike(torch.autograd.Function):
    """Heaviside step of `mem > 1`, or of `mem >= 1`, forward, a surrogate backward."""

    @staticmethod
    def forward(ctx, mem: Tensor, surrogate: Surrogate, fires_when: str = ">") -> Tensor:
        ctx.save_for_backward(mem)
        ctx.surrogate = surrogate
        return is_over(mem, fires_when).to(mem.dtype)

    @staticmethod
    def backward(ctx, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        (mem,) = ctx.saved_tensors
        return grad_outputs[0] * ctx.surrogate.slope(mem), None, None


def is_over(mem: Tensor, fires_when: str) -> Tensor:
    """Whether membranes are over the threshold of 1; `fires_when` as in `base.order.Order`."""
    return mem >= V_THRESHOLD if fires_when == ">=" else mem > V_THRESHOLD


@numba.njit(
    cache=can_cache(__file__), nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp"}
)
def fill_slope(
    code: tuple[int, np.float32], mem: NDArray[np.float32], slope: NDArray[np.float32]
) -> None:
    """`Surrogate.slope` for the compiled kernels: `code` is `Surrogate.code`, arrays are (n,)."""
    kind, beta = code
    if kind == _SIGMOID:
        for i in range(len(mem)):
            below = np.exp(-beta * abs(mem[i] - _THRESHOLD))
            slope[i] = beta * below / ((_ONE + below) * (_ONE + below))
    else:
        scale = beta if kind == _FAST_SIGMOID else _ONE
        for i in range(len(mem)):
            distance = beta * abs(mem[i] - _THRESHOLD) + _ONE
            slope[i] = scale / (distance * distance)
