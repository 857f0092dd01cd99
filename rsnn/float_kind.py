"""The declaration of a kind of hidden layer in floating point."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FloatKind:
    """A kind of hidden layer that can be trained.

    Attributes:
        make: (n_inputs, n_neurons, recurrent=, tau_mem0=, tau_syn0=, dt=, order=, bias=) -> the
            layer, a torch module with the interface of `rsnn.neurons.CubaLIF`.
    """

    make: Callable[..., Any]
