"""The layers of an imported network as plain arrays; torch is not needed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError

MOST_WEIGHTS = 1 << 26  # of a network; 256 MiB in float32


@dataclass(frozen=True)
class LayerArrays:
    """Weights, decay factors and biases of a layer, in the units of `rsnn.neurons`.

    Attributes:
        w_in: (post, pre).
        w_rec: (post, post), or None.
        decay_mem, decay_syn: (post,), from 0 to 1; where decay_mem is 1, a membrane's gain is 1.
        bias: (post,), or None.
    """

    w_in: NDArray[np.float64]
    w_rec: NDArray[np.float64] | None
    decay_mem: NDArray[np.float64]
    decay_syn: NDArray[np.float64]
    bias: NDArray[np.float64] | None = None


def check_size(shapes: Sequence[tuple[int, ...]]) -> None:
    """Refuse matrices that together would fill the memory, before they are allocated.

    Raises:
        RangeError: they have more than `MOST_WEIGHTS` elements.
    """
    total = sum(rows * columns for rows, columns in shapes)
    if total > MOST_WEIGHTS:
        raise RangeError(
            f"the network would have {total} weights; at most {MOST_WEIGHTS} are taken, import a"
            " smaller one"
        )
