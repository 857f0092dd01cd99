"""Faults of readers of damaged files, and of what they show; one test for each, in a child.

Each mend removes a mark.
"""

import zipfile

import h5py
import numpy as np
import pytest
from harm.hostile import IMPORT, assert_one_line, nir_of
from harm.readers import READERS

pytestmark = pytest.mark.slow


@pytest.fixture
def root(harm):
    return harm.folders.copy("read")


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "\udcff", '{"session": 1}'])
@pytest.mark.parametrize("words", ["evaluate", "train --resume"])
def test_a_damaged_run_json_is_named_with_its_way_out(harm, root, text, words):
    (root / "runs/train/run.json").write_bytes(text.encode(errors="surrogateescape"))
    assert_one_line(harm.run(words, root), "run.json")


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_damaged_row_of_explore_is_measured_again(harm, root, text):
    path = root / "runs/train/explore/bits4-decay12-sparsity0.json"
    whole = path.read_bytes()
    path.write_text(text)
    done = harm.run("explore --bits 4", root)
    assert done.code == 0, done.err
    assert path.read_bytes() == whole


VALUES = {
    "nesting": "[" * 2000,
    "long number": "1" + "0" * 5000,
    "large number": "1" + "0" * 400,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
@pytest.mark.parametrize("way", ["--config", "--set", "description"])
def test_odd_toml_is_one_line(harm, root, value, way):
    name = "training.learning_rate"
    if way == "description":
        text = (root / "net.toml").read_text().replace("0.004", value)
        (root / "net.toml").write_text(text)
        words = ["import-snntorch", "net.pt", "--description", "net.toml"]
    elif way == "--config":
        (root / "x.toml").write_text(f"[training]\nlearning_rate = {value}\n")
        words = ["train", "s.mat", "--config", "x.toml"]
    else:
        words = ["train", "s.mat", "--set", f"{name}={value}"]
    assert_one_line(harm.run(words, root))


NPY = {
    "shape": (b"(300, 8)", b"(300, 8("),
    "key": (b"{'descr'", b"{b'decr'"),
}


@pytest.mark.parametrize("change", NPY.values(), ids=NPY)
def test_a_damaged_header_of_npy_is_one_line(harm, root, change):
    path = root / "r.npy"
    path.write_bytes(path.read_bytes().replace(*change)[: path.stat().st_size])
    assert_one_line(harm.run("simulate --input r.npy", root), "r.npy")


NPZ = {
    "stream": lambda data, at: data[: at + 60] + b"\xff" * 4 + data[at + 64 :],
    "encrypted": lambda data, at: _in_both(data, 6, b"\x01"),
    "method": lambda data, at: _in_both(data, 8, b"\x63"),
    "version": lambda data, at: _in_both(data, 4, b"\xc8"),
}


def _in_both(data, offset, value):
    """A byte of the local header, and the same one of the central directory."""
    central = data.rfind(b"PK\x01\x02") + offset + 2
    return data[:offset] + value + data[offset + 1 : central] + value + data[central + 1 :]


@pytest.mark.parametrize("change", NPZ.values(), ids=NPZ)
def test_a_damaged_npz_is_one_line(harm, root, change):
    path = root / "r.npz"
    path.write_bytes(change(path.read_bytes(), 0))
    assert_one_line(harm.run("simulate --input r.npz", root), "r.npz")


def test_an_npz_of_text_is_one_line(harm, root):
    with zipfile.ZipFile(root / "r.npz", "w") as archive:
        archive.writestr("raster", "hello")
    assert_one_line(harm.run("simulate --input r.npz", root), "r.npz")


SEALED = ["model, sealed anew", "network, sealed anew", "training state, sealed anew"]


@pytest.mark.parametrize("name", SEALED)
def test_a_container_sealed_anew_is_read_or_refused_in_one_line(harm, name):
    from harm.campaigns import fuzz

    (row,) = fuzz(harm, 1, 0, 100, [name])
    assert not [place for place in row["places"] if not place.startswith("unprintable")], row


@pytest.mark.parametrize(
    "value", [h5py.Empty("f8"), np.array([[0.0, 1e300]])], ids=["empty", "1e300"]
)
def test_odd_ticks_of_a_session_are_one_line(harm, root, value):
    with h5py.File(root / "s.mat", "r+") as file:
        n = file["t"].size
        del file["t"]
        if isinstance(value, np.ndarray):
            value = np.append(np.arange(n - 1) * 0.004, 1e300)[None]
        file["t"] = value
    assert_one_line(harm.run("data info s.mat", root), "s.mat")


@pytest.mark.parametrize("words", ["quantize", "simulate"])
def test_a_cursor_at_rest_is_quantized_and_simulated(harm, root, words):
    with h5py.File(root / "s.mat", "r+") as file:
        file["cursor_pos"][:] = 0.0
    done = harm.run(words, root)
    assert not done.has_traceback, done.err


def test_a_tensor_without_values_is_one_line(harm, root):
    import torch

    weights = torch.load(root / "w.pth", weights_only=True)
    weights["con1.op.weight"] = weights["con1.op.weight"].to("meta")
    torch.save(weights, root / "w.pth")
    assert_one_line(harm.run("import-weights w.pth", root), "w.pth")


@pytest.mark.parametrize("reader", ["nir", "raster", "session"])
def test_control_codes_of_a_file_are_shown_escaped(harm, root, reader):
    name = "x\x1b[2J\x1b]0;owned\x07"
    words = "data info s.mat"
    if reader == "nir":
        nir_of(root / "others.nir", np.ones((6, 9)), name=name)
        words = IMPORT
    elif reader == "raster":
        with h5py.File(root / "r.h5", "w") as file:
            file[name] = file["y\x1b[2J"] = np.zeros((3, 8), np.uint8)
        words = "simulate --input r.h5"
    else:
        with h5py.File(root / "s.mat", "r+") as file:
            file.attrs["rsnnctl_synthetic"] = name
    done = harm.run(words, root)
    assert r"\x1b[2J" in done.out + done.err
    assert "\x1b" not in done.out + done.err


def test_markup_in_a_file_is_shown_as_it_is(harm, root):
    with h5py.File(root / "s.mat", "r+") as file:
        file.attrs["rsnnctl_synthetic"] = "[/x]"
    done = harm.run("data info s.mat", root)
    assert done.code == 0, done.err
    assert "[/x]" in done.out


def test_the_name_of_a_session_is_shown_in_full(harm, root):
    (root / "s[m1].mat").write_bytes((root / "s.mat").read_bytes())
    done = harm.run(["evaluate", "--session", "s[m1].mat"], root)
    assert done.code == 0, done.err
    assert "s[m1] (test)" in done.out


def test_weights_whose_name_is_no_folder_name_are_imported(harm, root):
    (root / "a (1).pth").write_bytes((root / "w.pth").read_bytes())
    done = harm.run(["import-weights", "a (1).pth"], root)
    assert done.code == 0, done.err
    assert (root / "runs/a-1/model.rsnn.h5").exists()


def test_every_reader_reads_the_file_it_starts_from(harm, root):
    assert all((root / reader.file).exists() for reader in READERS.values())
