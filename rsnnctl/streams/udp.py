"""Decode packets that arrive at a UDP port of this machine, and answer each."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress

from base.checks import check_at_most, check_count
from base.errors import DataError, FileError, RangeError
from rsnnctl.streams import LONGEST_IDLE, MOST_STEPS
from sim.live.ordered import OrderedDecoder, Tally
from sim.live.packets import LARGEST, decode_spikes, encode_velocity
from sim.network import IntegerNetwork

HOST = "127.0.0.1"
_RECEIVE_BYTES = 1 << 22  # bytes that the system buffers for us
_POLL = 0.05  # s between checks of a quiet socket for the time to stop


def stream_packets(
    network: IntegerNetwork,
    port: int,
    *,
    idle: float,
    steps: int | None = None,
    ready: Callable[[int], object] = lambda port: None,
) -> Tally:
    """Decode packets that arrive at a UDP port of 127.0.0.1, and answer each to its sender.

    Args:
        network: the network.
        port: 0 for any free port.
        idle: s without a packet after which the stream is over.
        steps: number of decoded steps after which the stream is over; None: no limit.
        ready: called with the port once packets can arrive.

    Raises:
        RangeError: no such port, an idle time of 0 s or less, or less than one step.
        FileError: the port is taken.
    """
    if not 0 <= port < 1 << 16:
        raise RangeError(f"`port` is {port}; a port is 0..65535, and 0 takes a free one")
    if not idle > 0:
        raise RangeError(f"`idle` is {idle:g} s; it must be longer than 0 s")
    check_at_most("idle", idle, LONGEST_IDLE)
    if steps is not None:
        check_count("steps", steps, MOST_STEPS)
    decoder = OrderedDecoder(network)
    tally = decoder.tally
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BYTES)
        own.settimeout(min(_POLL, idle))
        try:
            own.bind((HOST, port))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise FileError(f"{HOST}:{port}: {reason}; name another port, or 0") from error
        ready(own.getsockname()[1])
        last = time.perf_counter()
        try:
            while steps is None or tally.steps < steps:
                try:
                    packet, sender = own.recvfrom(LARGEST)
                except TimeoutError:
                    if time.perf_counter() - last >= idle:
                        break
                    continue
                last = time.perf_counter()
                try:
                    spikes = decode_spikes(packet, network.n_inputs)
                except DataError:
                    tally.malformed += 1
                    continue
                values = decoder.step(spikes.step, spikes.events)
                if values is not None:
                    with suppress(OSError):  # a sender at port 0, for example, gets no answer
                        own.sendto(encode_velocity(spikes.step, values), sender)
                    tally.add(time.perf_counter() - last)
        except KeyboardInterrupt:
            pass
    return tally
