"""Stretches of an open recording are those of the whole one, wherever its spikes are stored."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from small_recording import DT, write_recording

from base.errors import FileError
from rsnn.data import recording as module
from rsnn.data import zenodo
from rsnn.data.recording import Bins, open_recording
from rsnn.data.session import load_session
from rsnn.data.split import split_session
from rsnn.data.stream import open_stream
from rsnn.model import Architecture

N_STEPS = 700
START = 148.984


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK", 64)
    monkeypatch.setattr(zenodo, "_STRETCH", 50)


def awkward(random: np.random.Generator) -> list[list[object]]:
    """Cells sorted and unsorted, on and beside edges, before and after the recording, or empty."""
    t = START + np.arange(N_STEPS) * DT
    edges = np.arange(t[0] - DT, t[-1], DT)
    anywhere = random.uniform(t[0] - 0.5, t[-1] + 0.5, 900)
    return [
        [np.sort(anywhere), anywhere, edges, None, "null", edges[::-1]],
        [
            np.nextafter(edges, -np.inf),
            np.nextafter(edges, np.inf),
            np.array([0.0, 1e9, np.nan, edges[-1], t[-1], t[0], edges[0]]),
            [t[300] + 0.001],
            t.astype(np.float32),
            np.sort(anywhere)[np.arange(900) ^ 1],  # neighbours swapped
        ],
    ]


@pytest.fixture(params=[False, True], ids=["contiguous", "compressed columns"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    spikes = awkward(np.random.default_rng(1))
    path = write_recording(
        tmp_path / "a.mat", spikes, n_steps=N_STEPS, start=START, as_column=request.param
    )
    if request.param:  # as MATLAB does
        with h5py.File(path, "a") as file:
            for name in [n for n, cell in file["#refs#"].items() if cell.size > 20]:
                times = file[f"#refs#/{name}"][()]
                unit, channel = map(int, name.split("_"))
                cell = file.create_dataset(
                    f"packed/{name}", data=times, chunks=(7, 1), compression="gzip"
                )
                table = file["spikes"][()]
                table[unit, channel] = cell.ref
                file["spikes"][...] = table
    return path


@pytest.mark.parametrize("length", [13, 64, 100, 699, 5000])
def test_stretches_of_any_length_make_up_the_session(path: Path, length: int) -> None:
    session = load_session(path)
    assert session.raster.any(0).tolist() == [True] * 6
    with open_recording(path) as recording:
        assert (recording.n_steps, recording.n_inputs) == session.raster.shape
        starts = range(0, N_STEPS, length)
        raster = np.concatenate([recording.read(start, start + length) for start in starts])
        parts = [recording.velocity(start, min(start + length, N_STEPS)) for start in starts]
        assert np.array_equal(recording.segments, session.segments)
    assert raster.dtype == np.uint8
    assert np.array_equal(raster, session.raster)
    assert np.concatenate(parts).tobytes() == session.velocity.tobytes()


@pytest.mark.slow
def test_stretches_may_be_read_in_any_order(path: Path) -> None:
    raster = load_session(path).raster
    random = np.random.default_rng(2)
    with open_recording(path) as recording:
        for start, stop in np.sort(random.integers(0, N_STEPS + 1, (60, 2)), axis=1):
            assert np.array_equal(recording.read(start, stop), raster[start:stop])


def test_what_the_length_of_stretches_is_changes_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = load_session(path)
    monkeypatch.undo()
    whole = load_session(path)
    assert whole.digest == short.digest
    assert np.array_equal(whole.segments, short.segments)


@pytest.mark.parametrize("part", ["train", "validation", "test", "all"])
def test_a_part_in_blocks_is_that_part_of_the_session(path: Path, part: str) -> None:
    session = load_session(path)
    steps = slice(None) if part == "all" else getattr(split_session(session), part)
    with open_stream(path, Architecture(6), part) as stream:
        blocks = list(stream.blocks(31))
        (whole,) = stream.blocks(len(stream.steps))
    assert {block.name for block in blocks} == {whole.name} == {f"a ({part})"}
    assert max(len(block.raster) for block in blocks) <= 31
    for raster in (np.concatenate([block.raster for block in blocks]), whole.raster):
        assert np.array_equal(raster, session.raster[steps])
    for velocity in (np.concatenate([block.velocity for block in blocks]), whole.velocity):
        assert np.array_equal(velocity, session.velocity[steps])


def test_a_sorted_cell_is_read_only_where_its_spikes_are(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = zenodo.Numbers.read
    lengths = []
    with open_recording(path) as recording:
        recording.read(0, 1)  # makes the index
        monkeypatch.setattr(
            zenodo.Numbers,
            "read",
            lambda own, start, stop: lengths.append(stop - start) or read(own, start, stop),
        )
        recording.read(64, 128)
    assert sum(sorted(lengths)[: -2 * (900 // 50 + 1)]) < 64 * 9  # the two unsorted cells apart


def test_only_in_empty_cells_that_are_read_can_phantoms_spike(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mat", [[None, [0.3]]], start=0.0)
    for phantom_spikes in (False, True):
        session = load_session(path, phantom_spikes=phantom_spikes)
        with open_recording(path, phantom_spikes=phantom_spikes) as recording:
            parts = [recording.read(start, start + 9) for start in range(0, 100, 9)]
        assert np.array_equal(np.concatenate(parts), session.raster)
        assert session.raster[:, 0].any() == phantom_spikes


def test_damage_met_while_reading_is_one_line(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mat", [[None]])
    times = START + np.random.default_rng(1).random(3000)
    with h5py.File(path, "a") as file:
        cell = file.create_dataset("cell", data=times, chunks=(500,), compression="gzip")
        table = file["spikes"][()]
        table[0, 0] = cell.ref
        file["spikes"][...] = table
        offset = cell.id.get_chunk_info(4).byte_offset
    with open(path, "r+b") as stream:
        stream.seek(512 + offset)
        stream.write(b"damaged")
    with (
        pytest.raises(FileError, match=r"a\.mat: damaged HDF5 file"),
        open_recording(path) as recording,
    ):
        recording.read(0, 50)


def test_a_spike_on_an_edge_is_in_numpys_bin() -> None:
    bins = Bins(148.98, 6)
    edges = bins.edge(np.arange(6))
    assert np.array_equal(edges, np.arange(148.98, 148.98 + 5.5 * zenodo.DT, zenodo.DT))
    times = np.concatenate([edges, np.nextafter(edges, 0), np.nextafter(edges, 200)])
    counted = np.stack([np.histogram(time, edges)[0] for time in times])
    assert counted.sum() == len(times) - 2  # just outside of either end
    assert np.array_equal(bins.rows(times), np.where(counted.any(1), counted.argmax(1) + 1, 0))
