"""Worst-case ranges: how large a state word can get, whatever the input does.

Sound for every contract and every raster, from the actual weights and decays: a neuron's sums are
largest when just its positive (or just its negative) inputs all spike in every step, and a decay
below unity makes a geometric series of them.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.network import CubaLIF, IntegerNetwork, Layer


@dataclass(frozen=True)
class LayerBounds:
    """Largest absolute values that the states of a layer can reach before overflow handling.

    `syn` and `mem` (for the readout: `out`) are (n_neurons,) float64; infinite where a decay of
    unity lets a state grow for ever.
    """

    syn: NDArray[np.float64]
    mem: NDArray[np.float64]

    @property
    def syn_bits(self) -> int:
        """Signed width in which no synaptic current of the layer can overflow; 64 if none does."""
        return _bits(self.syn)

    @property
    def mem_bits(self) -> int:
        """Signed width in which no membrane of the layer can overflow; 64 if none does."""
        return _bits(self.mem)


def state_bounds(network: IntegerNetwork) -> dict[str, LayerBounds]:
    """Bounds of every layer, by layer name."""
    return {
        name: _layer_bounds(network, layer)
        for name, layer in zip(network.layer_names, network.layers, strict=True)
    }


def _layer_bounds(network: IntegerNetwork, layer: Layer) -> LayerBounds:
    c = network.contract
    positive = np.zeros(layer.n_neurons)
    negative = np.zeros(layer.n_neurons)
    reset = np.zeros(layer.n_neurons)
    start = np.zeros(layer.n_neurons)
    if isinstance(layer, CubaLIF):
        matrices = [(layer.w_in, layer.e_in), (layer.w_rec, layer.e_rec)]
        if c.reset == "subtract":
            reset = np.abs(layer.threshold.astype(np.float64))
    else:
        matrices = [(layer.w_out, np.zeros(layer.n_neurons, np.uint8))]
        start = np.abs(layer.initial_out.astype(np.float64))
    for weights, shift in matrices:
        if weights is not None:
            wide = weights.astype(np.float64)
            positive += np.maximum(wide, 0).sum(1) * 2.0**shift
            negative += np.maximum(-wide, 0).sum(1) * 2.0**shift
    acc = np.maximum(positive, negative) * 2.0**c.frac_bits
    rounding = 1.0 if c.rounding == "floor" else 0.0  # floor can add 1 to a negative value
    syn = _series(acc + rounding, layer.decay_syn, c.decay_frac)
    mem = start + _series(syn + rounding + reset, layer.decay_mem, c.decay_frac)
    return LayerBounds(syn, mem)


def _series(term: NDArray, decay: NDArray, decay_frac: int) -> NDArray[np.float64]:
    """Limit of x -> term + x * decay / 2^decay_frac, a little above it for float rounding."""
    leak = 1.0 - decay / 2.0**decay_frac
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = np.where(term == 0, 0.0, term / leak)
    return limit * (1 + 1e-12)


def _bits(bound: NDArray[np.float64]) -> int:
    worst = float(bound.max())
    return 64 if not math.isfinite(worst) else min(64, int(worst).bit_length() + 1)
