"""A file of another layout, or a damaged one, is refused in one line that says what to do."""

import contextlib
import json
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from small_recording import DT, write_recording

from base.errors import DataError, FileError, RsnnError, RsnnWarning
from rsnn.data.describe import describe
from rsnn.data.session import load_session


def message_of(path: Path) -> str:
    with pytest.raises(RsnnError) as refusal:
        load_session(path)
    message = str(refusal.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert message_of(tmp_path / "none.mat") == "no such file"


def test_a_file_that_is_not_hdf5_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.mat"
    path.write_bytes(b"0.004 0.008 " * 100)
    assert message_of(path) == "not an HDF5 file"


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mat", [[[149.0]]])
    path.write_bytes(path.read_bytes()[:-100])
    assert message_of(path).startswith("truncated: the file ends before its content does")


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("t", "(1, n) seconds"),
        ("spikes", "(units, channels) references"),
        ("cursor_pos", "(2, n) mm"),
        ("target_pos", "(2, n) mm"),
    ],
)
def test_a_missing_variable_is_named_with_the_layout(tmp_path: Path, name: str, shape: str) -> None:
    path = write_recording(tmp_path / "a.mat", [[[149.0]]], leave_out=name)
    assert message_of(path) == (
        f"no variable `{name}` {shape}; a recording in the MATLAB 7.3 layout of Zenodo 583331 with"
        " t, spikes, cursor_pos, target_pos is needed"
    )


def test_a_group_in_place_of_a_variable_counts_as_missing(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mat", [[[149.0]]], leave_out="t")
    with h5py.File(path, "a") as file:
        file.create_group("t")
    assert message_of(path).startswith("no variable `t`")


@pytest.mark.parametrize("name", ["cursor_pos", "target_pos"])
def test_positions_and_times_of_other_lengths_are_refused(tmp_path: Path, name: str) -> None:
    path = write_recording(tmp_path / "a.mat", [[[149.0]]], **{name: np.zeros((2, 99))})
    assert message_of(path) == (
        f"`{name}` has shape (2, 99), `t` has 100 samples; (2, 100) is needed, cut both to the same"
        " length"
    )


@pytest.mark.parametrize("value", [np.nan, np.inf, -1e300])
def test_a_cursor_that_is_nowhere_is_refused(tmp_path: Path, value: float) -> None:
    cursor = np.zeros((2, 100))
    cursor[1, 40:43] = value
    path = write_recording(tmp_path / "a.mat", [[[149.0]]], cursor_pos=cursor)
    assert message_of(path) == (
        f"`cursor_pos` is (0, {value:g}) at sample 40, one of 3 such in 100; every sample must be a"
        " number within ±1e+06 mm, cut or fill the gap"
    )


@pytest.mark.parametrize("second", [2.0, 1.9, np.nan])
def test_a_clock_that_does_not_increase_is_refused(tmp_path: Path, second: float) -> None:
    t = 2.0 + np.arange(100) * DT
    t[1] = second
    path = write_recording(tmp_path / "a.mat", [[[149.0]]], t=t[None])
    assert message_of(path) == (
        f"`t` does not increase at sample 1: 2 s, then {second:g} s; export the session again with"
        " a monotonic clock"
    )


@pytest.mark.parametrize("place", [0, -1])
@pytest.mark.parametrize("far", [1.1e12, 1e300, np.inf])
def test_a_clock_that_runs_too_far_is_refused(tmp_path: Path, place: int, far: float) -> None:
    t = 2.0 + np.arange(100) * DT
    t[place] = far if place else -far
    path = write_recording(tmp_path / "a.mat", [[[149.0]]], t=t[None])
    assert message_of(path) == (
        f"`t` runs from {t[0]:g} to {t[-1]:g} s; at most ±1e+12 s is possible, cut the damaged"
        " samples"
    )


def test_another_sampling_interval_is_refused(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mat", [[[1.0]]], t=np.arange(100)[None] / 1000)
    assert message_of(path) == (
        "the sampling interval of `t` is 0.001 s; the published sessions have"
        " 0.004 s, resample this one to 250 Hz"
    )


@pytest.mark.parametrize(
    ("interval", "refused"), [(4.2e-3, True), (4.00401e-3, True), (4.00399e-3, False)]
)
def test_a_median_interval_off_by_more_than_a_thousandth_is_refused(
    tmp_path: Path, interval: float, refused: bool
) -> None:
    t = 2.0 + np.arange(100) * interval
    path = write_recording(tmp_path / "a.mat", [[[3.0]]], t=t[None])
    if refused:
        text = f"the sampling interval of `t` is {interval:g} s; the published sessions have 0.004"
        assert message_of(path).startswith(text)
    else:
        assert load_session(path).n_steps == 100


def test_half_of_the_intervals_decide_what_the_median_is(tmp_path: Path) -> None:
    for n_long, refused in ((49, False), (50, True)):
        t = 2.0 + np.cumsum([0.0, *[0.0041] * n_long, *[DT] * (99 - n_long)])
        path = write_recording(tmp_path / f"{n_long}.mat", [[[3.0]]], t=t[None])
        with pytest.raises(DataError, match="interval") if refused else pytest.warns(RsnnWarning):
            load_session(path)


def test_a_lost_sample_is_read_and_counted(tmp_path: Path) -> None:
    t = np.delete(np.arange(101) * DT, 50)
    path = write_recording(tmp_path / "a.mat", [[[1.0]]], t=t[None])
    assert load_session(path).n_steps == 100
    figures = describe(path)
    assert figures["irregular_intervals"] == 1
    assert figures["clock_drift_s"] == pytest.approx(DT)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_more_than_a_step_from_its_samples_is_warned_of_and_read(
    tmp_path: Path, sign: int
) -> None:
    t = 2.0 + np.arange(100) * DT
    t[60:] += sign * 0.003
    t[80:] += sign * 0.003
    path = write_recording(tmp_path / "a.mat", [[[2.2]]], t=t[None])
    text = (
        f"{path}: `t` runs over {0.396 + sign * 0.006:.3f} s, 100 samples of 4 ms over 0.396 s; at"
        " the end spikes and cursor are 0.006 s apart (2 irregular intervals): fill in lost"
        " samples, or cut the recording there"
    )
    with pytest.warns(RsnnWarning) as told:
        session = load_session(path)
    assert [str(each.message) for each in told] == [text]
    assert session.raster[:, 0].sum() == 1
    with pytest.warns(RsnnWarning):
        assert describe(path)["clock_drift_s"] == pytest.approx(sign * 0.006)


@pytest.mark.slow
def test_the_command_warns_once_in_one_line(tmp_path: Path) -> None:
    t = 2.0 + np.delete(np.arange(103) * DT, [50, 51, 70])
    path = write_recording(tmp_path / "a.mat", [[[2.2]]], t=t[None])
    command = [sys.executable, "-m", "cli", "data", "info", path, "--json"]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert done.stderr.startswith(f"Warning: {path}: `t` runs over 0.408 s, 100 samples of 4 ms")
    assert done.stderr.count("\n") == 1
    assert json.loads(done.stdout)["clock_drift_s"] == pytest.approx(0.012)


def test_an_extra_sample_with_a_time_of_its_own_is_read_and_counted(tmp_path: Path) -> None:
    t = np.insert(np.arange(99) * DT, 50, 49.5 * DT)
    path = write_recording(tmp_path / "a.mat", [[[1.0]]], t=t[None])
    assert load_session(path).n_steps == 100
    assert describe(path)["irregular_intervals"] == 2


def test_a_clock_that_jitters_is_read(tmp_path: Path) -> None:
    t = np.arange(5000) * DT + np.random.default_rng(0).uniform(0, 1e-4, 5000)
    path = write_recording(tmp_path / "a.mat", [[[0.1]]], n_steps=5000, t=t[None])
    assert load_session(path).n_steps == 5000


def test_one_sample_is_too_few(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mat", [[[1.0]]], n_steps=1)
    assert message_of(path) == "`t` holds 1 samples; at least 2 are needed"


@pytest.mark.parametrize("shape", [(5, 0), (0, 96)])
def test_zero_channels_or_units_are_refused(tmp_path: Path, shape: tuple[int, int]) -> None:
    path = write_recording(tmp_path / "a.mat", [[[1.0]]], spikes=np.zeros(shape, h5py.ref_dtype))
    assert message_of(path) == (
        f"`spikes` has shape {shape}, so zero units or zero channels; at least one of each is"
        " needed, check how the file was exported"
    )


@pytest.mark.parametrize(
    "table", [np.zeros((5, 96)), np.full(96, h5py.Reference(), h5py.ref_dtype)]
)
def test_spikes_that_are_no_table_of_cells_are_refused(tmp_path: Path, table: np.ndarray) -> None:
    path = write_recording(tmp_path / "a.mat", [[[1.0]]], spikes=table)
    assert message_of(path) == (
        f"`spikes` has shape {table.shape} and type {table.dtype}; a (units, channels) cell array"
        " is needed"
    )


@pytest.mark.parametrize("name", ["t", "cursor_pos"])
def test_variables_that_are_no_numbers_are_refused(tmp_path: Path, name: str) -> None:
    path = write_recording(tmp_path / "a.mat", [[[1.0]]], **{name: np.full((2, 100), b"x")})
    assert message_of(path) == f"`{name}` is of type |S1; numbers are needed, export it again"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("t", "`t` holds no values; export it again"),
        ("cursor_pos", "`cursor_pos` has shape None, `t` has 100 samples; (2, 100) is needed"),
        ("target_pos", "`target_pos` has shape None, `t` has 100 samples; (2, 100) is needed"),
        ("spikes", "`spikes` has shape None and type object; a (units, channels) cell array"),
    ],
)
def test_a_variable_without_values_is_refused(tmp_path: Path, name: str, message: str) -> None:
    path = write_recording(tmp_path / "a.mat", [[[1.0]]])
    with h5py.File(path, "r+") as file:
        kind = file[name].dtype
        del file[name]
        file[name] = h5py.Empty(kind)
    assert message_of(path).startswith(message)


def test_a_cell_that_holds_no_numbers_is_refused(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mat", [[[149.0], np.array([b"x"])]])
    assert message_of(path) == "`spikes[0, 1]` is of type |S1; numbers are needed, export it again"


@pytest.mark.slow
def test_damaged_bytes_give_one_line_or_a_session_but_never_a_traceback(tmp_path: Path) -> None:
    whole = write_recording(tmp_path / "a.mat", [[[149.0], [149.1]]]).read_bytes()
    random = np.random.default_rng(1)
    path, refused = tmp_path / "damaged.mat", 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[random.integers(512, len(whole))] ^= int(random.integers(1, 256))
        path.write_bytes(damaged)
        with contextlib.suppress(DataError, FileError):
            load_session(path)
            continue
        message_of(path)
        refused += 1
    assert refused > 10
