"""What would crash HDF5 is refused before HDF5 reads it: layouts, indices of chunks, types."""

import re
import struct
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pytest

from base.errors import FileError
from base.hdf5.raw import FIXED, Index, index_of
from base.hdf5.read import _check_array, _check_index, _is_variable, open_hdf5

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
    index_of(BytesIO(b"-" * base + content), 0, base, sizes)


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


FORMS = {
    "whole": {},
    "single": {"chunks": (6, 4)},
    "single, compressed": {"chunks": (6, 4), "compression": 1},
    "fixed": {"chunks": (4, 3)},
    "fixed, compressed": {"chunks": (4, 3), "compression": 1},
    "may grow to a size": {"chunks": (4, 3), "maxshape": (9, 4)},
    "may grow in one axis": {"chunks": (4, 3), "maxshape": (None, 4)},
    "may grow in both": {"chunks": (4, 3), "maxshape": (None, None)},
}
KINDS = [None, 1, 1, 3, 3, 3, 4, 5]


@pytest.mark.parametrize(("form", "kind"), list(zip(FORMS, KINDS, strict=True)))
def test_every_index_that_the_library_writes_is_read(tmp_path, form, kind):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest", userblock_size=512) as file:
        file.create_dataset("x", data=np.arange(24).reshape(6, 4), **FORMS[form])
        file.create_dataset("empty", (0, 4), "f4", chunks=(4, 3), maxshape=(None, 4))
        file.create_dataset("unwritten", (6, 4), "f4", chunks=(4, 3))
        sizes, at = file.id.get_create_plist().get_sizes(), file.id.links.get_info(b"x").u
    with path.open("rb") as stream:
        found = index_of(stream, at, 512, sizes)
    assert (None if found is None else found.kind) == kind
    if kind == FIXED:
        assert found == Index(FIXED, 6 if "size" in form else 4)
    with open_hdf5(path) as file:
        assert (file["x"][()] == np.arange(24).reshape(6, 4)).all()
        assert not file["unwritten"][()].any()


def test_the_index_of_chunks_whose_sides_take_two_bytes_each_is_found(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("x", data=np.zeros((600, 4)), chunks=(300, 2))
        sizes, at = file.id.get_create_plist().get_sizes(), file.id.links.get_info(b"x").u
    with path.open("rb") as stream:
        assert index_of(stream, at, 0, sizes) == Index(FIXED, 4)
    with open_hdf5(path) as file:
        assert not file["x"][()].any()


@pytest.mark.parametrize(
    ("form", "most"), [("single", (7, 4)), ("fixed", (99, 4)), ("may grow to a size", (6, 4))]
)
def test_an_index_that_is_not_that_of_the_size_is_refused(tmp_path, monkeypatch, form, most):
    """As in a file whose largest size was changed, under a checksum that fits."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.create_dataset("x", data=np.arange(24).reshape(6, 4), **FORMS[form])
    monkeypatch.setattr(h5py.Dataset, "maxshape", most)
    text = "damaged HDF5 file: an array whose index of chunks is not that of its size"
    with pytest.raises(FileError, match=text), open_hdf5(path):
        pass


@pytest.mark.parametrize(("old", "new"), [(4, 5), (5, 4), (3, 4), (4, 2), (5, 1)])
def test_an_index_of_another_kind_than_the_size_asks_for_is_refused(
    tmp_path, monkeypatch, old, new
):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        form = list(FORMS)[KINDS.index(old)]
        file.create_dataset("x", data=np.arange(24).reshape(6, 4), **FORMS[form])
    monkeypatch.setattr("base.hdf5.read.index_of", lambda *_: Index(new))
    text = "damaged HDF5 file: an array whose index of chunks is not that of its size"
    with pytest.raises(FileError, match=text), open_hdf5(path):
        pass


@pytest.mark.parametrize("where", ["attribute", "array", "part of a compound"])
@pytest.mark.parametrize("kind", [2, 15])
def test_a_type_of_variable_length_that_is_neither_text_nor_sequence_is_refused(
    tmp_path, where, kind
):
    """HDF5 calls what such a type has for functions."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:  # without checksums
        text = h5py.string_dtype()
        if where == "attribute":
            file.attrs["x"] = "text"
        elif where == "array":
            file["x"] = "text"
        else:
            file.create_dataset("x", (2,), [("a", "f8"), ("b", text)])
    content = path.read_bytes()
    coded = b"\x19\x01\x01\x00\x10\x00\x00\x00"
    assert content.count(coded) == 1
    path.write_bytes(content.replace(coded, bytes([0x19, kind, *coded[2:]])))
    text = "damaged HDF5 file: a type of variable length that is neither a text nor a sequence"
    with pytest.raises(FileError, match=text), open_hdf5(path):
        pass


def test_a_type_that_numpy_lacks_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        space = h5py.h5s.create(h5py.h5s.SCALAR)
        h5py.h5a.create(file.id, b"x", h5py.h5t.UNIX_D32LE, space)
    text = "damaged HDF5 file: No NumPy equivalent for TypeTimeID"
    with pytest.raises(FileError, match=text), open_hdf5(path):
        pass


def test_a_layout_that_ends_early_is_refused():
    with pytest.raises(ValueError, match="an array whose layout ends early"):
        check(header(message(8, layout(4, 2, 1)[:4], 2), 2))


def test_an_array_of_one_chunk_by_its_index_and_of_several_by_its_size_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as file:
        array = file.create_dataset("x", (6, 4), "f4", chunks=(4, 3))
        with pytest.raises(ValueError, match="whose index of chunks is not that of its size"):
            _check_index(array, Index(1))


def test_types_of_variable_length_are_found_inside_others():
    text, number = h5py.h5t.py_create(h5py.string_dtype(), logical=True), h5py.h5t.NATIVE_INT32
    both = h5py.h5t.create(h5py.h5t.COMPOUND, 64)
    both.insert(b"a", 0, number)
    assert not _is_variable(both)
    both.insert(b"b", 16, text)
    assert _is_variable(both)
    assert _is_variable(h5py.h5t.array_create(text, (2,)))
    assert not _is_variable(h5py.h5t.array_create(number, (2,)))
    assert _is_variable(h5py.h5t.vlen_create(text))


@pytest.mark.parametrize(("depth", "n"), [(25, 0), (24, 0), (0, 9), (0, 8)])
def test_groups_are_as_deep_and_as_full_as_allowed(tmp_path, monkeypatch, depth, n):
    monkeypatch.setattr("base.hdf5.read._MAX_OBJECTS", max(depth, 8))
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        if depth:
            file.create_group("/".join(["g"] * depth))
        for number in range(n):
            file[f"x{number}"] = 1
    told = "groups lie more than 24 deep or hold more than"
    is_refused = depth == 25 or n == 9
    with pytest.raises(FileError, match=told) if is_refused else nullcontext(), open_hdf5(path):
        pass


@pytest.mark.parametrize(("more", "is_read"), [(0, True), (1, False)])
def test_an_array_may_be_1100_times_what_is_stored_of_it(monkeypatch, more, is_read):
    monkeypatch.setattr("base.hdf5.read.SMALL", 0)
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        file.create_dataset("x", (2200 + more,), "u1", chunks=(1,))
        file["x"][:2] = 1
        if is_read:
            _check_array(Path("a.h5"), "x", file["x"], 1)
            return
        with pytest.raises(
            FileError, match="`x` of shape \\(2201,\\) needs 2201 bytes, of which 2"
        ):
            _check_array(Path("a.h5"), "x", file["x"], 1)
