"""Synthetic sessions look like recorded ones: in layout, statistics and difficulty."""

import contextlib
import hashlib
import io
import time
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest

from base.errors import FileError, RangeError
from rsnn.baselines.ridge import ridge
from rsnn.data.describe import describe
from rsnn.data.session import load_session
from rsnn.data.split import split_session
from rsnn.data.synthetic import synthesize


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five minutes, 96 channels."""
    path = tmp_path_factory.mktemp("synthetic") / "indy_short.mat"
    synthesize(path, minutes=5)
    return path


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    arguments = {"minutes": 1, "n_channels": 10}
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        synthesize(tmp_path / name, seed=seed, **arguments)
        time.sleep(1.1 if name == "a" else 0)  # a file with a date in it would differ now
    a, b, c = (load_session(tmp_path / name).digest for name in "abc")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert a == b != c


@pytest.mark.slow
def test_the_layout_is_the_published_one(short: Path) -> None:
    header = short.read_bytes()[:512]
    assert header.startswith(b"MATLAB 7.3 MAT-file")
    assert header[124:128] == b"\x00\x02IM"
    with h5py.File(short) as file:
        assert file.userblock_size == 512
        n_steps = 5 * 60 * 250
        shapes = {name: file[name].shape for name in file if name != "#refs#"}
        assert shapes == {
            "t": (1, n_steps),
            "cursor_pos": (2, n_steps),
            "target_pos": (2, n_steps),
            "finger_pos": (3, n_steps),
            "spikes": (5, 96),
            "wf": (5, 96),
            "chan_names": (1, 96),
        }
        assert file["t"][0, 0] == 148.984
        names = ["".join(map(chr, file[ref][()].ravel())) for ref in file["chan_names"][0]]
        assert (names[0], names[95]) == ("M1 001", "M1 096")
        empty = [file[ref] for ref in file["spikes"][()].ravel()]
        empty = [cell for cell in empty if "MATLAB_empty" in cell.attrs]
        assert {(cell.shape, cell.dtype) for cell in empty} == {((2,), np.dtype(np.uint64))}
        assert np.allclose(file["finger_pos"][1:] * -10, file["cursor_pos"])
        ticks = file[file["spikes"][0, 0]][0] * 24414.0625
        assert np.allclose(ticks, np.round(ticks), atol=1e-6)


def test_the_hand_moves_smoothly_and_holds_on_a_grid_of_64_targets(short: Path) -> None:
    with h5py.File(short) as file:
        cursor, target = file["cursor_pos"][()], file["target_pos"][()]
    assert len({*target[0]}) == len({*target[1]}) == 8
    speed = np.hypot(*np.gradient(cursor, 0.004, axis=1))
    assert speed.max() < 600  # mm/s
    assert np.abs(np.diff(cursor, 3, axis=1)).max() < 0.05  # mm: no jumps, no corners
    ends = load_session(short).segments[:-1, 1]
    missed = np.hypot(*(cursor[:, ends] - target[:, ends]))
    assert np.median(missed) < 7.5  # mm, half of the way between targets
    assert np.median(speed) < 50 < np.percentile(speed, 90)


@pytest.mark.slow
def test_neurobench_reads_a_synthetic_session_as_we_do(short: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its many imports, none of them ours
        from neurobench.datasets import PrimateReaching
    with contextlib.redirect_stdout(io.StringIO()):
        theirs = PrimateReaching(
            str(short.parent), short.name, num_steps=1, bin_width=0.004, download=False
        )
    ours = load_session(short)
    assert np.array_equal(ours.raster, theirs.samples.T[: ours.n_steps])
    assert np.array_equal(ours.velocity, theirs.labels.T)
    assert np.array_equal(ours.segments, theirs.time_segments)


@pytest.mark.slow
def test_its_statistics_are_those_of_a_recorded_session(short: Path) -> None:
    figures = describe(short)
    assert figures["synthetic"] is True
    assert figures["synthesized_with"] == "minutes=5 n_channels=96 seed=1"
    assert figures["dead_channels"] == 6
    assert 8 <= figures["channels_under_1_hz"] <= 18
    assert 12.5 < figures["rate_mean_hz"] < 15
    assert 5.5 < figures["rate_median_hz"] < 7.5
    assert 48 < figures["rate_max_hz"] < 56
    assert -0.15 < figures["rate_drift"] < -0.03
    assert 150 < figures["reaches"] < 260
    assert figures["spikes_outside"] > 100
    assert figures["empty_cells"] > 100


@pytest.mark.slow
def test_a_short_session_can_be_decoded(short: Path) -> None:
    session = load_session(short)
    assert ridge(session, split_session(session)).r2 > 0.45


@pytest.mark.slow
def test_two_arrays_fire_at_different_rates(tmp_path: Path) -> None:
    synthesize(tmp_path / "loco.mat", minutes=1, n_channels=192)
    rates = load_session(tmp_path / "loco.mat").raster.mean(axis=0) / 0.004
    assert rates.shape == (192,)
    assert rates[:96].mean() > 1.5 * rates[96:].mean()
    assert 12 < rates.mean() < 16


@pytest.mark.slow
def test_it_is_as_hard_to_decode_as_a_recorded_session_for_every_seed(tmp_path: Path) -> None:
    scores = []
    for seed in (1, 2, 3):
        synthesize(tmp_path / "a.mat", seed=seed)
        session = load_session(tmp_path / "a.mat")
        scores.append(ridge(session, split_session(session)).r2)
    assert 0.55 < np.mean(scores) < 0.65
    assert min(scores) > 0.5
    assert max(scores) < 0.7


@pytest.mark.parametrize("n_channels", [1, 5, 97])
def test_any_number_of_channels_can_be_made(tmp_path: Path, n_channels: int) -> None:
    synthesize(tmp_path / "a.mat", minutes=0.5, n_channels=n_channels)
    session = load_session(tmp_path / "a.mat")
    assert (session.n_steps, session.n_channels) == (7500, n_channels)
    assert session.raster.any()
    assert split_session(session).train.stop > 500


@pytest.mark.parametrize("minutes", [0.1, 241, float("nan")])
def test_a_duration_out_of_range_is_refused(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(RangeError) as refusal:
        synthesize(tmp_path / "a.mat", minutes=minutes)
    assert str(refusal.value) == (
        f"{minutes:g} minutes is outside 0.5..240, the lengths of a synthetic session; 20 is about"
        " a recorded one, 5 is enough for a demo"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n_channels", [0, 1025])
def test_a_number_of_channels_out_of_range_is_refused(tmp_path: Path, n_channels: int) -> None:
    with pytest.raises(RangeError) as refusal:
        synthesize(tmp_path / "a.mat", n_channels=n_channels)
    assert str(refusal.value) == (
        f"{n_channels} channels is outside 1..1024; the published sessions have 96 or 192"
    )


def test_a_negative_seed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RangeError, match=r"^seed -1 is below 0; use a whole number from 0 up$"):
        synthesize(tmp_path / "a.mat", seed=-1)


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "a.mat"
    with pytest.raises(FileError) as refusal:
        synthesize(path, minutes=0.5, n_channels=1)
    assert str(refusal.value) == f"{path}: cannot be written: file exists"


def test_any_changed_byte_behind_the_header_is_refused(tmp_path):
    path = tmp_path / "a.mat"
    synthesize(path, minutes=0.5, n_channels=2)
    whole = path.read_bytes()
    line = f"rsnnctl container, {len(whole) - 512} bytes follow this block, sha256 "
    line += hashlib.sha256(whole[512:]).hexdigest() + "\n"
    assert whole[128:512] == line.encode().ljust(384, b"\0")
    text = r"a\.mat: its content does not match its checksum; the file was edited or damaged, make"
    for place in (whole.index(b"follow"), whole.index(b"sha256") + 20, len(whole) - 9):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(FileError, match=text):
            load_session(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(FileError, match=text):
        load_session(path)


def test_a_file_without_a_seal_as_of_an_older_rsnnctl_is_read(tmp_path):
    path = tmp_path / "a.mat"
    synthesize(path, minutes=0.5, n_channels=2)
    whole, digest = path.read_bytes(), load_session(path).digest
    path.write_bytes(whole[:128] + bytes(384) + whole[512:])
    assert load_session(path).digest == digest
    assert describe(path)["synthesized_with"] == "minutes=0.5 n_channels=2 seed=1"
