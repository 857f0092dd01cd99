"""Decode spikes as they come: lines on stdin, or packets on a UDP socket of this machine."""

import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from base.errors import DataError, FileError, RangeError
from sim.artifact import load_network
from sim.live.ordered import OrderedDecoder, Tally
from sim.live.packets import LARGEST, decode_spikes, encode_velocity, parse_line
from sim.network import IntegerNetwork

HOST = "127.0.0.1"
_RECEIVE_BYTES = 1 << 22  # that the system keeps for us while we are not looking
_POLL = 0.05  # s; how often a quiet socket looks whether it is time to stop


def stream_lines(network: IntegerNetwork, lines: TextIO, write: Callable[[str], object]) -> Tally:
    """Decode one line after the other until there are no more, or nobody wants them any longer.

    Args:
        network: the network.
        lines: for each step the indices of the inputs that spike; an empty line is silence.
        write: called with the number of the step and the decoded values, as text.
    """
    decoder = OrderedDecoder(network)
    number = 0
    try:
        for line in lines:
            start = time.perf_counter()
            try:
                events = parse_line(line, network.n_inputs)
            except DataError:
                decoder.tally.malformed += 1
                continue
            values = decoder.step(number, events)
            assert values is not None  # lines are numbered here, in order
            write(f"{number} " + " ".join(repr(float(value)) for value in values) + "\n")
            decoder.tally.add(time.perf_counter() - start)
            number += 1
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    return decoder.tally


def stream_packets(
    network: IntegerNetwork,
    port: int,
    *,
    idle: float,
    steps: int | None = None,
    ready: Callable[[int], object] = lambda port: None,
) -> Tally:
    """Decode packets that come to a UDP port of 127.0.0.1, and answer each to its sender.

    Args:
        network: the network.
        port: 0 takes any that is free.
        idle: s without a packet after which the stream is over.
        steps: the stream is over after so many decoded steps.
        ready: called with the port once packets can come.

    Raises:
        RangeError: no such port, an idle time of 0 s or less, or less than one step.
        FileError: the port is taken.
    """
    if not 0 <= port < 1 << 16:
        raise RangeError(f"--udp is {port}; a port is 0..65535, and 0 takes a free one")
    if not idle > 0:
        raise RangeError(f"--idle is {idle:g} s; it must be longer than 0 s")
    if steps is not None and steps < 1:
        raise RangeError(f"--steps is {steps}; at least 1 is needed")
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
                    with suppress(OSError):  # whoever sent it, from port 0 perhaps, gets no answer
                        own.sendto(encode_velocity(spikes.step, values), sender)
                    tally.add(time.perf_counter() - last)
        except KeyboardInterrupt:
            pass
    return tally


def stream_file(
    path: Path,
    port: int | None,
    lsl: str | None,
    *,
    idle: float,
    steps: int | None,
    ready: Callable[[int], object],
) -> Tally:
    """Load a network and decode what comes to a UDP port, an LSL stream or, without both, stdin.

    Raises:
        FileError, DataError: the network cannot be read.
        RangeError, ToolError: what `stream_packets` and `lsl.stream_samples` refuse.
    """
    if port is not None and lsl is not None:
        raise RangeError(f"--udp is {port} and --lsl is {lsl}; spikes come from one of them")
    network = load_network(path)
    if port is not None:
        return stream_packets(network, port, idle=idle, steps=steps, ready=ready)
    if lsl is not None:
        from rsnnctl.steps.lsl import stream_samples

        return stream_samples(network, lsl, idle=idle, steps=steps)
    lines = open(sys.stdin.fileno(), errors="replace", closefd=False)  # noqa: SIM115
    # past Python's buffer, because whoever reads a step's line may decide the next one on it
    return stream_lines(network, lines, lambda text: os.write(sys.stdout.fileno(), text.encode()))
