"""One long stream through a model on a card, as `rsnn.evaluate.decode` runs it on the CPU."""

import copy

import numpy as np
import torch
from numpy.typing import NDArray

from base.errors import RangeError
from rsnn.cuda import bptt
from rsnn.cuda.card import Card, Kernels
from rsnn.model import RSNN


def decode_on_card(
    model: RSNN, raster: NDArray[np.uint8], device: torch.device
) -> tuple[NDArray[np.float32], tuple[NDArray[np.uint8], ...]]:
    """Run a model over one stream from its initial state, in float32.

    Args:
        model: left unchanged.
        raster: input spikes (n_steps, n_inputs) uint8, 0 and 1.

    Returns:
        As `rsnn.evaluate.decode`.

    Raises:
        ToolError: cuda-core is not installed.
        RangeError: the kernels cannot compute the model, or the card has no room for the stream.
    """
    card = Card(device)
    there = copy.deepcopy(model).to(device, torch.float32)
    if (reason := bptt.unsupported(there, card)) is not None:
        raise RangeError(f"the cuda kernel cannot compute this model: {reason}; use `device=cpu`")
    try:
        return decode_by(card, there, raster, device)
    except torch.cuda.OutOfMemoryError as error:
        raise RangeError(
            f"the card has no room for the states of {len(raster)} steps; use `device=cpu`"
        ) from error


def decode_by(
    kernels: Kernels, model: RSNN, raster: NDArray[np.uint8], device: torch.device
) -> tuple[NDArray[np.float32], tuple[NDArray[np.uint8], ...]]:
    """As `decode_on_card`, by kernels and of a model that are there already."""
    stream = torch.from_numpy(raster.copy())[None].to(device)  # it may be read-only
    with torch.inference_mode():
        decoded = bptt.forward(model, stream, kernels=kernels)
        spikes = tuple(spk[0].to(torch.uint8).cpu().numpy() for spk in decoded.spk)
    return decoded.out[0].cpu().numpy(), spikes
