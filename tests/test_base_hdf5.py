"""HDF5 files: none keeps the reader busy for ever, and no failing write goes unnoticed."""

import fcntl
import resource
import struct
import subprocess
import sys
from io import BytesIO

import h5py
import numpy as np
import pytest

from base.errors import FileError
from base.hdf5.raw import _places, check_heaps
from base.hdf5.read import _at_most, open_hdf5
from base.hdf5.write import create_hdf5, stream_hdf5

# A process that may write 20,000 bytes to a file, as on a disk that is full then.
FULL = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from base.hdf5 import write
from base.errors import FileError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    with getattr(write, sys.argv[2])(Path(sys.argv[1])) as file:
        file["x"] = np.arange(int(sys.argv[3]))
except FileError as error:
    print(error)
    sys.exit(1)
"""


def read(path, **options):
    with open_hdf5(path, **options) as file:
        return file["x"][...]


@pytest.mark.parametrize("write", [create_hdf5, stream_hdf5])
def test_what_is_written_is_read(tmp_path, write):
    with write(tmp_path / "a.h5") as file:
        file["x"] = np.arange(100_000)
        assert not (tmp_path / "a.h5").exists()
    assert np.array_equal(read(tmp_path / "a.h5"), np.arange(100_000))
    with pytest.raises(ZeroDivisionError), write(tmp_path / "a.h5") as file:
        raise ZeroDivisionError
    assert np.array_equal(read(tmp_path / "a.h5"), np.arange(100_000))
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("write", ["create_hdf5", "stream_hdf5"])
@pytest.mark.parametrize(("size", "code"), [(1000, 0), (100_000, 1)])
def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, write, size, code):
    path = tmp_path / "a.h5"
    path.write_bytes(b"old")
    words = [sys.executable, "-c", FULL, str(path), write, str(size)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout == ("" if code == 0 else f"{path}: cannot be written: file too large\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
    if code == 0:
        assert np.array_equal(read(path), np.arange(size))
    else:
        assert path.read_bytes() == b"old"


def test_a_user_block_comes_before_the_file(tmp_path):
    plain, with_block = tmp_path / "plain", tmp_path / "with"
    with create_hdf5(plain, libver="v110") as file:
        file["x"] = np.arange(9)
    with create_hdf5(with_block, libver="v110", user_block=lambda b: b"%d" % len(b)) as file:
        file["x"] = np.arange(9)
    content = with_block.read_bytes()
    behind = str(len(content) - 512).encode()
    assert content[:512] == behind.ljust(512, b"\0")
    assert np.array_equal(read(with_block), np.arange(9))
    with h5py.File(tmp_path / "direct", "w", libver="v110") as file:
        file["x"] = np.arange(9)
    assert plain.read_bytes() == (tmp_path / "direct").read_bytes()


@pytest.mark.parametrize("size", [0, 8, 2**64 - 16, 2**64 - 1, 1 << 20])
@pytest.mark.parametrize("which", [1, 0])
def test_a_heap_over_which_hdf5_would_step_for_ever_is_refused(tmp_path, which, size):
    """Of its first object, which has a name, or of the free space that follows it."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = "text"
    content = bytearray(path.read_bytes())
    heap = content.find(b"GCOL")
    first = heap + 16
    length = int.from_bytes(content[first + 8 : first + 16], "little")
    place = first if which else first + 16 + -(-length // 8) * 8
    assert int.from_bytes(content[place : place + 2], "little") == which
    with open_hdf5(path):
        pass
    if which and size in (0, 8):
        content[place : place + 2] = b"\0\0"  # free space of that size
    content[place + 8 : place + 16] = size.to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"a\.h5: damaged HDF5 file: a heap of objects without a"):
        read(path)


def test_a_heap_that_goes_on_behind_the_end_of_the_file_is_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = "text"
    content = path.read_bytes()
    heap = content.find(b"GCOL")
    size = int.from_bytes(content[heap + 8 : heap + 16], "little")
    for end, is_whole in ((heap + size, True), (heap + size - 1, False), (heap + 15, False)):
        path.write_bytes(content[:end])
        if is_whole:
            check_heaps(path)
            continue
        with pytest.raises(FileError, match=r"a\.h5: damaged HDF5 file: a heap of objects"):
            check_heaps(path)


@pytest.mark.parametrize("block", [8, 1 << 20])
def test_a_heap_is_found_wherever_it_lies(monkeypatch, block):
    monkeypatch.setattr("base.hdf5.raw._BLOCK", block)
    for at in range(20):
        content = b"-" * at + b"GCOL" + b"-" * 9 + b"GCOL"
        assert list(_places(BytesIO(content), b"GCOL")) == [at, at + 13]
    assert list(_places(BytesIO(b"GCO" * 9), b"GCOL")) == []


def test_letters_that_look_like_a_heap_are_none(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.frombuffer(b"GCOLGCOL" * 9, np.uint8)
    assert read(path).size == 72


@pytest.mark.parametrize("where", ["attribute", "attribute of an array", "array", "group"])
def test_a_text_that_says_it_has_gigabytes_is_refused(tmp_path, where):
    """HDF5 would take as many before it looks."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"], file["g/y"] = 1, 2
        if where == "array":
            file["z"] = "hello"
        else:
            item = {"attribute": file, "attribute of an array": file["x"]}.get(where, file["g"])
            item.attrs["z"] = "hello"
    whole = path.read_bytes()
    heap = whole.find(b"GCOL")
    reference = struct.pack("<IQI", 5, heap, 1)
    assert whole.count(reference) == 1
    path.write_bytes(whole.replace(reference, struct.pack("<IQI", 2**32 - 1, heap, 1)))
    before = resource.getrlimit(resource.RLIMIT_AS)
    with (
        pytest.raises(FileError, match=r"a\.h5: damaged HDF5 file: .*memory allocation failed"),
        open_hdf5(path),
    ):
        pass
    assert resource.getrlimit(resource.RLIMIT_AS) == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits the memory of a process")
def test_a_limit_of_the_caller_on_memory_is_never_raised(monkeypatch):
    set_ = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (5000, 6000))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: set_.append(limits))
    with _at_most(1 << 20):
        assert set_ == [(5000, 6000)]
    assert set_ == [(5000, 6000)] * 2


def test_texts_of_every_kind_are_read(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = ["a", "b"]
        file["numbers"] = h5py.Empty("f8")
        file["nothing"] = h5py.Empty(h5py.string_dtype())
        file.create_dataset("pairs", (2,), [("a", "f8"), ("b", h5py.string_dtype())])
        file.create_dataset("lists", (2,), h5py.vlen_dtype("f4"))
        file.attrs["é"] = ["a", "é"]
        file.attrs["nothing"] = h5py.Empty(h5py.string_dtype())
    assert list(read(path)) == [b"a", b"b"]


@pytest.mark.parametrize("kind", ["external", "virtual", "external link", "soft link", "circle"])
def test_a_file_that_names_others_is_refused(tmp_path, kind):
    path, other = tmp_path / "a.h5", tmp_path / "secret"
    other.write_bytes(b"12345678")
    with h5py.File(path, "w") as file:
        if kind == "external":
            file.create_dataset("x", 8, "u1", external=[(str(other), 0, h5py.h5f.UNLIMITED)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((8,), "u1")
            layout[:] = h5py.VirtualSource(str(other), "x", (8,))
            file.create_virtual_dataset("x", layout)
        elif kind == "external link":
            file["x"] = h5py.ExternalLink(str(other), "/x")
        elif kind == "soft link":
            file["y"] = np.arange(3)
            file["x"] = h5py.SoftLink("/y")
        else:
            file["x"] = file["/"]
    words = {
        "external": "`x` lies in another file; store it in its place",
        "virtual": "`x` lies in another file; store it in its place",
        "circle": "groups lie more than 24 deep or hold more than 100000 arrays; make",
    }.get(kind, "`x` is a link; store it in its place")
    with pytest.raises(FileError, match=rf"a\.h5: {words}"):
        read(path)


def test_small_files_that_would_take_gigabytes_are_refused(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset(
            "x", (1000, 1000), "i1", chunks=(100, 100)
        )  # of which nothing is stored
    assert read(path).shape == (1000, 1000)
    with pytest.raises(FileError, match=r"`x` of shape \(1000, 1000\) needs 8000000 bytes, of whi"):
        read(path, item_bytes=8)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (45_000_000,), "u1", compression="gzip", chunks=(1 << 18,))
        file["x"][:] = 0
    assert not read(path).any()  # a silent half hour


def test_a_file_is_read_although_a_process_holds_a_lock_on_it(tmp_path):
    path = tmp_path / "a.h5"
    with create_hdf5(path) as file:
        file["x"] = [1, 2]
    with open(path) as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        with open_hdf5(path) as file:
            assert list(file["x"]) == [1, 2]
