"""Layouts by which HDF5 would divide by zero are refused before it reads them."""

import re
import struct
from io import BytesIO

import h5py
import numpy as np
import pytest

from base.errors import FileError
from base.hdf5.raw import check_layout
from base.hdf5.read import open_hdf5

V3 = re.compile(rb"\x03\x02(\x02)........\x03\0\0\0\x08\0\0\0", re.DOTALL)
V4 = re.compile(rb"\x04\x02[\0-\x03](\x02)\x01\x03\x08")
REFUSED = "damaged HDF5 file: an array in chunks without dimensions"
SIZES = (8, 8)


@pytest.mark.parametrize("userblock", [0, 512, 1024])
@pytest.mark.parametrize(("libver", "layout"), [("earliest", V3), ("latest", V4)])
@pytest.mark.parametrize("track_order", [False, True])
def test_chunks_without_dimensions_are_refused(tmp_path, libver, layout, userblock, track_order):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver=libver, userblock_size=userblock) as file:
        group = file.create_group("g", track_order=track_order)
        group.create_dataset("x", data=np.arange(9.0), chunks=(3,), track_order=track_order)
        group["y"], group["z"] = np.arange(3), "text"
    with open_hdf5(path) as file:
        assert list(file["g/x"]) == list(range(9))
    content = bytearray(path.read_bytes())
    [found] = layout.finditer(content)
    content[found.start(1)] = 0
    path.write_bytes(content)
    with pytest.raises(FileError, match=re.escape(f"{path}: {REFUSED}")), open_hdf5(path):
        pass


def message(kind: int, data: bytes, version: int) -> bytes:
    if version == 1:
        return struct.pack("<HHB3x", kind, len(data), 0) + data
    return struct.pack("<BHB", kind, len(data), 0) + data


def header(messages: bytes, version: int) -> bytes:
    """An object's header of one block of messages."""
    if version == 1:
        return struct.pack("<BxHIIxxxx", 1, 9, 1, len(messages)) + messages
    return b"OHDR" + struct.pack("<BBB", 2, 0, len(messages)) + messages + b"sum."


def check(content: bytes, *, base: int = 0, sizes: tuple[int, int] = SIZES) -> None:
    check_layout(BytesIO(b"-" * base + content), 0, base, sizes)


def layout(version: int, which: int, dimensions: int) -> bytes:
    """The first bytes of a layout."""
    if version < 3:
        return bytes([version, dimensions, which]) + bytes(8)
    return bytes([version, which]) + bytes(version - 3) + bytes([dimensions]) + bytes(8)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("kind", [1, 2, 3, 4])
def test_only_chunks_without_dimensions_are_refused(version, kind):
    def content(which: int, dimensions: int) -> bytes:
        before = message(3, b"12345678", version)
        return header(before + message(8, layout(kind, which, dimensions), version), version)

    for which, dimensions in [(0, 0), (1, 0), (3, 0), (2, 1), (2, 5)]:
        check(content(which, dimensions))
    with pytest.raises(ValueError, match="without dimensions"):
        check(content(2, 0))


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("sizes", [(8, 8), (4, 4), (4, 8)])
def test_layouts_in_further_blocks_are_looked_at(version, sizes):
    def address(place: int, length: int) -> bytes:
        return place.to_bytes(sizes[0], "little") + length.to_bytes(sizes[1], "little")

    bad = message(8, layout(4, 2, 0), version)
    block = bad if version == 1 else b"OCHK" + bad + b"sum."
    first = header(message(16, address(100, len(block)), version), version)
    for base in (0, 512):
        with pytest.raises(ValueError, match="without dimensions"):
            check(first.ljust(100, b"\0") + block, base=base, sizes=sizes)
        check(first.ljust(100, b"\0") + bytes(len(block)), base=base, sizes=sizes)


def test_blocks_in_a_circle_end():
    itself = struct.pack("<QQ", 16, 24)  # the block that holds it
    with pytest.raises(ValueError, match="more than 1000 blocks"):
        check(header(message(16, itself, 1), 1))


@pytest.mark.parametrize("flags", [0x00, 0x01, 0x02, 0x04, 0x10, 0x20, 0x37])
def test_every_form_of_a_header_is_understood(flags):
    order = b"\0\0" if flags & 4 else b""
    one = struct.pack("<BHB", 8, 11, 0) + order + layout(4, 2, 0)
    size = len(one).to_bytes(1 << (flags & 3), "little")
    times, places = bytes(16 if flags & 0x20 else 0), bytes(4 if flags & 0x10 else 0)
    with pytest.raises(ValueError, match="without dimensions"):
        check(b"OHDR" + bytes([2, flags]) + times + places + size + one)


@pytest.mark.parametrize("content", [b"", b"OHDR", b"OHDR\2\0", b"\1\0", b"OHDR\2\0\xff\x08\xff"])
def test_a_header_that_ends_early_says_nothing(content):
    check(content)
