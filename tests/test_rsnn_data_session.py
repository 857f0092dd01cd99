"""Sessions are binned as NeuroBench bins them, bit for bit, without reading what is not needed."""

import contextlib
import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_recording import DT, write_recording

from base.errors import MismatchError
from rsnn.data.recording import Bins, bins_of
from rsnn.data.session import Session, load_session
from rsnn.data.zenodo import Clock


@pytest.fixture(scope="session")
def neurobench() -> Callable[[Path], SimpleNamespace]:
    """NeuroBench's own reading of a file: raster, velocity, segments as arrays."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its many imports, none of them ours
        from neurobench.datasets import PrimateReaching

    def read(path: Path) -> SimpleNamespace:
        with contextlib.redirect_stdout(io.StringIO()):
            data = PrimateReaching(
                str(path.parent),
                path.name,
                num_steps=1,
                train_ratio=0.5,
                bin_width=DT,
                biological_delay=0,
                download=False,
                remove_segments_inactive=False,
            )
        return SimpleNamespace(
            raster=data.samples.T.numpy(),
            velocity=data.labels.T.numpy(),
            segments=data.time_segments,
            last_used=max(data.ind_train + data.ind_val + data.ind_test),
        )

    return read


def assert_same(session: Session, theirs: SimpleNamespace) -> None:
    n = session.n_steps
    assert len(theirs.raster) in (n, n + 1)
    assert theirs.last_used == n - 1
    assert session.raster.dtype == np.uint8
    assert np.array_equal(session.raster, theirs.raster[:n])
    assert session.velocity.dtype == theirs.velocity.dtype == np.float32
    assert session.velocity.tobytes() == np.ascontiguousarray(theirs.velocity).tobytes()
    assert session.segments.dtype == np.int64
    assert np.array_equal(session.segments, theirs.segments)


def awkward_spikes(start: float, n_steps: int) -> list[np.ndarray]:
    """Spikes on every edge, an ulp beside it, outside, repeated, unsorted, and not a number."""
    t = start + np.arange(n_steps) * DT
    edges = np.arange(t[0] - DT, t[-1], DT)
    return [
        edges[::2],
        np.nextafter(edges[::3], -np.inf),
        np.nextafter(edges[::3], np.inf),
        t[::5],
        np.array([0.0, t[0] - 1, edges[0], t[-1], edges[-1], t[-1] + DT, 1e9]),
        np.array([edges[-1], t[-2], t[-1] + 1e-9]),
        np.repeat(t[3:9], 4)[::-1] + 0.001,
        np.array([np.nan, t[4], np.inf, -np.inf]),
        t[10:30].astype(np.float32),
    ]


@pytest.mark.parametrize("start", [0.0, 0.5, 148.984, 1234.5678, 98765.4321])
@pytest.mark.parametrize("n_steps", [2, 3, 100, 1001])
def test_spikes_on_and_beside_the_edges_fall_into_neurobenchs_bins(
    tmp_path: Path, neurobench: Callable, start: float, n_steps: int
) -> None:
    spikes = awkward_spikes(start, max(n_steps, 31))
    path = write_recording(tmp_path / "indy_1.mat", [spikes], n_steps=n_steps, start=start)
    session = load_session(path)
    assert_same(session, neurobench(path))
    assert session.raster.any()
    assert not session.raster[0].any()


def test_the_last_edge_belongs_to_the_last_bin_and_no_other_right_edge_does() -> None:
    bins = Bins(0.0, 4)
    edges = bins.edge(np.arange(4))
    times = np.array([edges[3], edges[2], 0.0, -1e-9, np.nextafter(edges[3], 1), 0.9 * DT, np.nan])
    assert bins.rows(times).tolist() == [3, 3, 1, 0, 0, 1, 0]


@pytest.mark.parametrize("seed", range(60))
def test_edges_are_those_of_numpy_and_each_spike_is_in_the_bin_that_a_search_finds(
    seed: int,
) -> None:
    random = np.random.default_rng(seed)
    first = random.choice([0.0, random.random() * DT, random.random() * 10.0 ** (seed % 6)])
    last = first + random.integers(1, 3000) * DT * random.choice([1, 1.001])
    edges = np.arange(first - DT, last, DT)
    bins = bins_of(Clock(first, last, 2, 0))
    assert bins.edge(np.arange(bins.n_edges)).tobytes() == edges.tobytes()
    at = random.choice(edges, 200)
    anywhere = edges[0] + (random.random(500) * 1.2 - 0.1) * (edges[-1] - edges[0])
    times = np.concatenate([at, np.nextafter(at, -np.inf), np.nextafter(at, np.inf), anywhere])
    inside = (times >= edges[0]) & (times <= edges[-1])
    found = np.minimum(np.searchsorted(edges, times, side="right"), edges.size - 1)
    assert np.array_equal(bins.rows(times), np.where(inside, found, 0))


@pytest.mark.parametrize(
    ("rows", "channels", "as_column"),
    [(3, 96, False), (5, 192, True), (5, 1, False), (1, 7, True)],
)
def test_any_number_of_units_and_channels_is_read(
    tmp_path: Path, neurobench: Callable, rows: int, channels: int, as_column: bool
) -> None:
    random = np.random.default_rng(rows * channels)
    spikes = [
        [None if random.random() < 0.3 else 148.9 + random.random(4) for _ in range(channels)]
        for _ in range(rows)
    ]
    path = write_recording(tmp_path / "loco_1.mat", spikes, as_column=as_column)
    session = load_session(path)
    assert session.raster.shape == (100, channels)
    assert session.raster.any()
    assert_same(session, neurobench(path))


@pytest.mark.parametrize("start", [0.0, 0.9, 0.996])
def test_empty_cells_spike_only_when_neurobenchs_reading_is_asked_for(
    tmp_path: Path, neurobench: Callable, start: float
) -> None:
    spikes = [[None, [start + 0.1]], [None, None]]
    path = write_recording(tmp_path / "indy_1.mat", spikes, start=start)
    assert_same(load_session(path, phantom_spikes=True), neurobench(path))
    phantom = load_session(path, phantom_spikes=True).raster[:, 0]
    silent = load_session(path).raster
    assert phantom.any()
    assert not silent[:, 0].any()
    assert silent[:, 1].sum() == 1


def test_a_null_reference_is_a_cell_without_spikes(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mat", [["null", [149.0]], ["null", "null"]])
    assert load_session(path).raster.sum(axis=0).tolist() == [0, 1]


@pytest.mark.slow
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_random_recordings_equal_neurobenchs(
    tmp_path_factory: pytest.TempPathFactory, neurobench: Callable, data: st.DataObject
) -> None:
    seed = data.draw(st.integers(0, 2**32 - 1), label="seed")
    random = np.random.default_rng(seed)
    n_steps = data.draw(st.integers(2, 400), label="n_steps")
    start = data.draw(st.sampled_from([0.0, 0.3, 0.999, 1.0, 17.3, 148.984, 4000.1]), label="start")
    jitter = data.draw(st.sampled_from([0.0, 1e-12, 2e-6]), label="jitter")
    t = start + np.arange(n_steps) * DT + random.uniform(0, jitter, n_steps)
    grain = data.draw(st.sampled_from([0.0, DT, DT / 2, 1 / 24414.0625]), label="grain")

    def cell() -> object:
        if random.random() < 0.25:
            return None
        times = random.uniform(t[0] - 0.05, t[-1] + 0.05, random.integers(0, 40))
        return np.round((times - start) / grain) * grain + start if grain else times

    n_channels = data.draw(st.integers(1, 4), label="n_channels")
    target = random.integers(0, 3, (2, 1 + n_steps // 7)).repeat(7, axis=1)[:, :n_steps] * 15.0
    path = write_recording(
        tmp_path_factory.mktemp("random") / "indy_random.mat",
        [[cell() for _ in range(n_channels)] for _ in range(3)],
        t=t[None],
        cursor_pos=random.normal(0, 50, (2, n_steps)).cumsum(axis=1),
        target_pos=target,
    )
    assert_same(load_session(path, phantom_spikes=True), neurobench(path))


def test_a_session_knows_its_name_and_cannot_be_changed(tmp_path: Path) -> None:
    session = load_session(write_recording(tmp_path / "indy_7.mat", [[[149.0]]]))
    assert (session.name, session.n_steps, session.n_channels, session.dt) == (
        "indy_7",
        100,
        1,
        0.004,
    )
    with pytest.raises(FrozenInstanceError):
        session.dt = 0.001
    for array in (session.raster, session.velocity, session.segments):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def a_session(**changes: object) -> Session:
    arrays = {
        "name": "made",
        "raster": np.zeros((6, 2), np.uint8),
        "velocity": np.zeros((6, 2), np.float32),
        "segments": np.array([[0, 6]]),
    }
    return Session(**(arrays | changes))


def test_the_digest_changes_with_raster_velocity_and_dt_only() -> None:
    one = np.eye(6, 2)
    digests = [
        a_session(**change).digest
        for change in (
            {},
            {"raster": one.astype(np.uint8)},
            {"velocity": one.astype(np.float32)},
            {"dt": 0.001},
            {"raster": np.zeros((6, 3), np.uint8)},
        )
    ]
    assert len(set(digests)) == 5
    assert len(digests[0]) == 64
    assert a_session(name="other", segments=np.array([[0, 3], [3, 6]])).digest == digests[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"raster": np.zeros((6, 2))}, r"`raster` is float64 \(6, 2\); uint8 \(6, 2\) is needed"),
        ({"velocity": np.zeros((5, 2), np.float32)}, r"`velocity` is float32 \(5, 2\); float32"),
        ({"segments": np.zeros((1, 3), np.int64)}, r"`segments` is int64 \(1, 3\); int64 \(1, 2\)"),
    ],
)
def test_arrays_of_other_shapes_or_types_are_refused(change: dict, message: str) -> None:
    with pytest.raises(MismatchError, match="session made: " + message):
        a_session(**change)


@pytest.mark.slow
def test_a_large_file_is_streamed(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mat", [[148.984 + np.arange(2000) * 0.01] * 3] * 2)
    with h5py.File(path, "a") as file:
        block = np.random.default_rng(0).random(1 << 18)
        for part in range(100):
            file[f"#refs#/wf_{part}"] = block
    assert path.stat().st_size > 200e6
    program = (
        "import resource, sys\n"
        "from rsnn.data.session import load_session\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak(); load_session(sys.argv[1]); print(peak() - before)\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, path], check=True, capture_output=True, text=True
    ).stdout
    assert int(out) < 20e6


def test_reading_a_session_imports_neither_torch_nor_scikit_learn() -> None:
    program = "import sys, rsnn.data.session; print({*sys.modules} & {'torch', 'sklearn', 'scipy'})"
    out = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout
    assert out.strip() == "set()"
