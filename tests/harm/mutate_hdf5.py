"""Mutations of HDF5 files: of the numbers in their structures, and of objects through h5py."""

import contextlib
import tempfile
from pathlib import Path
from random import Random

import h5py
import numpy as np

from harm import mutate_bytes

_MARKS = (
    b"\x89HDF",
    b"OHDR",
    b"OCHK",
    b"TREE",
    b"SNOD",
    b"HEAP",
    b"GCOL",
    b"BTHD",
    b"BTLF",
    b"FRHP",
)
_NAMES = ("x\x1b[2J\x1b]0;owned\x07", "a\nb", "[/x]", "x" * 300, "é", "raster", "weight")
_TEXTS = ("", "[/x]", "\x1b[2J", "a\nb", "{", "[" * 2000, "nan", "1" + "0" * 5000, "x" * 30_000)


def mutate_hdf5(data: bytes, random: Random) -> bytes:
    """A change of a structure's numbers, of an object, or of any bytes."""
    chance = random.random()
    if chance < 0.2:
        return _structure(data, random)
    if chance < 0.4:
        return _header(data, random)
    if chance < 0.8:
        return _object(data, random)
    return mutate_bytes.mutate(data, random)


def resealed(change):
    """A mutation of what lies behind a container's user block, whose seal then fits again."""

    def mutate(data: bytes, random: Random) -> bytes:
        from base.container import _seal

        body = change(data, random)
        if len(body) <= 512:
            return body
        return _seal(body[512:]) + body[512:]

    return mutate


def _header(data: bytes, random: Random) -> bytes:
    """A number in an object's header (of version 2), whose checksum is then put right."""
    places = mutate_bytes.places_of(b"OHDR\x02", data)
    if not places:
        return _structure(data, random)
    place = random.choice(places)
    flags = data[place + 5]
    width = 1 << (flags & 3)
    start = place + 6 + 16 * (flags >> 5 & 1) + 4 * (flags >> 4 & 1)
    end = start + width + int.from_bytes(data[start : start + width], "little")
    data = mutate_bytes.odd_number(data, random, start + width, end)
    return data[:end] + _lookup3(data[place:end]).to_bytes(4, "little") + data[end + 4 :]


def _lookup3(data: bytes) -> int:
    """Bob Jenkins' hash, with which HDF5 checks its own structures."""

    def rotated(value: int, by: int) -> int:
        return (value << by | value >> (32 - by)) & 0xFFFFFFFF

    a = b = c = (0xDEADBEEF + len(data)) & 0xFFFFFFFF
    while True:
        block, data = data[:12].ljust(12, b"\0"), data[12:]
        a = (a + int.from_bytes(block[:4], "little")) & 0xFFFFFFFF
        b = (b + int.from_bytes(block[4:8], "little")) & 0xFFFFFFFF
        c = (c + int.from_bytes(block[8:], "little")) & 0xFFFFFFFF
        if not data:
            break
        for by in (4, 6, 8, 16, 19, 4):
            a = (a - c) & 0xFFFFFFFF ^ rotated(c, by)
            c = (c + b) & 0xFFFFFFFF
            a, b, c = b, c, a
    for by in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - rotated(b, by)) & 0xFFFFFFFF
        a, b, c = b, c, a
    return b


def _structure(data: bytes, random: Random) -> bytes:
    for _ in range(random.choice((1, 1, 2))):
        mark = random.choice(_MARKS)
        places = mutate_bytes.places_of(mark, data)
        if places:
            place = random.choice(places)
            data = mutate_bytes.odd_number(data, random, place + 4, place + 96)
    return data if random.random() < 0.98 else mutate_bytes.flip(data, random)


def _object(data: bytes, random: Random) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".h5") as stream:
        stream.write(data)
        stream.flush()
        # HDF5 refuses some changes; what it has done of them stays
        refused = (OSError, KeyError, RuntimeError, ValueError, TypeError)
        with contextlib.suppress(*refused), h5py.File(stream.name, "r+") as file:
            for _ in range(random.choice((1, 1, 2))):
                _change(file, random)
        return Path(stream.name).read_bytes()


def _change(file: h5py.File, random: Random) -> None:
    names: list[str] = []
    file.visit(names.append)
    name = random.choice(names) if names else "x"
    match random.randrange(9):
        case 0:
            del file[name]
        case 1:
            _replace(file, name, _array(random))
        case 2:
            target = file if random.random() < 0.5 else file[name]
            target.attrs[random.choice((*target.attrs, "x"))] = random.choice((*_TEXTS, 5, 1e300))
        case 3:
            target = file if random.random() < 0.5 else file[name]
            target.attrs[random.choice((*target.attrs, "x"))] = h5py.Empty("f8")
        case 4:
            del file[name]
            file[name] = random.choice(
                (
                    h5py.SoftLink("/"),
                    h5py.SoftLink(f"/{name}"),
                    h5py.ExternalLink("/etc/passwd", "x"),
                )
            )
        case 5:
            file.move(name, random.choice(_NAMES))
        case 6:
            file[random.choice(_NAMES)] = file[name]
        case 7:
            values = file[name]
            if isinstance(values, h5py.Dataset) and values.size and values.dtype.kind in "iuf":
                with np.errstate(all="ignore"):
                    odd = (np.nan, np.inf, -1, 0, 1e300, 2**31, 127, -128)
                    values[(0,) * values.ndim] = np.asarray(random.choice(odd)).astype(values.dtype)
        case _:
            _replace(file, name, None)
            shape = random.choice(((32767, 32767), (1, 10**9), (10**12, 2), (0, 5), (2**40, 2**40)))
            kind = random.choice(("i1", "f4", "f8"))
            file.create_dataset(name, shape, kind, chunks=tuple(min(64, max(1, n)) for n in shape))


def _replace(file: h5py.File, name: str, value) -> None:
    del file[name]
    if value is not None:
        file[name] = value


def _array(random: Random):
    shape = tuple(random.choice((0, 1, 2, 7, 64)) for _ in range(random.randrange(4)))
    kind = random.choice(("f8", "f4", "f2", "i1", "i8", "u1", "u8", "c16", "S3", "?"))
    if random.random() < 0.2:
        return random.choice(_TEXTS)
    if random.random() < 0.1:
        return h5py.Empty("f8")
    return np.ones(shape).astype(kind)
