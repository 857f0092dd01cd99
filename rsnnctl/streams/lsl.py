"""Decode a Lab Streaming Layer stream of spikes; needs the extra `lsl`."""

import time

import numpy as np

from base.errors import MismatchError, ToolError
from base.extras import extra
from sim.live.ordered import OrderedDecoder, Tally
from sim.network import IntegerNetwork

OUTLET = "rsnnctl"


def stream_samples(
    network: IntegerNetwork, name: str, *, idle: float, steps: int | None = None
) -> Tally:
    """Decode each sample of a stream, one step with one channel per input; nonzero is a spike.

    A sample with a NaN is malformed, and its step is lost: decoded as silence.
    Velocities leave through a stream named `rsnnctl`, in the unit of the training target.

    Args:
        network: the network.
        name: name of the stream.
        idle: s without a sample after which the stream is over, or not found.
        steps: number of steps after which the stream is over; None: no limit.

    Raises:
        ToolError: pylsl is missing, or there is no such stream.
        MismatchError: the number of channels is not that of inputs, or channels are text.
    """
    try:
        pylsl = extra("pylsl", "lsl", "`lsl`")
    except RuntimeError as error:
        raise ToolError("`lsl` needs liblsl; the page of pylsl says where to get it") from error
    found = pylsl.resolve_byprop("name", name, timeout=idle)
    if not found:
        raise ToolError(
            f"there is no LSL stream `{name}`; start it first, or wait longer with `idle`"
        )
    if found[0].channel_count() != network.n_inputs:
        raise MismatchError(
            f"LSL stream `{name}` has {found[0].channel_count()} channels; the network has"
            f" {network.n_inputs} inputs"
        )
    if found[0].channel_format() == pylsl.cf_string:
        raise MismatchError(f"LSL stream `{name}` holds text; numbers are needed, not 0 is a spike")
    n_outputs = network.readout.n_outputs
    info = pylsl.StreamInfo(OUTLET, "Velocity", n_outputs, 1 / network.dt, "double64", OUTLET)
    inlet, outlet = pylsl.StreamInlet(found[0]), pylsl.StreamOutlet(info)
    decoder = OrderedDecoder(network)
    number = 0
    try:
        while steps is None or number < steps:
            sample, _ = inlet.pull_sample(timeout=idle)
            if sample is None:
                break
            start = time.perf_counter()
            channels = np.asarray(sample)
            if np.isnan(channels).any():
                decoder.tally.malformed += 1
            else:
                values = decoder.step(number, channels != 0)
                assert values is not None  # samples are numbered here, in order
                outlet.push_sample(values.tolist())
                decoder.tally.add(time.perf_counter() - start)
            number += 1
    except KeyboardInterrupt:
        pass
    return decoder.tally
