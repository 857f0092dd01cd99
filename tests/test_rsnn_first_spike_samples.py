"""Samples: what fits together, made of dense arrays, images and files, and what is refused."""

import gzip

import h5py
import numpy as np
import pytest
from first_spike import random_samples
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.datasets import load_digits

from base.errors import DataError, FileError, MismatchError, RangeError, RsnnError, ToolError
from rsnn.first_spike.data import digits as digits_file
from rsnn.first_spike.data.file import load_samples, load_set, save_samples
from rsnn.first_spike.data.images import _unzipped, latency_coded
from rsnn.first_spike.data.parts import Parts, load_parts
from rsnn.first_spike.data.samples import Samples, from_ticks, from_times, to_ticks

FIELDS = ("ptr", "index", "tick", "label", "t_max", "n_inputs")


def equal(a: Samples, b: Samples) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in FIELDS)


@settings(max_examples=40, deadline=None)
@given(arrays(np.int16, (5, 2, 3), elements=st.integers(-1, 9)))
def test_events_of_a_dense_array_are_sorted_by_tick_then_by_input(ticks):
    samples = from_ticks(ticks, [7, 3, 7, 9, 3], 8)
    assert list(samples.label) == [1, 0, 1, 2, 0]
    assert samples.n_inputs == 6
    for k in range(5):
        flat = ticks[k].ravel()
        expected = sorted((flat[i], i) for i in range(6) if 0 <= flat[i] < 8)
        assert [(t, i) for i, t in zip(*samples.events(k), strict=True)] == expected


def test_events_of_one_tick_stay_in_the_order_of_their_inputs():
    ticks = np.random.default_rng(0).integers(0, 3, (2, 500))
    for t_max in (3, 100_000):
        samples = from_ticks(ticks, [0, 1], t_max)
        for k in range(2):
            index, tick = samples.events(k)
            assert list(zip(tick, index, strict=True)) == sorted(
                (t, i) for i, t in enumerate(ticks[k])
            )


def test_many_samples_are_sorted_in_blocks_and_with_many_ticks():
    generator = np.random.default_rng(1)
    for t_max in (200, 100_000):
        ticks = generator.integers(0, t_max + 50, (1100, 4))
        samples = from_ticks(ticks, np.arange(1100) % 2, t_max)
        assert len(samples.tick) == (ticks < t_max).sum()
        index, tick = samples.events(1080)
        assert (ticks[1080, index] == tick).all()


def test_times_become_whole_ticks_or_are_refused():
    times = np.array([[0, 0.25, 1.0], [0.5, 2.0, 0.75]], np.float32)
    samples = from_times(times, [0, 1], 4)
    assert list(samples.tick) == [0, 1, 2, 3]
    assert list(samples.ptr) == [0, 2, 4]
    levels = np.arange(256)
    assert (to_ticks((levels / 255).astype(np.float32), 255) == levels).all()
    for wrong, text in (
        (0.3, r"^the time 0.3 is no whole tick of 1/4; give another number of ticks, or round"),
        (-0.25, r"^times hold -0.25; 0 and above is possible$"),
        (np.nan, r"^times hold nan; 0 and above is possible$"),
    ):
        with pytest.raises(DataError, match=text):
            from_times([[wrong]], [0], 4)
    with pytest.raises(DataError, match=r"^times are <U1; numbers are needed$"):
        from_times([["x"]], [0], 4)


def test_a_pixel_fires_the_earlier_the_brighter_and_a_black_one_never():
    samples = latency_coded([[255, 0], [1, 100]], [0, 1])
    assert list(samples.tick) == [0, 155, 254]
    assert list(samples.index) == [0, 1, 0]
    assert samples.t_max == 255
    for pixels, text in (
        ([[0.5]], "images are float64; whole numbers in 0..255 are needed"),
        ([[256]], "images hold 256; 0 to 255 is possible"),
        ([[-1]], "images hold -1; 0 to 255 is possible"),
    ):
        with pytest.raises(DataError) as refusal:
            latency_coded(pixels, [0])
        assert str(refusal.value) == text


def test_the_digits_are_split_as_the_reference_split_them(shared):
    parts = load_parts("digits")
    found = load_digits()
    with np.load(shared / "seeds" / "digits_split.npz") as split:
        for name in ("train", "validation", "test"):
            part, numbers = getattr(parts, name), split[name]
            ticks = 16 - found.images[numbers].astype(int)
            assert equal(part, from_ticks(ticks, found.target[numbers], 16))


def test_digits_name_the_extra_that_they_need(monkeypatch):
    def absent(module: str, name: str, user: str):
        raise ToolError(f"{user} {module} {name}")

    monkeypatch.setattr(digits_file, "extra", absent)
    with pytest.raises(ToolError, match=r"^the data set `digits` sklearn.datasets digits$"):
        load_parts("digits")


REFUSED = {
    "ptr too short": ({"ptr": [0, 3]}, "`ptr`, `index`, `tick` and `label` of 2, 3, 3 and 2"),
    "ptr down": ({"ptr": [0, 4, 3]}, "`ptr` must have one more than `label` and ascend from 0"),
    "ptr from 1": ({"ptr": [1, 2, 3]}, "do not fit together"),
    "ticks missing": ({"tick": [0, 1]}, "of 3, 3, 2 and 2 numbers do not fit together"),
    "two axes": ({"tick": [[0], [1], [1]]}, "`tick` has shape (3, 1) of int64; whole numbers in"),
    "floats": ({"index": [0.0, 1.0, 2.0]}, "`index` has shape (3,) of float64; whole numbers in"),
    "wide": ({"tick": [0, 1, 2**40]}, "`tick` has numbers that do not fit into int32"),
    "input": ({"index": [0, 1, 9]}, "`index` holds 9; 0 to 8 is possible"),
    "input below": ({"index": [0, -1, 8]}, "`index` holds -1; 0 to 8 is possible"),
    "tick": ({"tick": [0, 5, 1]}, "`tick` holds 5; 0 to 4 is possible"),
    "unsorted": ({"tick": [1, 0, 1]}, "the events of sample 0 are not sorted by tick; sort them"),
    "twice": ({"index": [4, 4, 2]}, "input 4 has two events in sample 0; an input fires once"),
    "label": ({"label": [0, -1]}, "`label` holds -1; classes are counted from 0"),
    "classes": ({"label": [0, 40000]}, "`label` is 40001; at most 32767 is possible"),
    "no ticks": ({"t_max": 0}, "`t_max` is 0; at least 1 is needed"),
    "many ticks": ({"t_max": 2**25}, "`t_max` is 33554432; at most 16777216 is possible"),
    "many inputs": ({"n_inputs": 2**30}, "`n_inputs` is 1073741824; at most 1048576 is possible"),
}
GOOD = {
    "ptr": [0, 2, 3], "index": [0, 1, 2], "tick": [0, 1, 0], "label": [0, 1], "t_max": 5,
    "n_inputs": 9,
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_samples_that_do_not_fit_together_are_refused(case):
    changes, text = REFUSED[case]
    with pytest.raises((DataError, RangeError)) as refusal:
        Samples(**{k: np.asarray(v) if k in FIELDS[:4] else v for k, v in (GOOD | changes).items()})
    assert text in str(refusal.value)


def test_arrays_of_samples_are_read_only_copies():
    given = np.array([0, 1, 2])
    samples = Samples(np.array([0, 2, 3]), given, np.array([0, 1, 0]), np.array([0, 1]), 5, 9)
    given[0] = 5
    assert samples.index[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        samples.tick[0] = 3


def test_samples_are_taken_in_the_order_asked_for():
    samples = random_samples(9)
    taken = samples.take([5, 0, 5])
    assert taken.n_samples == 3
    for k, number in enumerate((5, 0, 5)):
        assert all(
            (a == b).all() for a, b in zip(taken.events(k), samples.events(number), strict=True)
        )
        assert taken.label[k] == samples.label[number]
    assert samples.take(np.zeros(0, int)).n_classes == 0
    for numbers, text in (
        ([9], "there is no sample 9; there are 9, from 0"),
        ([-1], "there is no sample -1; there are 9, from 0"),
        ([0.5], "a part must be a list of numbers of samples"),
    ):
        with pytest.raises(DataError, match=text):
            samples.take(numbers)


def test_dense_arrays_that_do_not_fit_are_refused():
    for ticks, labels, text in (
        ([1, 2], [0, 1], "times of shape (2,) and labels of shape (2,) do not fit together"),
        ([[1]], [0, 1], "times of shape (1, 1) and labels of shape (2,) do not fit together"),
        ([[1.5]], [0], "ticks are float64; whole numbers are needed"),
        ([[1]], [0.5], "labels are float64; whole numbers are needed"),
    ):
        with pytest.raises(DataError) as refusal:
            from_ticks(ticks, labels, 4)
        assert text in str(refusal.value)


@pytest.mark.parametrize("ending", [".h5", ".hdf5", ".npz"])
def test_samples_come_back_from_a_file_with_their_parts(tmp_path, ending):
    samples, path = random_samples(), tmp_path / f"s{ending}"
    parts = {"train": np.arange(10), "validation": np.array([12, 11]), "test": np.array([20])}
    save_samples(samples, path, parts)
    found, read = load_samples(path)
    assert equal(found, samples)
    assert equal(load_set(path), samples)
    assert all(equal(read[name], samples.take(numbers)) for name, numbers in parts.items())
    whole = load_parts(path)
    assert equal(whole.train, read["train"])
    assert whole.validation is not None
    assert equal(whole.validation, read["validation"])
    with pytest.raises(DataError, match="there is no sample 99"):
        save_samples(samples, path, {"test": np.array([99])})


def test_files_of_others_are_samples_images_or_times(tmp_path):
    path = tmp_path / "mine.npz"
    images = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    rest = {"labels": [5, 7, 5], "train": [0, 1], "test": [2]}
    np.savez(path, images=images, **rest)
    assert equal(load_samples(path)[0], latency_coded(images, [5, 7, 5]))
    assert load_parts(path).test.label[0] == 0
    np.savez(path, times=np.array([[0.5], [0], [1]]), t_max=4, **rest)
    assert list(load_samples(path)[0].tick) == [2, 0]
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        for name in FIELDS[:4]:
            file[name] = GOOD[name]
        file.attrs["t_max"], file.attrs["n_inputs"] = 5, 9
    assert load_samples(tmp_path / "mine.h5")[0].n_samples == 2


WRONG_FILES = {
    "missing.npz": (None, "no such file"),
    "other.txt": (b"x", "samples are kept in files that end in .h5, .hdf5, .npz"),
    "noise.npz": (b"noise", "not a complete NumPy file of numbers"),
    "noise.h5": (b"noise", "not an HDF5 file"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_file_that_holds_no_samples_is_refused_in_one_line(tmp_path, name):
    content, text = WRONG_FILES[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError) as refusal:
        load_samples(tmp_path / name)
    assert str(tmp_path / name) in str(refusal.value)
    assert text in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_what_a_file_lacks_or_has_too_much_is_named(tmp_path):
    path = tmp_path / "s.npz"
    for arrays_, text in (
        ({"ptr": [0], "t_max": 3}, "holds `ptr`, `t_max`, but not `index` of samples; `images`"),
        (GOOD | {"t_max": 1.5}, "`t_max` is no whole number"),
        (GOOD | {"t_max": [3]}, "`t_max` is no whole number"),
        (GOOD | {"train": [7]}, "there is no sample 7; there are 2, from 0"),
    ):
        np.savez(path, **arrays_)
        with pytest.raises(RsnnError) as refusal:
            load_samples(path)
        assert str(refusal.value).startswith(f"{path}: {text}")
    np.savez(path, **GOOD)
    with pytest.raises(DataError, match="names no samples to train on and to test on; add `train`"):
        load_parts(path)
    np.save(tmp_path / "a.npy", [1])
    (tmp_path / "a.npy").rename(path)
    with pytest.raises(FileError, match="is a single array; an archive of arrays is needed"):
        load_samples(path)
    np.savez(path, images=[[1]], labels=[0])
    with pytest.raises(
        DataError, match="holds images or times; put those of all sets into one fil"
    ):
        load_set(path)


def write_idx(path, array, zipped=False):
    magic = {3: 0x803, 1: 0x801}[array.ndim]
    head = np.array([magic, *array.shape], ">u4").tobytes()
    content = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if zipped else content)


def zipped_bomb(folder):
    path = folder / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(34), mtime=0))
    assert path.stat().st_size <= 33
    return path


def mnist(folder, n_train=5, n_test=2, size=3):
    folder.mkdir(exist_ok=True)
    images = np.random.default_rng(0).integers(0, 256, (n_train + n_test, size, size))
    labels = np.arange(n_train + n_test) % 2 * 3
    for name, part, zipped in (
        ("train", slice(n_train), False),
        ("t10k", slice(n_train, None), True),
    ):
        ending = ".gz" if zipped else ""
        write_idx(folder / f"{name}-images-idx3-ubyte{ending}", images[part], zipped)
        write_idx(folder / f"{name}-labels-idx1-ubyte{ending}", labels[part], zipped)
    return images, labels


def test_the_files_of_mnist_are_read_zipped_or_not(tmp_path):
    images, labels = mnist(tmp_path)
    parts = load_parts(tmp_path)
    assert parts.validation is None
    expected = latency_coded(images, labels)
    assert equal(parts.train, expected.take(np.arange(5)))
    assert equal(parts.test, expected.take([5, 6]))


def test_damaged_files_of_mnist_are_refused(tmp_path):
    mnist(tmp_path)
    images, labels = tmp_path / "train-images-idx3-ubyte", tmp_path / "train-labels-idx1-ubyte"
    zipped = tmp_path / "t10k-images-idx3-ubyte.gz"
    whole = images.read_bytes(), labels.read_bytes(), zipped.read_bytes()
    for path, content, text in (
        (images, whole[1], "holds no images of 8 bits in the format of MNIST (idx)"),
        (images, b"", "holds no images of 8 bits in the format of MNIST (idx)"),
        (images, whole[0][:-1], "has 44 bytes of images, its header says (5, 3, 3); fetch it"),
        (labels, whole[0], "holds no labels of 8 bits in the format of MNIST (idx)"),
        (zipped, whole[2][:-9], "is no whole gzip file; fetch it again"),
        (zipped, b"noise", "cannot be read: not a gzipped file"),
    ):
        before = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(FileError) as refusal:
            load_parts(tmp_path)
        assert str(refusal.value).startswith(f"{path}: {text}")
        path.write_bytes(before)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rsnn.first_spike.data.images._MAX_BYTES", 33)
        with pytest.raises(FileError, match="unpacks to more than 33 bytes, the most read here"):
            _unzipped(zipped_bomb(tmp_path))
    write_idx(labels, np.zeros(4))
    with pytest.raises(DataError, match=r"images of shape \(5, 3, 3\), for 4 labels; as many of"):
        load_parts(tmp_path)


def test_a_folder_has_sets_or_is_refused(tmp_path):
    train, test = random_samples(8), random_samples(5, seed=1)
    save_samples(train, tmp_path / "trainset.h5")
    with pytest.raises(FileError, match=r"holds neither trainset and testset \(.h5, .hdf5, .npz, "):
        load_parts(tmp_path)
    save_samples(test, tmp_path / "testset.npz")
    parts = load_parts(tmp_path)
    assert equal(parts.train, train)
    assert equal(parts.test, test)
    assert parts.validation is None
    save_samples(random_samples(3), tmp_path / "valset.hdf5")
    assert load_parts(tmp_path).validation is not None


def test_parts_that_do_not_belong_together_are_refused():
    good = random_samples(6)
    empty = from_ticks([[1, 9], [9, 9]], [0, 1], 5)
    for parts, kind, text in (
        ((good, None, random_samples(n_inputs=20)), MismatchError, "has 21 inputs, the test part"),
        ((good, random_samples(t_max=8), good), MismatchError, "has 9 ticks, the validation part"),
        ((good, None, random_samples(n_classes=4)), DataError, "the test part has class 3; the tr"),
        ((empty, None, empty), DataError, "training sample 1 has no event; leave it out"),
        ((good.take(np.zeros(0, int)), None, good), DataError, "there are no samples to train on"),
        ((good, None, good.take(np.zeros(0, int))), DataError, "there are no samples to test on"),
    ):
        with pytest.raises(kind, match=text):
            Parts(*parts)
    assert Parts(good, good.take(np.zeros(0, int)), good).validation is None
