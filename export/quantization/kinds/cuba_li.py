"""CuBa-LI: the scale of a row's weights and the gain of its membrane go into its output's scale."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.quantization.fold import Fold, Folded, integer_decays
from export.quantization.rounding import Rounded
from sim.contract import NumericContract, signed_range
from sim.kinds.cuba_li import CubaLI


def fold(
    layers: Sequence[Any],
    weights: Rounded,
    bias: NDArray[np.int64] | None,
    contract: NumericContract,
) -> Folded:
    """Fold the heads of a readout; see `Fold`."""
    parts = [integer_decays(head.tau, contract) for head in layers]
    decay_mem, decay_syn, gain = (np.concatenate(part) for part in zip(*parts, strict=True))
    out_scale = weights.grid.unit * gain / 2.0**contract.frac_bits
    low, high = signed_range(contract.mem_bits)
    initial = layers[0].initial_out
    quantized = CubaLI(
        w_out=weights.w_in,
        decay_syn=decay_syn,
        decay_mem=decay_mem,
        initial_out=np.clip(np.trunc(initial / out_scale), low, high).astype(np.int64),
        out_scale=out_scale,
        n_heads=len(layers),
        bias=bias,
    )
    return Folded(quantized, np.empty(0))


FOLD = Fold(fold)
