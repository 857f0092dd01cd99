"""Mutations of ZIP archives (.npz, .pth, .pt): of their records, and of members packed anew."""

import io
import zipfile
from random import Random

from harm import mutate_bytes
from harm.mutate_text import mutate_npy

_RECORDS = {b"PK\x03\x04": 30, b"PK\x01\x02": 46, b"PK\x05\x06": 22, b"PK\x06\x06": 56}
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def mutate_zip(data: bytes, random: Random) -> bytes:
    """A change of a record's numbers, or of a member, or of any bytes."""
    chance = random.random()
    if chance < 0.35:
        return _record(data, random)
    if chance < 0.85:
        return _member(data, random)
    return mutate_bytes.mutate(data, random)


def _record(data: bytes, random: Random) -> bytes:
    places = [
        (place, size)
        for mark, size in _RECORDS.items()
        for place in mutate_bytes.places_of(mark, data)
    ]
    for _ in range(random.choice((1, 1, 2))):
        place, size = random.choice(places)
        data = mutate_bytes.odd_number(data, random, place + 4, place + size)
    return data


def _member(data: bytes, random: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    place = random.randrange(len(members))
    name, content = members[place]
    match random.randrange(8):
        case 0:
            del members[place]
        case 1:
            members.append((name, content[: random.randrange(len(content) + 1)]))
        case 2:
            other = random.choice(
                ("raster.npy", "../x.npy", "a\x1b[2J.npy", "x" * 5000, "archive/")
            )
            members[place] = (other, content)
        case 3:
            members[place] = (name, bytes(random.choice((0, 1, 10**6))))
        case 4:
            members[place] = (name, random.choice((b"hello", b"", b"PK\x03\x04", b"\x93NUMPY")))
        case _:
            change = mutate_npy if content.startswith(b"\x93NUMPY") else mutate_bytes.mutate
            members[place] = (name, change(content, random))
    packed = io.BytesIO()
    method = random.choice((*_METHODS, zipfile.ZIP_STORED, zipfile.ZIP_STORED))
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = method
            archive.writestr(info, content)
    return packed.getvalue()
