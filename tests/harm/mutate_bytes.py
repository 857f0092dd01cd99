"""Mutations of any bytes: flips, odd numbers, cuts, repeats."""

from random import Random

ODD = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0xFFFFFFFF,
    2**63 - 1,
    2**64 - 1,
)


def places_of(mark: bytes, data: bytes) -> list[int]:
    """Where some bytes begin in others, in order."""
    found, at = [], data.find(mark)
    while at >= 0:
        found.append(at)
        at = data.find(mark, at + 1)
    return found


def flip(data: bytes, random: Random, number: int = 0) -> bytes:
    """One bit, or, for odd numbers, one whole byte changed."""
    changed = bytearray(data)
    place = random.randrange(len(data))
    changed[place] ^= random.randrange(1, 256) if number % 2 else 1 << random.randrange(8)
    return bytes(changed)


def odd_number(data: bytes, random: Random, low: int = 0, high: int | None = None) -> bytes:
    """A little-endian number of 1 to 8 bytes set to an odd value, or moved by a little."""
    width = random.choice((1, 2, 4, 8))
    place = random.randrange(low, max(low + 1, min(high or len(data), len(data)) - width))
    old = int.from_bytes(data[place : place + width], "little")
    value = random.choice((*ODD, old + 1, old - 1, old * 2, len(data), old ^ 0xFF))
    return data[:place] + (value % 256**width).to_bytes(width, "little") + data[place + width :]


def mutate(data: bytes, random: Random) -> bytes:
    """One to three mutations that know nothing of the format."""
    for _ in range(random.choice((1, 1, 2, 3))):
        if data:
            data = _mutated(data, random)
    return data


def _mutated(data: bytes, random: Random) -> bytes:
    first, second = sorted(random.randrange(len(data) + 1) for _ in range(2))
    some = data[first : min(second, first + 64)]
    match random.randrange(6):
        case 0:
            return flip(data, random, random.randrange(2))
        case 1:
            return odd_number(data, random)
        case 2:
            return data[:first] + data[second:]
        case 3:
            return data[:second]
        case 4:
            return data[:second] + some + data[second:]
        case _:
            return data[:first] + random.randbytes(len(some)) + data[first + len(some) :]
