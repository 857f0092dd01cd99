"""Inputs of which only the first event of a run counts (`inputs_once` of the contract)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def first_events(
    raster: NDArray[Any], seen: NDArray[np.bool_]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """A raster with 0 in place of all but the first event of each input, and which have had one.

    Args:
        raster: (n_steps, n_inputs).
        seen: (n_inputs,) the inputs that have had an event before.
    """
    had = np.logical_or.accumulate(np.concatenate([seen[None], raster != 0]), axis=0)
    return np.where(had[:-1], 0, raster).astype(raster.dtype), had[-1]
