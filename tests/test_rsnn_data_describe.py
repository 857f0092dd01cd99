"""The figures of a recording are those that can be counted by hand on a small one."""

import json
from pathlib import Path

import numpy as np
import pytest
from small_recording import DT, write_recording

from base.errors import FileError
from rsnn.data import describe as module
from rsnn.data.describe import describe
from rsnn.data.session import load_session


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """100 steps from 148.984 s to 149.38 s: 4 channels, of which one is dead."""
    inside = 149.0 + np.arange(5) * 2 * DT + 0.001
    return write_recording(
        tmp_path / "indy_20160622_01.mat",
        [[inside, [149.0], None, [100.0]], [inside + 0.2, "null", None, [149.1, 149.1001]]],
    )


def test_a_small_recording_is_described_exactly(small: Path) -> None:
    session = load_session(small)
    velocity_sd = session.velocity.std(axis=0) / DT
    figures = describe(small)
    assert figures.pop("velocity_sd_mm_per_s") == pytest.approx(velocity_sd)
    assert figures == {
        "name": "indy_20160622_01",
        "duration_s": 0.4,
        "dt_s": 0.004,
        "n_steps": 100,
        "n_channels": 4,
        "irregular_intervals": 0,
        "clock_drift_s": pytest.approx(0.0, abs=1e-12),
        "reaches": 13,
        "units": 2,
        "spikes": 14,
        "spikes_outside": 1,
        "empty_cells": 3,
        "synthetic": False,
        "synthesized_with": None,
        "rate_mean_hz": pytest.approx(12 / 4 / 0.4),
        "rate_median_hz": pytest.approx(1 / 0.4),
        "rate_max_hz": pytest.approx(10 / 0.4),
        "dead_channels": 1,
        "channels_under_1_hz": 1,
        "rate_drift": None,
        "split": {"train": 56, "validation": 13, "test": 31},
        "digest": session.digest,
        "published": True,
        "md5": None,
        "md5_matches": None,
    }


def test_the_figures_are_ready_for_json(small: Path) -> None:
    figures = describe(small, check_md5=True)
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_the_md5_is_compared_only_when_asked(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = describe(small, check_md5=True)
    assert len(asked["md5"]) == 32
    assert asked["md5_matches"] is False
    monkeypatch.setitem(module.SESSIONS, "indy_20160622_01", asked["md5"])
    assert describe(small, check_md5=True)["md5_matches"] is True
    other = small.rename(small.with_name("mine.mat"))
    figures = describe(other, check_md5=True)
    assert (figures["published"], figures["md5_matches"]) == (False, None)


def test_a_session_too_short_to_split_is_described(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "a.mat", [[[149.0]]], target_pos=np.zeros((2, 100)))
    figures = describe(path)
    assert (figures["reaches"], figures["split"]) == (1, None)


@pytest.mark.parametrize("drift", [-0.5, 0.0, 1.0])
def test_rate_drift_is_the_change_along_a_fitted_line(tmp_path: Path, drift: float) -> None:
    n_steps = 25000
    steps = np.arange(n_steps - 10)
    density = 0.1 * (1 + drift * steps / n_steps)
    spikes = steps[np.diff(np.floor(np.cumsum(density)), prepend=0) > 0] * DT + 0.001
    path = write_recording(tmp_path / "a.mat", [[spikes]], n_steps=n_steps, start=0.0)
    assert describe(path)["rate_drift"] == pytest.approx(drift, abs=0.02)


def test_a_silent_recording_has_no_drift(tmp_path: Path) -> None:
    figures = describe(write_recording(tmp_path / "a.mat", [[None]], n_steps=10000))
    assert (figures["rate_mean_hz"], figures["rate_drift"]) == (0.0, None)


def test_what_cannot_be_loaded_cannot_be_described(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file"):
        describe(tmp_path / "none.mat")
