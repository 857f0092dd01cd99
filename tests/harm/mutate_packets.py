"""Mutations of packets of spikes: magic, step, count, indices, length, session, signature."""

import struct
from random import Random

from harm import mutate_bytes

KEY = bytes(range(32))
SEED = 1
"""Of the numbers of sessions; the server draws them as `Random(SEED).randbytes` does."""


def mutate_packet(data: bytes, random: Random) -> bytes:
    """One packet with some of its fields changed."""
    magic = random.choice((b"RSs1", b"RSs1", b"RSs1", b"RSv1", b"RSs2", b"\0\0\0\0"))
    step = random.choice(
        (0, 1, 2, 2, 3, 12, 13, 999, 1000, 1001, 2**31, 2**32 - 1, random.randrange(2**32))
    )
    events = [random.choice((0, 7, 8, 65535)) for _ in range(random.randrange(6))]
    count = random.choice((len(events), len(events), len(events), 0, 65535))
    packet = struct.pack("<4sIH", magic, step, count) + struct.pack(f"<{len(events)}H", *events)
    return packet if random.random() < 0.7 else mutate_bytes.mutate(packet, random)


def mutate_signed(data: bytes, random: Random) -> bytes:
    """One packet, mostly of a session that will be, and mostly signed."""
    from sim.live.signed import sign

    numbers = Random(SEED)
    session = random.choice((numbers.randbytes(8), numbers.randbytes(8), random.randbytes(8), b""))
    hello = random.choice((b"RSh1", b"RSw1")) + random.randbytes(random.choice((0, 7, 8, 8, 8, 9)))
    content = hello if random.random() < 0.2 else mutate_packet(data[:-24], random) + session
    packet = sign(KEY if random.random() < 0.9 else KEY[1:], content)
    return packet if random.random() < 0.7 else mutate_bytes.mutate(packet, random)
