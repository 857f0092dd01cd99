"""What a float model answers to many streams at once, in any precision."""

import copy
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from rsnn.fast import bptt
from rsnn.fast.denormals import flushed_denormals
from rsnn.model import RSNN


class Response(NamedTuple):
    """Decoded streams `out` (n_streams, n_steps, n_outputs) float64, and for each hidden layer
    its spikes (n_streams, n_steps, n_neurons) uint8."""

    out: NDArray[np.float64]
    spk: tuple[NDArray[np.uint8], ...]

    def part(self, chosen: NDArray[np.bool_]) -> "Response":
        """Some of the streams."""
        return Response(self.out[chosen], tuple(spk[chosen] for spk in self.spk))


def respond(model: RSNN, rasters: NDArray[np.uint8], dtype: str = "float32") -> Response:
    """Run a model over streams, each from the initial state.

    Args:
        model: left as it is.
        rasters: input spikes (n_streams, n_steps, n_inputs).
        dtype: name of the torch dtype of weights, decays, states and sums, such as `bfloat16`.

    Raises:
        MismatchError: the rasters have another number of channels than the model.
    """
    wanted = getattr(torch, dtype)
    cast = copy.deepcopy(model).to(wanted)
    streams = torch.from_numpy(np.ascontiguousarray(rasters))
    with torch.inference_mode(), flushed_denormals():
        if wanted == torch.float32:
            decoded = bptt.forward(cast, streams)
        else:
            decoded = cast(streams.to(wanted))
    spk = tuple(layer.to(torch.uint8).numpy() for layer in decoded.spk)
    return Response(decoded.out.double().numpy(), spk)
