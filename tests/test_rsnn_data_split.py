"""The published split and its training windows, next to NeuroBench's own split."""

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from small_recording import write_recording

from base.errors import DataError, RangeError
from rsnn.data.session import Session, load_session
from rsnn.data.split import neurobench_split, split_session, window_starts


def session_of(bounds: list[int]) -> Session:
    """A silent session whose reaches start at all but the last of `bounds`, where it ends."""
    n_steps = bounds[-1]
    return Session(
        name="made",
        raster=np.zeros((n_steps, 1), np.uint8),
        velocity=np.zeros((n_steps, 2), np.float32),
        segments=np.array([bounds[:-1], bounds[1:]]).T,
    )


def test_the_split_is_the_published_62_13_25_percent() -> None:
    split = split_session(session_of(list(range(0, 300001, 100))))
    assert split.train == slice(0, 185000)
    assert split.validation == slice(185000, 225000)
    assert split.test == slice(225000, 300000)


def test_the_test_part_starts_with_a_reach_and_the_parts_cover_the_session() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        bounds = [0, *np.cumsum(random.integers(100, 500, random.integers(8, 60))).tolist()]
        session = session_of(bounds)
        split = split_session(session)
        assert split.test == neurobench_split(session, 0.5)[2]
        assert split.test.start in bounds
        assert (split.train.start, split.test.stop) == (0, session.n_steps)
        assert (split.train.stop, split.validation.stop) == (
            split.validation.start,
            split.test.start,
        )
        size = split.validation.stop - split.validation.start
        assert size == round(session.n_steps * 0.1 / 0.75)


def test_too_few_reaches_are_refused() -> None:
    assert split_session(session_of([0, 100, 200, 300, 400])).test == slice(300, 400)
    with pytest.raises(DataError) as refusal:
        split_session(session_of([0, 100, 200, 300]))
    assert str(refusal.value) == (
        "session made: 3 reaches; at least 4 are needed to split it, use a longer session"
    )


def test_reaches_that_leave_nothing_for_training_are_refused() -> None:
    with pytest.raises(DataError) as refusal:
        split_session(session_of([0, 1, 2, 3, 1000]))
    assert str(refusal.value) == (
        "session made: its last quarter of reaches starts at step 3, and the 133 steps before it"
        " validate, so none train; more than 133 are needed, use a session with reaches of similar"
        " length"
    )


@pytest.mark.parametrize("n_reaches", [1, 2, 3, 4, 10, 41])
def test_neurobenchs_split_is_equal_for_every_ratio(tmp_path: Path, n_reaches: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its many imports, none of them ours
        from neurobench.datasets import PrimateReaching
    lengths = np.random.default_rng(n_reaches).integers(1, 30, n_reaches)
    target = np.repeat(np.arange(n_reaches), lengths) * np.ones((2, 1))
    path = write_recording(
        tmp_path / "indy_1.mat",
        [[[149.0]]],
        n_steps=target.shape[1] if target.shape[1] > 1 else 2,
        target_pos=target if target.shape[1] > 1 else np.zeros((2, 2)),
    )
    session = load_session(path)
    for ratio in (0, 0.1, 0.29, 0.5, 0.57, 0.7, 0.8, 1):
        with contextlib.redirect_stdout(io.StringIO()):
            theirs = PrimateReaching(
                str(tmp_path),
                path.name,
                num_steps=1,
                train_ratio=ratio,
                bin_width=0.004,
                download=False,
            )
        steps = np.arange(session.n_steps)
        ours = [steps[part].tolist() for part in neurobench_split(session, ratio)]
        assert ours == [theirs.ind_train, theirs.ind_val, theirs.ind_test]


@pytest.mark.parametrize("ratio", [-0.1, 1.1, float("nan")])
def test_a_ratio_outside_0_to_1_is_refused(ratio: float) -> None:
    with pytest.raises(RangeError) as refusal:
        neurobench_split(session_of([0, 10]), ratio)
    assert str(refusal.value) == (
        f"train_ratio {ratio:g} is outside 0..1; 0.5 is the published one"
    )


def test_windows_start_at_five_offsets_and_lose_the_last_of_each() -> None:
    # 1250 steps: chunks start at 0 500 (1000); 100 600 (1100); 200 700 (1200); 300 (800); 400 (900)
    starts = window_starts(slice(0, 1250))
    assert starts.tolist() == [0, 100, 200, 300, 400, 500, 600, 700]
    assert starts.dtype == np.int64


def test_the_last_window_of_an_offset_is_dropped_even_when_it_is_whole() -> None:
    assert window_starts(slice(0, 1500)).tolist() == [*range(0, 1000, 100)]
    assert window_starts(slice(0, 1501)).tolist() == [*range(0, 1001, 100)]


def test_windows_of_a_later_part_start_in_steps_of_the_session() -> None:
    first = window_starts(slice(0, 5000))
    assert (window_starts(slice(700, 5700)) == first + 700).all()


def test_windows_lie_inside_their_part() -> None:
    for length in range(501, 2600, 7):
        starts = window_starts(slice(10, 10 + length))
        assert len(starts) == sum(-(-(length - o) // 500) - 1 for o in range(0, 500, 100))
        assert starts[0] == 10
        assert starts[-1] + 500 <= 10 + length
        assert (np.diff(starts) == 100).all()


def test_short_windows_at_every_step_are_possible() -> None:
    assert window_starts(slice(3, 8), n_steps=1, stride=1).tolist() == [3, 4, 5, 6]
    assert window_starts(slice(0, 7), n_steps=3, stride=2).tolist() == [0, 2, 3]


def test_a_part_too_short_for_a_window_is_refused() -> None:
    assert window_starts(slice(0, 501)).tolist() == [0]
    with pytest.raises(DataError) as refusal:
        window_starts(slice(100, 600))
    assert str(refusal.value) == (
        "500 steps are too few for a training window of 500; at least 501 are needed, use a longer"
        " session or shorter windows"
    )


@pytest.mark.parametrize("name", ["n_steps", "stride"])
def test_windows_of_no_length_or_stride_are_refused(name: str) -> None:
    with pytest.raises(RangeError) as refusal:
        window_starts(slice(0, 1000), **{name: 0})
    assert str(refusal.value) == f"{name} 0 is below 1; windows are cut in whole steps"
