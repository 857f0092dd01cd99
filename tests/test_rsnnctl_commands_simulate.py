"""Recordings of any length through a network, in constant memory and to the last word."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from networks import random_network, random_raster

from base.errors import FileError
from rsnn.data.session import load_session
from rsnn.data.stream import steps_of
from rsnn.data.synthetic import START, synthesize
from rsnnctl.commands import simulate
from sim.artifact import save_network
from sim.fast import runs
from sim.metrics import evaluate_run


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".npy", ".h5"])
@pytest.mark.parametrize("record", [False, True])
def test_blocks_on_disk_hold_every_word_of_one_run(tmp_path, monkeypatch, suffix, record):
    monkeypatch.setattr(simulate, "_BLOCK_BYTES", 5000)
    network = random_network(np.random.default_rng(1), n_inputs=30, hidden=(20, 9), n_heads=2)
    save_network(network, tmp_path / "net.int.h5")
    raster = random_raster(np.random.default_rng(2), 1003, 30)
    source = tmp_path / f"raster{suffix}"
    if suffix == ".npy":
        np.save(source, raster)
    else:
        with h5py.File(source, "w") as file:
            file.create_dataset("raster", data=raster, chunks=(64, 30), compression="gzip")
    row = simulate.simulate_file(
        tmp_path / "net.int.h5", source, part="test", record=record, output=None
    )
    run = runs.run(network, raster, record=True)
    with h5py.File(row["file"]) as file:
        assert np.array_equal(file["out"], run.out)
        assert np.array_equal(file["decoded"], network.readout.decode(run.out))
        assert file.attrs["digest"] == network.digest()
        for name, words in run.trace.variables.items():
            assert (name in file) == record
            if record:
                assert file[name].dtype == words.dtype
                assert np.array_equal(file[name], words)
    metrics = evaluate_run(network, run, None)
    assert row["effective_acs"] == metrics.effective_acs > 0
    assert row["activation_sparsity"] == metrics.activation_sparsity
    assert row["n_steps"] == 1003


@pytest.mark.slow
@pytest.mark.parametrize("part", ["test", "all"])
def test_a_session_in_blocks_leaves_what_it_leaves_as_a_whole(tmp_path, monkeypatch, part):
    monkeypatch.setattr(simulate, "_BLOCK_BYTES", 20_000)
    synthesize(tmp_path / "a.mat", minutes=0.5, n_channels=30, seed=3)
    network = random_network(np.random.default_rng(1), n_inputs=30, hidden=(20,))
    save_network(network, tmp_path / "net.int.h5")
    row = simulate.simulate_file(
        tmp_path / "net.int.h5", tmp_path / "a.mat", part=part, record=True, output=None
    )
    session = load_session(tmp_path / "a.mat")
    steps = steps_of(session, part)
    run = runs.run(network, session.raster[steps], record=True)
    with h5py.File(row["file"]) as file:
        assert np.array_equal(file["out"], run.out)
        for name, words in run.trace.variables.items():
            assert np.array_equal(file[name], words)
    metrics = evaluate_run(network, run, session.velocity[steps])
    assert row["effective_acs"] == metrics.effective_acs > 0
    assert row["r2"] == pytest.approx(metrics.r2, rel=1e-12)  # sums of floats, in another order
    assert row["session"] == f"a ({part})"
    monkeypatch.undo()
    row = simulate.simulate_file(
        tmp_path / "net.int.h5", tmp_path / "a.mat", part=part, record=False, output=None
    )
    assert row["r2"] == metrics.r2


def test_output_of_another_suffix_is_refused(tmp_path):
    save_network(random_network(np.random.default_rng(1)), tmp_path / "net.int.h5")
    np.save(tmp_path / "raster.npy", np.zeros((3, 12), np.uint8))
    with pytest.raises(FileError, match=r"run.npz: what .* as HDF5; name it \.h5 or \.hdf5"):
        simulate.simulate_file(
            tmp_path / "net.int.h5",
            tmp_path / "raster.npy",
            part="test",
            record=False,
            output=tmp_path / "run.npz",
        )
    assert not (tmp_path / "run.npz").exists()


@pytest.mark.parametrize("suffix", [".h5", ".mat"])
def test_damage_met_on_the_way_names_the_recording_and_leaves_no_run(tiny, tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    random = np.random.default_rng(1)
    if suffix == ".mat":
        write_session(path, 0.02)
    stored: dict = {"data": random.random((9, 2000)), "chunks": (9, 200), "compression": "gzip"}
    if suffix == ".h5":
        stored |= {"data": random.integers(0, 2, (900, 96), np.uint8), "chunks": (100, 96)}
    with h5py.File(path, "a") as file:
        raster = file.create_dataset("raster" if suffix == ".h5" else "#refs#/x", **stored)
        place = raster.id.get_chunk_info(5).byte_offset
        if suffix == ".mat":
            table = file["spikes"][()]
            table[1, 0] = raster.ref
            file["spikes"][...] = table
            place += 512
    with open(path, "r+b") as stream:
        stream.seek(place)
        stream.write(b"damaged")
    with pytest.raises(FileError, match=rf"a\{suffix}: damaged HDF5 file: "):
        simulate.simulate_file(tiny, path, part="all", record=False, output=None)
    assert not list(tmp_path.glob("*decoded*"))


def peak_megabytes(network: Path, source: Path, record: bool) -> float:
    """Largest resident memory of a process that simulates a file."""
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from rsnnctl.commands.simulate import simulate_file\n"
        "simulate_file(Path(sys.argv[1]), Path(sys.argv[2]), part='all', record=bool(sys.argv[3]),"
        " output=None)\n"
        "print(*(s.split()[1] for s in open('/proc/self/status') if s.startswith('VmHWM')))"
    )
    arguments = [str(network), str(source), "x" if record else ""]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    return float(done.stdout) / 1024  # of kB


def write_hours(path: Path, hours: float, n_inputs: int = 96) -> None:
    """Spikes of 20 Hz in steps of 4 ms; the same minute again and again, so that it is quick."""
    minute = (np.random.default_rng(3).random((15_000, n_inputs)) < 0.08).astype(np.uint8)
    stored = np.lib.format.open_memmap(
        path, "w+", np.uint8, shape=(round(hours * 60) * len(minute), n_inputs)
    )
    for start in range(0, len(stored), len(minute)):
        stored[start : start + len(minute)] = minute
    stored.flush()


def write_session(path: Path, hours: float, n_channels: int = 96) -> None:
    """Spikes of 20 Hz in cells that channels share, and a cursor that starts again each minute."""
    n_steps = round(hours * 900_000)
    rng = np.random.default_rng(5)
    walk = rng.normal(0, 0.2, (2, 15_000)).cumsum(1)
    target = rng.integers(-8, 9, (2, 75)).repeat(200, axis=1) * 15.0
    with h5py.File(path, "w", userblock_size=512) as file:
        file["t"] = (START + np.arange(n_steps) * 0.004)[None]
        for name, minute in (("cursor_pos", walk), ("target_pos", target)):
            stored = file.create_dataset(
                name, (2, n_steps), "f8", chunks=(2, 15_000), compression="gzip"
            )
            for first in range(0, n_steps, 15_000):
                stored[:, first : first + 15_000] = minute[:, : n_steps - first]
        cells = []
        for unit in range(4):
            intervals = rng.exponential(0.05, round(hours * 3600 * 20))
            cells.append(file.create_dataset(f"#refs#/{unit}", data=START + intervals.cumsum()))
        table = np.full((5, n_channels), h5py.Reference(), h5py.ref_dtype)
        for channel in range(n_channels):
            table[0, channel] = cells[channel % 4].ref
        file["spikes"] = table


@pytest.fixture
def tiny(tmp_path) -> Path:
    network = random_network(
        np.random.default_rng(4), n_inputs=96, hidden=(64,), threshold=60_000, sparsity=0.4
    )
    save_network(network, tmp_path / "tiny.int.h5")
    return tmp_path / "tiny.int.h5"


@pytest.mark.slow
@pytest.mark.parametrize("record", [False, True])
def test_memory_does_not_grow_with_the_length_of_a_recording(tiny, tmp_path, record):
    short, long = (0.02, 0.15) if record else (0.02, 1.0)
    write_hours(tmp_path / "short.npy", short)
    write_hours(tmp_path / "long.npy", long)
    least, most = (
        peak_megabytes(tiny, tmp_path / f"{name}.npy", record) for name in ("short", "long")
    )
    assert most < 300
    assert most - least < 50  # the long raster alone has 86 MB, its trace 135 MB


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length_of_a_session(tiny, tmp_path):
    for name, hours in (("short", 0.05), ("long", 1.0)):
        write_session(tmp_path / f"{name}.mat", hours)
    least, most = (peak_megabytes(tiny, tmp_path / f"{n}.mat", False) for n in ("short", "long"))
    assert most < 300
    assert most - least < 30  # the long raster has 86 MB, its clock and positions 36 MB


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".npy", ".mat"])
def test_ten_hours_take_less_than_300_megabytes(tiny, tmp_path, suffix):
    path = tmp_path / f"day{suffix}"
    write_hours(path, 10.0) if suffix == ".npy" else write_session(path, 10.0)
    assert peak_megabytes(tiny, path, record=False) < 300
