"""Calibration data, and a float model's response to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError
from base.meeting import check_meeting
from base.metrics import r2_score
from rsnn.data.raster import random_raster
from rsnn.data.session import Session
from rsnn.data.split import split_session
from rsnn.evaluate import Response, respond
from rsnn.model import RSNN
from rsnn.neurons import Layer

STREAM_STEPS = 1000
MAX_STREAMS = 128  # 8 minutes at 4 ms; half of it fits the readout, for which less is too noisy
RUN_UP = 100  # steps at the start of a stream that are not scored
RATES = {96: 20.0, 192: 14.0}  # Hz per channel that give the published activity


@dataclass(frozen=True)
class Calibration:
    """Streams to choose integers by; every second one is held out to judge the choice.

    Attributes:
        raster: (n_streams, n_steps, n_inputs) uint8.
        velocity: the target, (n_streams, n_steps, n_outputs), or None if unknown; then closeness
            to the float model stands for it.
        source: description of the data, for people.
        dt: seconds per step.
    """

    raster: NDArray[np.uint8]
    velocity: NDArray[np.float32] | None
    source: str
    dt: float

    @property
    def name(self) -> str:
        return self.source

    @property
    def n_channels(self) -> int:
        return self.raster.shape[2]

    @property
    def n_targets(self) -> int | None:
        return None if self.velocity is None else self.velocity.shape[2]

    @property
    def is_fit(self) -> NDArray[np.bool_]:
        """Mask of the streams (n_streams,) to choose by; the others are held out."""
        return np.arange(len(self.raster)) % 2 == 0

    def part(self, chosen: NDArray[np.bool_]) -> "Calibration":
        """Return some of the streams."""
        velocity = None if self.velocity is None else self.velocity[chosen]
        return Calibration(self.raster[chosen], velocity, self.source, self.dt)

    def r2(self, out: NDArray[np.floating], target: NDArray[np.floating]) -> float:
        """R2 of decoded streams (n_streams, n_steps, n_outputs), without their run-up."""
        run_up = min(RUN_UP, self.raster.shape[1] // 5)
        flat = [a[:, run_up:].reshape(-1, a.shape[2]) for a in (out, target)]
        return r2_score(*flat)


def from_session(session: Session) -> Calibration:
    """Streams spread over the training part of a recording.

    Raises:
        DataError: it is shorter than a second.
    """
    part = split_session(session).train
    return _cut(session.raster[part], session.velocity[part], f"{session.name} (train)", session.dt)


def from_raster(raster: NDArray[np.uint8], source: str, dt: float) -> Calibration:
    """Streams spread over a raster (n_steps, n_inputs) in steps of `dt` seconds.

    Raises:
        DataError: it is shorter than a second.
    """
    return _cut(raster, None, source, dt)


def synthetic(
    n_inputs: int, dt: float, *, n_streams: int = MAX_STREAMS, seed: int = 1
) -> Calibration:
    """Independent spikes at the rates of the published recordings, if there is no recording."""
    rate = RATES.get(n_inputs, 20.0)
    n_steps = n_streams * STREAM_STEPS
    raster = random_raster(n_steps, n_inputs, dt=dt, rate=rate, seed=seed)
    return from_raster(raster, f"independent spikes, {rate:g} Hz a channel, seed {seed}", dt)


def moments(model: RSNN, calibration: Calibration, response: Response) -> dict[str, NDArray]:
    """Second moments of the inputs of each layer, E[z z^T] (pre, pre) float64, by layer name.

    z is the spikes of an input filtered by synapse and membrane, with the layer's median time
    constants; a recurrent layer's own neurons come after those below it.
    """
    found = {}
    below: NDArray = calibration.raster
    order = model.architecture.order
    *delays, last = model.architecture.delays
    response_of = partial(filtered, adds_first=order.adds_first)
    for i, (layer, spk, late) in enumerate(zip(model.layers, response.spk, delays, strict=True)):
        decays = _median_decays([layer])
        delivered = [response_of(below, *decays, lag(order.current, late))]
        if layer.w_rec is not None:
            delivered.append(response_of(spk, *decays, lag(order.current, 1)))
        found[f"hidden{i}"] = _moment(np.concatenate(delivered, 2))
        below = spk
    delivered = [response_of(below, *_median_decays(model.readouts), lag(order.current, last))]
    found["readout"] = _moment(delivered[0])
    return found


def response_to(model: RSNN, calibration: Calibration, dtype: str = "float32") -> Response:
    """The model's response to the calibration data, computed in `dtype`.

    Raises:
        MismatchError: another step, number of channels or of outputs than the model's.
    """
    check_meeting(model.architecture, calibration)
    return respond(model, calibration.raster, dtype)


def lag(current: str, delay_steps: int) -> int:
    """Steps from a spike to the membrane, under a contract's `current` and a connection's delay."""
    return delay_steps + (current == "previous")


def filtered(
    spikes: NDArray, decay_mem: float, decay_syn: float, late: int, *, adds_first: bool = False
) -> NDArray[np.float64]:
    """Spikes (n_streams, n_steps, n) filtered by synapse and membrane of gain 1 - decay_mem.

    A membrane that does not leak has a gain of 1. They arrive `late` steps late
    and, with `adds_first`, decay once before they are integrated.
    """
    from scipy.signal import lfilter  # only now, because it takes seconds to import

    gain = 1.0 if decay_mem == 1.0 else 1.0 - decay_mem
    numerator = [0.0] * late + [gain * decay_syn if adds_first else gain]
    denominator = [1.0, -(decay_syn + decay_mem), decay_syn * decay_mem]
    return lfilter(numerator, denominator, spikes.astype(np.float64), axis=1)


def _moment(delivered: NDArray) -> NDArray[np.float64]:
    z = delivered.reshape(-1, delivered.shape[2])
    return z.T @ z / len(z)


def _median_decays(layers: Sequence[Layer]) -> tuple[float, float]:
    """Medians of (decay_mem, decay_syn) over some layers' neurons."""
    pairs = [[d.detach().double().numpy() for d in layer.tau.decays()] for layer in layers]
    mem, syn = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return float(np.median(mem)), float(np.median(syn))


def _cut(raster: NDArray, velocity: NDArray | None, source: str, dt: float) -> Calibration:
    n_steps = min(STREAM_STEPS, len(raster) // 4)
    if len(raster) * dt < 1.0:
        raise DataError(
            f"calibration on {source}: {len(raster)} steps are {len(raster) * dt:.2f} s; at least"
            " 1 s is needed and a minute is better: use a longer recording"
        )
    starts = np.arange(0, len(raster) - n_steps + 1, n_steps)
    if len(starts) > MAX_STREAMS:
        starts = starts[np.linspace(0, len(starts) - 1, MAX_STREAMS).astype(int)]
    pieces = [slice(start, start + n_steps) for start in starts]
    return Calibration(
        np.stack([raster[piece] for piece in pieces]),
        None if velocity is None else np.stack([velocity[piece] for piece in pieces]),
        source,
        dt,
    )
