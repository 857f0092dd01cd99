"""Mutations of packets of spikes: magic, step, count, indices, length."""

import struct
from random import Random

from harm import mutate_bytes


def mutate_packet(data: bytes, random: Random) -> bytes:
    """One packet with some of its fields changed."""
    magic = random.choice((b"RSs1", b"RSs1", b"RSs1", b"RSv1", b"RSs2", b"\0\0\0\0"))
    step = random.choice((0, 1, 999, 1000, 1001, 2**31, 2**32 - 1, random.randrange(2**32)))
    events = [random.choice((0, 7, 8, 65535)) for _ in range(random.randrange(6))]
    count = random.choice((len(events), len(events), len(events), 0, 65535))
    packet = struct.pack("<4sIH", magic, step, count) + struct.pack(f"<{len(events)}H", *events)
    return packet if random.random() < 0.7 else mutate_bytes.mutate(packet, random)
