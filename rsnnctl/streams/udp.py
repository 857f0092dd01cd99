"""Decode packets that arrive at a UDP port of this machine, and answer each."""

import socket
import time
from collections.abc import Callable
from contextlib import suppress

from base.checks import check_at_most, check_count
from base.errors import FileError, RangeError
from rsnnctl.streams import LONGEST_IDLE, MOST_STEPS
from sim.live.ordered import Tally
from sim.live.packets import LARGEST
from sim.live.server import PacketServer
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
    key: bytes | None = None,
    ready: Callable[[int], object] = lambda port: None,
) -> Tally:
    """Decode packets that arrive at a UDP port of 127.0.0.1, and answer each to its sender.

    Args:
        network: the network.
        port: 0 for any free port.
        idle: s without a step that was decoded after which the stream is over.
        steps: number of decoded steps after which the stream is over; None: no limit.
        key: only packets signed with it are decoded, and answers are signed; None: none is.
        ready: called with the port once packets can arrive.

    Raises:
        RangeError: no such port, an idle time of 0 s or less, less than one step, or a key of
            fewer than 32 bytes.
        FileError: the port is taken.
    """
    if not 0 <= port < 1 << 16:
        raise RangeError(f"`port` is {port}; a port is 0..65535, and 0 takes a free one")
    if not idle > 0:
        raise RangeError(f"`idle` is {idle:g} s; it must be longer than 0 s")
    check_at_most("idle", idle, LONGEST_IDLE)
    if steps is not None:
        check_count("steps", steps, MOST_STEPS)
    server = PacketServer(network, key)
    tally = server.tally
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
            while time.perf_counter() - last < idle and (steps is None or tally.steps < steps):
                try:
                    packet, sender = own.recvfrom(LARGEST)
                except TimeoutError:
                    continue
                arrived = time.perf_counter()
                reply = server.reply(packet)
                if reply is None:
                    continue
                with suppress(OSError):  # a sender at port 0, for example, gets no answer
                    own.sendto(reply.packet, sender)
                if reply.is_step:  # nothing else keeps the server alive
                    last = arrived
                    tally.add(time.perf_counter() - arrived)
        except KeyboardInterrupt:
            pass
    return tally
