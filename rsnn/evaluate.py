"""Decoding one long stream or many at once with a float model, and NeuroBench's figures for it."""

import copy
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from base.errors import DataError, RangeError
from base.metrics import Connection, Metrics, check_shapes, measure, r2_score
from rsnn.cuda.stream import decode_on_card
from rsnn.fast import bptt
from rsnn.fast.decode import decode_published
from rsnn.fast.denormals import flushed_denormals
from rsnn.model import RSNN, check_channels
from rsnn.training.device import find_device


def decode(
    model: RSNN,
    raster: NDArray[np.uint8],
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> tuple[NDArray[np.floating], tuple[NDArray[np.uint8], ...]]:
    """Run a model over one stream from its initial state.

    Args:
        model: left unchanged, whatever `dtype` says.
        raster: input spikes (n_steps, n_inputs).
        dtype: precision of weights, decays, states and sums during the run.
        device: a name in `rsnn.training.names.DEVICES`.

    Returns:
        `out` (n_steps, n_outputs), the mean of the heads, float64 if computed so and float32
        otherwise; and the spikes of each hidden layer, (n_steps, n_neurons) uint8.

    Raises:
        MismatchError: the raster has another number of channels than the model.
        DataError: the raster is empty, is not uint8 or holds other values than 0 and 1.
        ToolError: the device is not available, or cuda-core is not installed.
        RangeError: a card in another precision than float32, or one that cannot compute the model.
    """
    check_raster(model, raster)
    if device != "cpu":
        if dtype != torch.float32:
            name = str(dtype).removeprefix("torch.")
            raise RangeError(
                f"precision is {name}, and a card computes in float32; use `device=cpu`"
            )
        return decode_on_card(model, raster, find_device(device))
    with torch.inference_mode():
        model = copy.deepcopy(model).to("cpu", dtype)
        if model.architecture.is_published:  # the only order that is fast
            return decode_published(model, raster, dtype)
        return _as_defined(model, raster, dtype)


class Response(NamedTuple):
    """Decoded streams `out` (n_streams, n_steps, n_outputs) float64, and for each hidden layer
    its spikes (n_streams, n_steps, n_neurons) uint8."""

    out: NDArray[np.float64]
    spk: tuple[NDArray[np.uint8], ...]

    def part(self, chosen: NDArray[np.bool_]) -> "Response":
        """Return some of the streams."""
        return Response(self.out[chosen], tuple(spk[chosen] for spk in self.spk))


def respond(model: RSNN, rasters: NDArray[np.uint8], dtype: str = "float32") -> Response:
    """Run a model over many streams, each from the initial state.

    Args:
        model: left unchanged.
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


def evaluate(
    model: RSNN,
    raster: NDArray[np.uint8],
    velocity: NDArray[np.floating],
    *,
    dtype: torch.dtype = torch.float32,
    device: str = "cpu",
) -> Metrics:
    """Decode one stream and return NeuroBench's figures for it.

    Args:
        model: its footprint is that of the dtype in which it is kept, whatever `dtype` says.
        raster: input spikes (n_steps, n_inputs).
        velocity: the target, (n_steps, n_outputs).
        dtype, device: of the run, as for `decode`.

    Raises:
        MismatchError: channels, steps or outputs differ from those of the model or the raster.
        ToolError, RangeError: as in `decode`.
        DataError: as in `decode`; a target that is not finite or has a constant coordinate.
    """
    check_raster(model, raster)
    check_target(model, raster, velocity)
    out, spk = decode(model, raster, dtype=dtype, device=device)
    return measure(
        _connections(model, raster, spk),
        hidden_spikes=sum(int(np.count_nonzero(layer)) for layer in spk),
        hidden_units=sum(model.architecture.hidden),
        n_steps=len(raster),
        footprint=sum(p.numel() * p.element_size() for p in model.parameters()),
        r2=r2_score(out, velocity),
    )


def _as_defined(
    model: RSNN, raster: NDArray[np.uint8], dtype: torch.dtype
) -> tuple[NDArray[np.floating], tuple[NDArray[np.uint8], ...]]:
    decoded = model(torch.from_numpy(raster.copy())[None].to(dtype))  # it may be read-only
    kept = torch.float64 if dtype == torch.float64 else torch.float32
    spikes = tuple(spk[0].to(torch.uint8).numpy() for spk in decoded.spk)
    return decoded.out[0].to(kept).numpy(), spikes


def check_raster(model: RSNN, raster: NDArray[np.uint8]) -> None:
    """Refuse a raster that the model cannot take; errors as in `decode`."""
    n_inputs = model.architecture.n_inputs
    if raster.ndim != 2 or raster.dtype != np.uint8 or len(raster) == 0:
        raise DataError(
            f"the raster is {raster.dtype} of shape {raster.shape}; it must be uint8 of shape"
            f" (n_steps, {n_inputs}) with at least 1 step"
        )
    check_channels(model, raster.shape[1])
    if raster.max() > 1:
        step, channel = np.argwhere(raster > 1)[0]
        raise DataError(
            f"the raster holds {raster[step, channel]} at step {step}, channel {channel}; it may"
            " hold 0 and 1 only, clip the counts with np.minimum(raster, 1)"
        )


def check_target(model: RSNN, raster: NDArray[np.uint8], velocity: NDArray[np.floating]) -> None:
    """Refuse a target on which R2 has no value for this model; errors as in `evaluate`."""
    check_shapes((len(raster), model.architecture.n_outputs), velocity.shape)
    if n_bad := int(np.count_nonzero(~np.isfinite(velocity))):
        raise DataError(
            f"the target has {n_bad} values that are NaN or infinite; leave those steps out"
        )
    constant = np.flatnonzero(velocity.min(0) == velocity.max(0))
    if constant.size:
        raise DataError(
            f"coordinate {constant[0]} of the target is constant over {len(velocity)} steps, so R2"
            " has no value; use a longer stretch of the recording"
        )


def _connections(
    model: RSNN, raster: NDArray[np.uint8], spk: tuple[NDArray[np.uint8], ...]
) -> list[Connection]:
    """Every weight matrix with the spikes it received; with a delay, the last step's reach none."""
    counts = [
        source[: len(raster) - late].sum(0, dtype=np.int64)
        for source, late in zip((raster, *spk), model.architecture.delays, strict=True)
    ]
    feeds: dict[str, NDArray[np.int64]] = {}
    for i, own in enumerate(spk):
        feeds |= {f"hidden{i}.w_in": counts[i], f"hidden{i}.w_rec": own[:-1].sum(0, dtype=np.int64)}
    for i in range(len(model.readouts)):
        feeds[f"head{i}.w_out"] = counts[-1]
    return [
        Connection((weight != 0).cpu().numpy(), feeds[name])
        for name, weight in model.connections().items()
    ]
