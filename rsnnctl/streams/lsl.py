"""Decode a Lab Streaming Layer stream of spikes; needs the extra `lsl`."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.checks import check_at_most, check_count
from base.errors import DataError, MismatchError, ToolError
from base.extras import extra
from base.meeting import check_meeting
from rsnnctl.provenance import decoded_unit
from rsnnctl.streams import LONGEST_IDLE, MOST_STEPS
from sim.live.ordered import MAX_GAP, OrderedDecoder, Tally
from sim.live.stamps import StampedSteps
from sim.network import IntegerNetwork

OUTLET = "rsnnctl"
MOST = 255  # spikes of a channel in a step; beyond it a value is no count


@dataclass(frozen=True)
class Source:
    """An LSL stream as `base.meeting.Recording`; `dt` is None where it has no nominal rate."""

    name: str
    n_channels: int
    dt: float | None
    n_targets: None = None


def stream_samples(
    network: IntegerNetwork, name: str, *, idle: float, steps: int | None = None
) -> Tally:
    """Decode a stream of samples with one channel per input; a count above 0 is a spike.

    The time stamp of a sample tells its step: steps without one are lost, and decoded as silence.
    At a nominal rate of 1/dt a sample is a step and is decoded at once. Without a nominal rate
    (LSL's 0) the samples of a step are merged, and decoded when the first of a later step arrives.
    A sample with a NaN is malformed, and lost. Decoded values leave through a stream `rsnnctl`
    that names their unit.

    Args:
        network: the network.
        name: name of the stream.
        idle: s without a sample after which the stream is over, or not found.
        steps: number of steps after which the stream is over; None: no limit.

    Raises:
        ToolError: pylsl is missing, or there is no such stream.
        RangeError: less than one step.
        MismatchError: rate or number of channels are not the network's, or channels are text.
        DataError: a value is no whole number 0..255.
    """
    try:
        pylsl = extra("pylsl", "lsl", "`lsl`")
    except RuntimeError as error:
        raise ToolError("`lsl` needs liblsl; the page of pylsl says where to get it") from error
    check_at_most("idle", idle, LONGEST_IDLE)
    if steps is not None:
        check_count("steps", steps, MOST_STEPS)
    found = pylsl.resolve_byprop("name", name, timeout=idle)
    if not found:
        raise ToolError(
            f"there is no LSL stream `{name}`; start it first, or wait longer with `idle`"
        )
    rate = found[0].nominal_srate()
    source = Source(f"LSL stream `{name}`", found[0].channel_count(), 1 / rate if rate else None)
    check_meeting(network, source)
    if found[0].channel_format() == pylsl.cf_string:
        raise MismatchError(f"LSL stream `{name}` holds text; numbers are needed, not 0 is a spike")
    inlet, outlet = pylsl.StreamInlet(found[0]), pylsl.StreamOutlet(_described(pylsl, network))
    decoder = OrderedDecoder(network, trusted=True)
    tally = decoder.tally
    samples = _samples(inlet, idle, source.name, tally)
    if source.dt is None:
        arriving = _merged(samples, network.dt, tally)
    else:
        arriving = _numbered(samples, network.dt)
    try:
        for number, sample in arriving:
            values = decoder.step(number, sample.spikes)
            if values is not None:
                outlet.push_sample(values.tolist())
                tally.add(time.perf_counter() - sample.arrived)
            if tally.steps == steps:
                break
    except KeyboardInterrupt:
        pass
    return tally


@dataclass(frozen=True)
class Sample:
    """Spikes (n_channels,) bool, their time stamp in s, and when they arrived on our own clock."""

    spikes: NDArray[np.bool_]
    stamp: float
    arrived: float


def _samples(inlet: Any, idle: float, name: str, tally: Tally) -> Iterator[Sample]:
    """The samples of a stream until it is idle; those with a NaN are counted and left out."""
    while True:
        values, stamp = inlet.pull_sample(timeout=idle)
        if values is None:
            return
        arrived = time.perf_counter()
        counts = np.asarray(values, np.float64)
        if np.isnan(counts).any() or not np.isfinite(stamp):
            tally.malformed += 1
            continue
        wrong = (counts < 0) | (counts > MOST) | (counts != np.floor(counts))
        if wrong.any():
            channel = int(np.argmax(wrong))
            raise DataError(
                f"{name}: channel {channel} holds {counts[channel]:g}; a value is the number of"
                f" spikes of a step, a whole number 0..{MOST}: detect spikes before they are sent"
            )
        yield Sample(counts > 0, stamp, arrived)


def _numbered(samples: Iterator[Sample], dt: float) -> Iterator[tuple[int, Sample]]:
    """One step per sample, numbered by its time stamp."""
    steps = StampedSteps(dt)
    for sample in samples:
        yield steps.following(sample.stamp), sample


def _merged(samples: Iterator[Sample], dt: float, tally: Tally) -> Iterator[tuple[int, Sample]]:
    """The samples of each step as one; a sample of the steps before it is late."""
    steps = StampedSteps(dt)
    number, merged = 0, None
    for sample in samples:
        found = steps.nearest(sample.stamp)
        if merged is None:
            number, merged = found, sample
        elif found == number:
            merged = Sample(merged.spikes | sample.spikes, sample.stamp, sample.arrived)
        elif number - MAX_GAP <= found < number:
            tally.late += 1
        else:
            yield number, merged
            number, merged = found, sample
    if merged is not None:
        yield number, merged


def _described(pylsl: Any, network: IntegerNetwork) -> Any:
    """The stream that decoded values leave through, with their unit."""
    n_outputs = network.n_outputs
    info = pylsl.StreamInfo(OUTLET, "Velocity", n_outputs, 1 / network.dt, "double64", OUTLET)
    channels = info.desc().append_child("channels")
    for _ in range(n_outputs):
        channels.append_child("channel").append_child_value("unit", decoded_unit(network))
    return info
