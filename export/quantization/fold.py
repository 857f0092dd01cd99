"""The folding of a layer's floats into the integers of its kind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from base.errors import RangeError
from export.quantization.rounding import Rounded
from export.quantization.units import membrane_gain
from rsnn.neurons import TimeConstants
from sim.contract import LARGEST_SHIFT, NumericContract
from sim.layer import Layer


class Folded(NamedTuple):
    """An integer layer, and its thresholds as they would be in unlimited words.

    `limits` is (n_neurons,), of no elements for a readout.
    """

    layer: Layer
    limits: NDArray[np.float64]


@dataclass(frozen=True)
class Fold:
    """The quantization of a kind.

    Attributes:
        fold: (float layers, rounded weights, integer bias or None, contract) -> `Folded`. The float
            layers are one hidden layer, or all heads of a readout.
    """

    fold: Callable[[Sequence[Any], Rounded, NDArray[np.int64] | None, NumericContract], Folded]


def integer_decays(
    tau: TimeConstants, contract: NumericContract
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Integer (decay_mem, decay_syn), and the membrane's gain 1 - decay_mem as rounded.

    Decays are below unity, except those of integrators, whose gain is 1.

    Raises:
        RangeError: an integrator, where decays are shifts.
    """
    unity = 1 << contract.decay_frac
    with torch.no_grad():
        wide = TimeConstants(len(tau.mem_param), tau.tau_mem0, tau.tau_syn0, tau.dt).double()
        wide.load_state_dict(tau.state_dict())
        if contract.decay == "shift" and any(bool(each.any()) for each in wide.no_leak()):
            raise RangeError(
                "a neuron without a leak has no decay that is a shift, which takes 1 off at least;"
                " train with time constants, or choose `decay` multiply"
            )
        decay_mem, decay_syn = (
            np.where(no_leak.cpu().numpy(), unity, integer_factors(decay.cpu().numpy(), contract))
            for decay, no_leak in zip(wide.decays(), wide.no_leak(), strict=True)
        )
    return decay_mem, decay_syn, membrane_gain(decay_mem, contract)


def integer_factors(decay: NDArray[np.float64], contract: NumericContract) -> NDArray[np.int64]:
    """Decay factors of 0 to 1 as integers below unity, or as the shift whose part is nearest."""
    if contract.decay == "shift":
        leak = np.maximum(1.0 - decay, 0.5**LARGEST_SHIFT)
        return np.rint(-np.log2(leak)).astype(np.int64)
    unity = 1 << contract.decay_frac
    return np.minimum(np.rint(decay * unity), unity - 1).astype(np.int64)
