"""Whether 32 bits hold every sum of a step: one proof, for the compiled step and for exported C."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sim.bounds.layers import LayerBounds, state_bounds
from sim.layer import SPIKES, Layer
from sim.network import IntegerNetwork

_LARGEST = (1 << 31) - 1


def fits_in_words(network: IntegerNetwork) -> bool:
    """Whether 32 bits hold every sum of a step, also those that overflow the contract's widths.

    A state is bounded by its own width; only where that is too much are worst cases worked out. No
    for kinds whose sums are not known here, those without bounds of their own.
    """
    if not network.is_tuned("bounds"):
        return False
    return _fits(network, {}) or _fits(network, state_bounds(network))


def largest_sum(
    weights: NDArray[np.integer], values: tuple[int, int] = SPIKES
) -> NDArray[np.int64]:
    """Largest absolute value of any sum of each neuron's weights times what senders send.

    Args:
        weights: (post, pre).
        values: smallest and largest value of a sender, the first at most 0.

    Returns:
        (post,): for spikes, the sum of a neuron's positive weights alone, or of its negative ones.
    """
    total = weights.sum(1, dtype=np.int64)
    sizes = np.abs(weights, dtype=np.int32).sum(1, dtype=np.int64)
    positive, negative = (sizes + total) // 2, (sizes - total) // 2
    low, high = values
    up, down = positive * high - negative * low, negative * high - positive * low
    either: NDArray[np.int64] = np.maximum(up, down)
    return either


def _fits(network: IntegerNetwork, bounds: Mapping[str, LayerBounds]) -> bool:
    """The same, given bounds of the states by layer, or none.

    Three sums per neuron: what arrives plus the current; the membrane plus the current; and what
    a reset by subtraction leaves of the membrane before the current is added.
    """
    c = network.contract
    for name, layer in network.named_layers():
        syn = np.full(layer.n_neurons, 2.0 ** (c.syn_bits - 1))
        mem = np.full(layer.n_neurons, 2.0 ** (c.mem_bits - 1))
        if name in bounds:
            syn, mem = np.minimum(bounds[name].syn, syn), np.minimum(bounds[name].mem, mem)
        subtracted = np.zeros(layer.n_neurons)
        if not layer.is_readout() and c.reset == "subtract":
            subtracted = np.abs(layer.threshold.astype(float))
        arriving = _arriving(layer, c.frac_bits) + np.abs(layer.values("bias"))
        if max((arriving + syn).max(), (mem + syn + subtracted).max()) > _LARGEST:
            return False
    return True


def _arriving(layer: Layer, frac_bits: int) -> NDArray[np.float64]:
    """Largest absolute sum of a step's spikes (post,); exact far beyond 32 bits, as float64 is."""
    total: NDArray[np.float64] = sum(
        np.ldexp(largest_sum(k.weights, k.values).astype(float), k.shifts + frac_bits)
        for k in layer.connections()
    )
    return total
