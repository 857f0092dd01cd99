"""Rates of units as functions of their synaptic currents."""

import numpy as np
from numpy.typing import NDArray

MAX_RATE = 20.0
"""Of the activations without an upper end, as in the published code."""


def activate(x: NDArray[np.floating], name: str) -> NDArray[np.floating]:
    """The rates of currents `x`, elementwise, in the same shape and precision.

    Args:
        x: synaptic currents, of any shape.
        name: one of `rsnn.rate.names.ACTIVATIONS`; softplus and relu are clipped to 0..20.
    """
    if name == "sigmoid":
        negative = np.exp(-np.abs(x))
        return np.where(x >= 0, 1 / (1 + negative), negative / (1 + negative)).astype(x.dtype)
    unclipped = np.maximum(x, 0) if name == "relu" else np.logaddexp(x, x.dtype.type(0))
    return np.clip(unclipped, 0, MAX_RATE)
