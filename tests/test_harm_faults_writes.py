"""Faults of writes that fail: one failing write, a full disk, a full file system."""

import errno
import subprocess

import pytest
from harm.shim import Strike
from harm.warm import run_cold

pytestmark = pytest.mark.slow
HDF5 = ("synth", "export-nir", "quantize", "prune", "simulate", "import-weights", "train")
TEXT = ("export-c", "export-onnx", "build", "explore")


def closing_write(harm, name):
    """A write of a command's main file that HDF5 does when it closes it."""
    changes = harm.plain(name).changes
    (*_, path) = (c.other for c in changes if c.other.endswith((".h5", ".nir", ".mat")))
    for change in reversed(changes):
        if change.what == "rename" and change.other == path:
            path = change.path  # the name it had before
    found = [n for n, c in enumerate(changes, 1) if c.what == "write" and c.path == path]
    return found[1 if name == "simulate" else len(found) // 2]


def assert_refused(row):
    assert row["code"] == 1, row
    assert row["is_one_line"], row
    assert not any((row["torn"], row["lost"], row["differs"])), row


@pytest.mark.parametrize(
    ("name", "when"), [*((name, "fail") for name in HDF5), ("synth", "full"), ("train", "full")]
)
def test_a_failing_write_of_hdf5_is_one_line_and_the_old_file_stays(harm, name, when):
    strike = Strike(closing_write(harm, name), when, errno.ENOSPC)
    assert_refused(harm.strike(name, strike, whole=True))


@pytest.mark.parametrize("name", TEXT)
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_a_failing_write_of_text_is_one_line_and_the_old_file_stays(harm, name, number):
    at = harm.at(name, "write", "*")
    assert_refused(harm.strike(name, Strike(at, "fail", number), whole=True))


def test_a_failing_write_through_the_real_command_line_is_one_line(harm):
    root = harm.folders.copy("quantized")
    strike = Strike(closing_write(harm, "export-nir"), "fail", errno.ENOSPC)
    done = run_cold(["export-nir"], root, harm.warm.library, strike)
    assert done.is_one_line, (done.code, done.err)


@pytest.mark.parametrize("name", ["synth", "quantize", "simulate"])
def test_a_limit_on_the_size_of_files_is_one_line(harm, name):
    from harm.commands import WRITING

    root = harm.folders.copy(WRITING[name].before)
    done = harm.run(WRITING[name].words, root, whole=True, limits={"RLIMIT_FSIZE": 4096})
    assert done.is_one_line, done.err


@pytest.fixture
def small(tmp_path):
    """A file system of 200 kB, where mounting is allowed."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "none", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be mounted here; RLIMIT_FSIZE is tested instead")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    "words",
    [
        "data synth -o {}/x.mat --minutes 0.5 --channels 8",
        "simulate --trace -o {}/x.h5",
    ],
)
def test_a_full_file_system_is_one_line(harm, small, words):
    root = harm.folders.copy("quantized")
    done = harm.run(words.format(small), root, whole=True)
    assert done.is_one_line, done.err
    assert not list(small.iterdir())


def test_a_training_that_met_a_full_disk_goes_on_to_the_same_files_once_there_is_room(harm):
    at = harm.at("train", "rename", "training.jsonl")
    row = harm.strike("train", Strike(at + 1, "full", errno.ENOSPC))
    assert row["code"] == 1
    assert not any((row["lost"], row["differs"]))
