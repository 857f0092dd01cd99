"""Files of published code are pickles: numbers are read, code is never run, damage is one line."""

import io
import os
import pickle
from contextlib import suppress

import numpy as np
import pytest
from first_spike import dataset, write_set
from hypothesis import given, settings
from hypothesis import strategies as st

from base.errors import DataError, FileError, RangeError, RsnnError
from rsnn.first_spike.data.parts import load_parts
from rsnn.first_spike.data.spiking_dataset import read_spiking_dataset

HEADER = {"descr": "|O", "fortran_order": False, "shape": ()}


def with_pickle(path, content: bytes):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, HEADER)
    path.write_bytes(stream.getvalue() + content)
    return path


def test_a_file_is_read_with_the_fewest_ticks_that_fit_its_times(tmp_path):
    samples = read_spiking_dataset(write_set(tmp_path / "a.npy", dataset()))
    assert samples.t_max == 4
    assert list(samples.tick) == [0, 1, 2, 1]
    assert list(samples.index) == [3, 1, 0, 2]
    assert list(samples.ptr) == [0, 3, 4]
    assert list(samples.label) == [0, 1]
    assert samples.n_inputs == 4
    levels = dataset(tuple(np.float32(p / 255) for p in (1, 17, 254)))
    assert read_spiking_dataset(write_set(tmp_path / "b.npy", levels)).t_max == 255


def test_names_before_numpy_2_are_read_too(tmp_path):
    old = dataset(more={"max_time": np.float32(1)})
    path = write_set(tmp_path / "a.npy", old)
    content = path.read_bytes()
    new, older = b"\x8c\x16numpy._core.multiarray", b"\x8c\x15numpy.core.multiarray"
    assert new in content
    stream = content.index(b"\x80\x04\x95")
    frame = int.from_bytes(content[stream + 3 : stream + 11], "little") - 1
    content = content[: stream + 3] + frame.to_bytes(8, "little") + content[stream + 11 :]
    path.write_bytes(content.replace(new, older))
    assert list(read_spiking_dataset(path).tick) == [0, 1, 2, 1]


def test_the_longest_time_and_silent_inputs(tmp_path):
    longer = dataset((0.0, 1.0, 2.0), more={"max_time": 2})
    samples = read_spiking_dataset(write_set(tmp_path / "a.npy", longer))
    assert samples.t_max == 2
    assert list(samples.tick) == [0, 1, 1]
    unsorted = dataset((0.5, 0.25, 0.5))
    samples = read_spiking_dataset(write_set(tmp_path / "b.npy", unsorted))
    assert list(samples.index) == [1, 3, 0, 2]


def test_times_are_rounded_only_if_ticks_are_given(tmp_path):
    path = write_set(tmp_path / "a.npy", dataset((0.1234567, 1 / np.pi, 0.9999)))
    with pytest.raises(
        DataError, match=r"times are no whole multiples of 1/N for any N up to 4096"
    ):
        read_spiking_dataset(path)
    samples = read_spiking_dataset(path, 100)
    assert list(samples.tick) == [12, 32, 99, 32]
    with pytest.raises(RangeError, match="`t_max` is 0; at least 1 is needed"):
        read_spiking_dataset(path, 0)


WRONG = {
    "time below 0": (dataset((-0.5, 0, 0)), "times hold -0.5; 0 and above is possible"),
    "no time": (dataset((np.nan, 0, 0)), "times hold nan; 0 and above is possible"),
    "longest": (dataset(more={"max_time": 0.0}), "`max_time` is 0.0; it must be above 0"),
    "input": (dataset(more={"shape": (2, 3)}), "`index` holds 3; 0 to 2 is possible"),
    "labels": (dataset(labels=np.zeros(3, np.int16)), "do not fit together"),
    "samples": (
        dataset(more={"shape": (3, 4)}),
        "holds no SpikingDataset, or a damaged one",
    ),
    "fields": (dataset(kind=[("a", "i2"), ("b", "f4")]), "holds no SpikingDataset"),
    "objects": (
        dataset(kind=[("indices", "O"), ("timestamps", "f4")]),
        "holds no SpikingDataset",
    ),
    "no dictionary": ([1, 2], "holds no SpikingDataset"),
    "no data": ({"labels": 3}, "holds no SpikingDataset"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_of_other_content_is_refused(tmp_path, case):
    content, text = WRONG[case]
    path = write_set(tmp_path / "a.npy", content)
    with pytest.raises(RsnnError) as refusal:
        read_spiking_dataset(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert text in str(refusal.value)


class Hostile:
    def __reduce__(self):
        return os.mkdir, ("made by a pickle",)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (pickle.dumps(Hostile(), 4), "posix.mkdir"),
        (pickle.dumps(Hostile(), 0), "posix.mkdir"),
        (b"cbuiltins\neval\n(V1\ntR.", "builtins.eval"),
        (b"cnumpy\nload\n(V1\ntR.", "numpy.load"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "numpy.core.multiarray.fromfile"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0dndarray.dumps\x93.", "numpy.ndarray.dumps"),
        (b"(inumpy.testing\nrundocs\n.", "numpy.testing.rundocs"),
    ],
)
def test_code_is_refused_by_name_and_never_run(tmp_path, monkeypatch, content, name):
    monkeypatch.chdir(tmp_path)
    path = with_pickle(tmp_path / "a.npy", content)
    with pytest.raises(FileError) as refusal:
        read_spiking_dataset(path)
    assert str(refusal.value) == (
        f"{path}: refused, it holds `{name}`, which would run as code; only NumPy's arrays are read"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x04.",
        b"\x80\x04K\x01r\xff\xff\xff\x7f.",  # a number of an object that takes 16 GiB
        b"\x80\x04Vx\nQ.",  # an object outside
        b"\x80\x04\x82\x01.",  # an extension
        b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00.",  # bytes that are not there
        b"\x80\x04cnumpy\ndtype\n(Vi2\ntR(I1\nI2\ntb.",
        b"\x80\x04cnumpy\ndtype\n}Vreal\nI1\nsb.",
    ],
)
def test_damaged_pickles_are_one_line(tmp_path, content):
    path = with_pickle(tmp_path / "a.npy", content)
    with pytest.raises(FileError, match="holds no SpikingDataset, or a damaged one: a dictionary"):
        read_spiking_dataset(path)


@pytest.mark.parametrize("module", ["numpy\ndtype", "numpy.core.multiarray\nscalar"])
def test_a_pickle_changes_nothing_for_the_files_after_it(tmp_path, module):
    good = write_set(tmp_path / "good.npy", dataset(more={"max_time": np.float64(1.0)}))
    expected = read_spiking_dataset(good)
    poison = f"\x80\x04c{module}\n(N}}Vreal\nI1\nstb.".encode("latin-1")
    with pytest.raises(FileError, match="holds no SpikingDataset"):
        read_spiking_dataset(with_pickle(tmp_path / "bad.npy", poison))
    assert np.array_equal(read_spiking_dataset(good).tick, expected.tick)


def test_a_sample_that_is_named_again_and_again_is_refused_before_it_takes_memory(tmp_path):
    content = dataset()
    (large,) = content["data"][:1]
    large = np.resize(large, 10_000)
    content |= {"data": [large] * 500, "shape": (500, content["shape"][1])}
    content["labels"] = np.zeros(500, np.int16)
    path = write_set(tmp_path / "a.npy", content)
    assert path.stat().st_size < large.nbytes + 10_000
    with pytest.raises(FileError, match="holds no SpikingDataset"):
        read_spiking_dataset(path)


def test_an_object_of_a_high_number_is_refused_before_memory_is_taken_for_it(tmp_path, monkeypatch):
    path = with_pickle(tmp_path / "a.npy", b"\x80\x04K\x01r\xff\xff\xff\x7f.")
    loaded = []
    monkeypatch.setattr(
        "rsnn.first_spike.data.spiking_dataset._Unpickler", lambda stream: loaded.append(stream)
    )
    with pytest.raises(FileError):
        read_spiking_dataset(path)
    assert not loaded


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_flipped_bytes_are_read_or_refused_in_one_line(tmp_path_factory, data):
    path = write_set(tmp_path_factory.mktemp("flips") / "a.npy", dataset(more={"max_time": 1.0}))
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    with suppress(RsnnError):  # one line, as all of them are
        read_spiking_dataset(path)


def test_a_folder_of_published_files_is_read(tmp_path):
    for name in ("trainset", "valset", "testset"):
        write_set(tmp_path / f"{name}.npy", dataset())
    parts = load_parts(tmp_path)
    assert parts.train.n_samples == 2
    assert parts.validation is not None
    write_set(tmp_path / "testset.npy", dataset((0.1234567, 1 / np.pi, 0.9999)))
    assert load_parts(tmp_path, 100).train.t_max == 100


def test_other_files_of_numpy_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    np.save(tmp_path / "b.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    (tmp_path / "c.npy").write_bytes(b"noise")
    for name in ("a", "b", "c"):
        with pytest.raises(FileError, match="holds no SpikingDataset"):
            read_spiking_dataset(tmp_path / f"{name}.npy")
    with pytest.raises(FileError, match="no such file"):
        read_spiking_dataset(tmp_path / "d.npy")
