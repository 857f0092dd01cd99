"""CuBa-LIF: the scale of a neuron's weights and the gain of its membrane go into its threshold."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.quantization.fold import Fold, Folded, integer_decays
from export.quantization.rounding import Rounded
from rsnn.surrogate import V_THRESHOLD
from sim.contract import MAX_STATE_BITS, NumericContract, signed_range
from sim.kinds.cuba_lif import CubaLIF


def fold(
    layers: Sequence[Any],
    weights: Rounded,
    bias: NDArray[np.int64] | None,
    contract: NumericContract,
) -> Folded:
    """Fold one hidden layer; see `Fold`."""
    (layer,) = layers
    decay_mem, decay_syn, gain = integer_decays(layer.tau, contract)
    limits = V_THRESHOLD * 2.0**contract.frac_bits / (weights.grid.unit * gain)
    fires_at_limit = layer.order.fires_when == ">="
    first = np.ceil(limits) if fires_at_limit else np.floor(limits) + 1  # membrane that fires
    threshold = first - (contract.fires_when == ">")
    quantized = CubaLIF(
        w_in=weights.w_in,
        w_rec=None if layer.w_rec is None else weights.w_rec,
        e_in=weights.grid.e_in,
        e_rec=weights.grid.e_rec,
        decay_syn=decay_syn,
        decay_mem=decay_mem,
        threshold=np.minimum(threshold, signed_range(MAX_STATE_BITS)[1]).astype(np.int64),
        bias=bias,
    )
    return Folded(quantized, limits)


FOLD = Fold(fold)
