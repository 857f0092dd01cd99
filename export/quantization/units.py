"""The float value of a network's integers: the unit of each neuron, from its own constants.

Quantization folds a neuron's scale into its threshold, or a readout row's into `out_scale`; here
it is recovered.
"""

import numpy as np
from numpy.typing import NDArray

from sim.contract import NumericContract
from sim.layer import Layer

Floats = NDArray[np.float64]


def units_of(layer: Layer, contract: NumericContract) -> Floats:
    """The float weight of one step of each neuron's integer weights, (n_neurons,)."""
    gain = gain_of(layer, contract)
    if layer.is_readout():
        return readout_units(layer.out_scale, contract, gain)
    return hidden_units(layer.threshold, contract, gain)


def gain_of(layer: Layer, contract: NumericContract) -> Floats:
    """The gain of a layer's membranes on their drive, (n_neurons,)."""
    return membrane_gain(layer.decay_mem, contract)


def membrane_gain(decay_mem: NDArray[np.integer], contract: NumericContract) -> Floats:
    """The gain on the drive under integer decays: 1 - decay_mem as a float, or 1 without a leak."""
    leak = 1.0 - contract.kept(decay_mem)
    return np.where(leak == 0.0, 1.0, leak)


def hidden_units(
    threshold: NDArray[np.integer], contract: NumericContract, gain: Floats | float = 1.0
) -> Floats:
    """Units of neurons with these thresholds; without `gain`, of membranes with a gain of 1."""
    return 2.0**contract.frac_bits / (firing_points(threshold, contract) * gain)


def readout_units(
    out_scale: Floats, contract: NumericContract, gain: Floats | float = 1.0
) -> Floats:
    """Units of readout rows with these scales; `gain` as in `hidden_units`."""
    return out_scale * 2.0**contract.frac_bits / gain


def firing_points(threshold: NDArray[np.integer], contract: NumericContract) -> Floats:
    """Halfway between the last integer membrane that stays silent and the first that fires.

    So float rounding cannot decide whether a membrane exactly at threshold fires.
    """
    return threshold.astype(np.float64) + (0.5 if contract.fires_when == ">" else -0.5)
