"""CuBa-LIF with adaptive thresholds: as CuBa-LIF, with steps in the unit of the thresholds."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.quantization.fold import Fold, Folded, integer_decays, integer_factors
from export.quantization.kinds import cuba_lif
from export.quantization.rounding import Rounded
from sim.contract import MAX_STATE_BITS, NumericContract, signed_range
from sim.kinds.adaptive_cuba_lif import AdaptiveCubaLIF


def fold(
    layers: Sequence[Any],
    weights: Rounded,
    bias: NDArray[np.int64] | None,
    contract: NumericContract,
) -> Folded:
    """Fold one hidden layer; see `Fold`."""
    plain, limits = cuba_lif.fold(layers, weights, bias, contract)
    own = {k: v.detach().cpu().double().numpy() for k, v in layers[0].own_constants().items()}
    gain = integer_decays(layers[0].tau, contract)[2]
    steps = own["threshold_step"] * 2.0**contract.frac_bits / (weights.grid.unit * gain)
    quantized = AdaptiveCubaLIF(
        **vars(plain),
        decay_threshold=integer_factors(own["decay_threshold"], contract),
        threshold_step=np.rint(np.minimum(steps, signed_range(MAX_STATE_BITS)[1])).astype(np.int64),
    )
    return Folded(quantized, limits)


FOLD = Fold(fold)
