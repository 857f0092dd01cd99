"""The packets of `rsnnctl stream`: spikes of one step in, decoded values of it out.

`docs/streaming.md` has the layout. All numbers are little-endian.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from base.errors import DataError

SPIKES = b"RSs1"
VELOCITY = b"RSv1"
LARGEST = 65507  # bytes that one UDP packet over IPv4 can hold
_HEADER = struct.Struct("<4sIH")  # magic, step, number of items that follow
STEPS = 1 << 32  # a step number goes back to 0 here


@dataclass(frozen=True)
class Spikes:
    """Inputs that spike in a step: their indices (n_events,) uint16."""

    step: int
    events: NDArray[np.uint16]


def encode_spikes(step: int, events: ArrayLike) -> bytes:
    """Put the indices of the inputs that spike in a step into a packet."""
    indices = np.asarray(events, "<u2")
    return _HEADER.pack(SPIKES, step % STEPS, len(indices)) + indices.tobytes()


def decode_spikes(packet: bytes, n_inputs: int) -> Spikes:
    """Read a packet of spikes.

    Raises:
        DataError: too short, wrong magic or length, or an input that does not exist.
    """
    step, body = _unpacked(packet, SPIKES, 2)
    events = np.frombuffer(body, "<u2")
    if events.size and events.max() >= n_inputs:
        raise DataError(f"input {events.max()} spikes, but there are inputs 0..{n_inputs - 1}")
    return Spikes(step, events)


def encode_velocity(step: int, values: NDArray[np.float64]) -> bytes:
    """Put the decoded values of a step into a packet."""
    return _HEADER.pack(VELOCITY, step % STEPS, len(values)) + values.astype("<f8").tobytes()


def decode_velocity(packet: bytes) -> tuple[int, NDArray[np.float64]]:
    """Read a packet of decoded values: the step, and (n_outputs,).

    Raises:
        DataError: too short, or wrong magic or length.
    """
    step, body = _unpacked(packet, VELOCITY, 8)
    return step, np.frombuffer(body, "<f8")


def parse_line(line: str, n_inputs: int) -> NDArray[np.int64]:
    """Read a line of blank-separated indices: the inputs that spike in one step.

    Raises:
        DataError: something that is not an input's index.
    """
    try:
        events = np.array([int(word) for word in line.split()], np.int64)
    except (ValueError, OverflowError):
        raise DataError("a line holds something else than indices of inputs") from None
    if events.size and not 0 <= events.min() <= events.max() < n_inputs:
        raise DataError(f"a line names an input outside 0..{n_inputs - 1}")
    return events


def _unpacked(packet: bytes, magic: bytes, item_bytes: int) -> tuple[int, bytes]:
    if len(packet) < _HEADER.size:
        raise DataError(f"a packet has {len(packet)} bytes; {_HEADER.size} are its header")
    found, step, count = _HEADER.unpack_from(packet)
    if found != magic:
        raise DataError(f"a packet starts with {found!r}; {magic!r} is needed")
    expected = _HEADER.size + count * item_bytes
    if len(packet) != expected:
        raise DataError(f"a packet has {len(packet)} bytes, and {expected} by its header")
    return step, packet[_HEADER.size :]
