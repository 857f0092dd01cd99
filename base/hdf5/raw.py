"""What HDF5 does not check before it uses it, read byte by byte: heaps, and layouts of arrays.

Source: HDF5 File Format Specification, version 3.0, sections III.E (global heaps), IV.A (object
headers), IV.A.2.i (layouts) and VII (indices of chunks).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from base.errors import FileError

FIRST_USER_BLOCK = 512
_HEAP, _HEAP_HEADER, _OBJECT_HEADER = b"GCOL", 16, 16  # bytes, with 8-byte lengths
_BLOCK = 1 << 20  # bytes that are read at once
_LARGEST_HEAP = 1 << 28  # bytes
_LAYOUT, _CONTINUATION, _CHUNKED = 0x08, 0x10, 2  # types of messages, class of a layout
SINGLE, IMPLICIT, FIXED, EXTENSIBLE, TREE = range(1, 6)  # indices of chunks
_CHUNK_SIZES, _FIXED_HEADER = 5, 8  # bytes before what they name
_LONGEST_HEAD = 34  # bytes of an object's header before its messages
_LARGEST_HEADER = 1 << 20  # bytes of one block of messages
_MAX_BLOCKS = 1000  # of messages, of one object


def check_heaps(path: Path) -> None:
    """Refuse a global heap whose objects do not fill it one after the other.

    HDF5 steps from object to object by their sizes; over an object of no size it steps for ever.
    """
    with open(path, "rb") as stream:
        for at in list(_places(stream, _HEAP)):
            stream.seek(at)
            header = stream.read(_HEAP_HEADER)
            if header[4:8] != b"\1\0\0\0":
                continue
            size = int.from_bytes(header[8:], "little")
            stream.seek(at)
            heap = stream.read(min(size, _LARGEST_HEAP))
            if len(heap) < max(size, _HEAP_HEADER) or not _is_filled(heap):
                raise FileError(f"{path}: damaged HDF5 file: a heap of objects without a size")


def _places(stream: BinaryIO, wanted: bytes) -> Iterator[int]:
    """Where some bytes stand in a file, which is read block by block."""
    start, kept = 0, b""
    while block := stream.read(_BLOCK):
        text = kept + block
        at = text.find(wanted)
        while at >= 0:
            yield start + at
            at = text.find(wanted, at + 1)
        kept = text[1 - len(wanted) :]
        start += len(text) - len(kept)


def _is_filled(heap: bytes) -> bool:
    """Whether the objects of a heap lie one behind the other, up to its end."""

    def number(at: int, size: int) -> int:
        return int.from_bytes(heap[at : at + size], "little")

    at = _HEAP_HEADER
    while at + _OBJECT_HEADER <= len(heap):
        size = number(at + 8, 8)
        is_free = number(at, 2) == 0  # free space counts its header, and ends the heap
        needed = size if is_free else _OBJECT_HEADER + -(-size // 8) * 8
        if needed < _OBJECT_HEADER or at + needed > len(heap):
            return False
        at += needed
    return True


class Index(NamedTuple):
    """How the chunks of an array are found, in files of the latest format.

    Attributes:
        kind: `SINGLE`, `IMPLICIT`, `FIXED`, `EXTENSIBLE` or `TREE`.
        entries: of a fixed index, how many it has; None where that cannot be read.
    """

    kind: int
    entries: int | None = None


def index_of(stream: BinaryIO, at: int, base: int, sizes: tuple[int, int]) -> Index | None:
    """The index of an array's chunks; None for other objects, other layouts and older formats.

    Args:
        stream: the file.
        at: where the header of the object begins, in bytes from `base`.
        base: where addresses count from.
        sizes: bytes of an address and of a length.

    Raises:
        ValueError: chunks have no dimensions; HDF5 divides by their size.
    """
    found = None
    for kind, data in _messages(stream, at, base, sizes):
        if kind == _LAYOUT and data:
            where, dimensions = {1: (2, 1), 2: (2, 1), 3: (1, 2)}.get(data[0], (1, 3))
            if data[where : where + 1] == bytes([_CHUNKED]):
                if not any(data[dimensions : dimensions + 1]):
                    raise ValueError("an array in chunks without dimensions")
                if data[0] > 3:
                    found = _index(stream, data, base, sizes)
    return found


def _index(stream: BinaryIO, data: bytes, base: int, sizes: tuple[int, int]) -> Index:
    """The index that a layout of version 4 names."""
    if len(data) < _CHUNK_SIZES:
        raise ValueError("an array whose layout ends early")
    at = _CHUNK_SIZES + data[3] * data[4]
    kind = int.from_bytes(data[at : at + 1], "little")
    if kind != FIXED:
        return Index(kind)
    address = int.from_bytes(data[at + 2 : at + 2 + sizes[0]], "little")
    if address == (1 << 8 * sizes[0]) - 1:  # nothing is stored yet
        return Index(kind)
    stream.seek(base + address)
    header = stream.read(_FIXED_HEADER + sizes[1])
    return Index(kind, int.from_bytes(header[_FIXED_HEADER:], "little"))


def _messages(
    stream: BinaryIO, at: int, base: int, sizes: tuple[int, int]
) -> Iterator[tuple[int, bytes]]:
    """Type and content of the messages of an object's header, of either version."""
    stream.seek(base + at)
    head = stream.read(_LONGEST_HEAD).ljust(_LONGEST_HEAD, b"\0")
    if head[:4] == b"OHDR":
        flags = head[5]
        first = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
        width = 1 << (flags & 3)
        size = int.from_bytes(head[first : first + width], "little")
        blocks, kind_bytes, header = [(at + first + width, size)], 1, 4 + (2 if flags & 4 else 0)
    else:
        size = int.from_bytes(head[8:12], "little")
        blocks, kind_bytes, header = [(at + 16, size)], 2, 8
    for number, (place, length) in enumerate(blocks):
        if number == _MAX_BLOCKS:
            raise ValueError(f"an object with more than {_MAX_BLOCKS} blocks of messages")
        stream.seek(base + place)
        block = stream.read(min(length, _LARGEST_HEADER))
        here = 4 if block[:4] == b"OCHK" else 0
        while here + header <= len(block):
            kind = int.from_bytes(block[here : here + kind_bytes], "little")
            size = int.from_bytes(block[here + kind_bytes : here + kind_bytes + 2], "little")
            data = block[here + header : here + header + size]
            here += header + size
            if kind == _CONTINUATION and len(data) >= sum(sizes):
                target = int.from_bytes(data[: sizes[0]], "little")
                blocks.append((target, int.from_bytes(data[sizes[0] : sum(sizes)], "little")))
            yield kind, data
