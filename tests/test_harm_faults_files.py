"""Faults of readers: files that hang, eat memory, crash, deceive; one test for each, in a child.

Each mend removes a mark.
"""

import os
import zipfile

import h5py
import numpy as np
import pytest
from harm.hostile import IMPORT, assert_one_line, nir_of
from harm.readers import FLIPPED

from base.errors import RsnnWarning

pytestmark = pytest.mark.slow


@pytest.fixture
def root(harm):
    return harm.folders.copy("read")


PASSWORDS = {"external": [("secret.bin", 0, h5py.h5f.UNLIMITED)]}


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("w.pth", "import-weights w.pth"),
        ("net.pt", "import-snntorch net.pt --description net.toml"),
    ],
)
def test_a_flipped_bit_of_a_weight_of_others_is_refused(harm, root, file, words):
    data = bytearray((root / file).read_bytes())
    with zipfile.ZipFile(root / file) as archive:
        tensors = [info for info in archive.infolist() if "/data/" in info.filename]
        largest = max(tensors, key=lambda info: info.file_size)
    header = largest.header_offset
    name, extra = (int.from_bytes(data[header + at : header + at + 2], "little") for at in (26, 28))
    data[header + 30 + name + extra + 101] ^= 1
    (root / file).write_bytes(data)
    assert_one_line(harm.run(words, root), file)


@pytest.mark.parametrize("name", ["session .mat", "kit CASE.h5", "kit.json", "run.json"])
def test_no_flipped_bit_is_accepted_with_other_content(harm, name):
    from harm.campaigns import flips

    assert name in FLIPPED
    (row,) = flips(harm, 1, 0, 60, [name])
    assert set(row["totals"]) <= {"refused", "same"}, row


@pytest.mark.parametrize("file", ["model.step.onnx", "model.nir"])
def test_verify_reads_an_exported_file(harm, root, file):
    (root / "runs/train/model.nir").write_bytes((root / "g.nir").read_bytes())
    done = harm.run(f"verify runs/train/{file} --steps 20", root)
    assert done.code == 0, done.err


def test_a_damaged_line_of_the_log_is_skipped(harm, root):
    from rsnnctl.runs.stages import best_record

    path = root / "runs/train/log.jsonl"
    path.write_text(path.read_text() + '{"stage": "training", \n')
    with pytest.warns(RsnnWarning, match=r"log\.jsonl: 1 of 3 lines are damaged and skipped"):
        assert best_record(path).n_epochs == 2


@pytest.mark.parametrize("kind", ["external", "virtual"])
@pytest.mark.parametrize("reader", ["nir", "mat", "raster"])
def test_a_file_that_reads_another_file_is_refused(harm, root, kind, reader):
    (root / "secret.bin").write_bytes(bytes([0, 1, 0, 0] * 2000))
    with h5py.File(root / "secret.h5", "w") as file:
        file["x"] = np.fromfile(root / "secret.bin", "u1")[:48].reshape(6, 8)
    shapes = {"nir": (6, 8), "raster": (6, 8), "mat": (2, 7500)}
    shape = shapes[reader]

    def put(group, name):
        if kind == "external":
            group.create_dataset(name, shape, "u1", external=PASSWORDS["external"])
            return
        layout = h5py.VirtualLayout(shape, "u1")
        if reader != "mat":
            layout[:] = h5py.VirtualSource(root / "secret.h5", "x", shape)
        group.create_virtual_dataset(name, layout)

    if reader == "nir":
        with h5py.File(root / "others.nir", "r+") as file:
            del file["node/nodes/w0/weight"]
            put(file["node/nodes/w0"], "weight")
        words = IMPORT
    elif reader == "mat":
        with h5py.File(root / "s.mat", "r+") as file:
            del file["cursor_pos"]
            put(file, "cursor_pos")
        words = "data info s.mat"
    else:
        with h5py.File(root / "r.h5", "w") as file:
            put(file, "raster")
        words = "simulate --input r.h5"
    assert_one_line(harm.run(words, root), "another file")


def test_a_session_that_links_to_another_file_is_refused(harm, root):
    (root / "other.mat").write_bytes((root / "s.mat").read_bytes())
    with h5py.File(root / "s.mat", "r+") as file:
        del file["cursor_pos"]
        file["cursor_pos"] = h5py.ExternalLink("other.mat", "cursor_pos")
    assert_one_line(harm.run("data info s.mat", root))


@pytest.mark.parametrize("file", ["s.mat", "z.nir"])
def test_a_heap_that_goes_in_a_circle_is_refused(harm, root, file):
    with h5py.File(root / "z.nir", "w") as graph:
        graph["node/type"] = "NIRGraph"
    data = bytearray((root / file).read_bytes())
    at = data.find(b"GCOL")
    if file == "s.mat":
        data[at + 25] = 1
    else:
        data[at + 24 : at + 32] = b"\xf0" + b"\xff" * 7
    (root / file).write_bytes(data)
    words = "data info s.mat" if file == "s.mat" else "import-nir z.nir --dt 0.001"
    assert_one_line(harm.run(words, root, deadline=10), file)


def bombs(root):
    """Small files that say they are large, with the command that reads each."""
    nir_of(root / "others.nir", shape=(32767, 32767), dtype="i1", chunks=(64, 64))
    yield IMPORT
    with (
        zipfile.ZipFile(root / "r.npz", "w", zipfile.ZIP_BZIP2) as archive,
        archive.open("raster.npy", "w") as member,
    ):
        np.lib.format.write_array_header_1_0(
            member, {"descr": "|u1", "fortran_order": False, "shape": (750_000, 8000)}
        )
        member.write(bytes(1000))
    yield "simulate --input r.npz"
    with h5py.File(root / "r.h5", "w") as file:
        file.create_dataset("raster", (10**11, 8), "u1", chunks=(64, 8))
    yield "simulate --input r.h5"
    import torch

    weights = torch.load(root / "w.pth", weights_only=True)
    weights["con1.op.weight"] = torch.zeros(1).half().expand(100_000, 100_000)
    torch.save(weights, root / "w.pth")
    yield "import-weights w.pth"


@pytest.mark.parametrize("which", range(4), ids=["NIR", "npz", "raster.h5", "pth"])
def test_a_small_file_that_needs_gigabytes_is_refused(harm, root, which):
    words = list(bombs(root))[which]
    assert_one_line(harm.run(words, root, deadline=10))


FIFOS = {
    "x.mat": "data info x.mat",
    "x.nir": "import-nir x.nir --dt 0.004",
    "x.npy": "simulate --input x.npy",
    "x.npz": "simulate --input x.npz",
    "x.h5": "simulate --input x.h5",
    "x.int.h5": "inspect x.int.h5",
    "x.pth": "import-weights x.pth",
    "x.toml": "train s.mat --config x.toml",
}


@pytest.mark.parametrize("file", FIFOS)
def test_a_fifo_is_refused(harm, root, file):
    os.mkfifo(root / file)
    assert_one_line(harm.run(FIFOS[file], root, deadline=2), file)


def test_a_device_is_refused(harm, root):
    assert_one_line(harm.run("train s.mat --config /dev/zero", root, deadline=10), "/dev/zero")


@pytest.mark.parametrize(
    "words",
    [
        "train s.mat --seeds 1..1000000000",
        "explore --bits 1..1000000000",
        "verify --steps 100000000000",
    ],
)
def test_endless_work_is_refused_at_once(harm, root, words):
    assert_one_line(harm.run(words, root, deadline=10))
