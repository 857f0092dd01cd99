"""docs/baselines.md says what the code does."""

import re
from pathlib import Path

import pytest

from rsnn.baselines.gru import units_like_tiny
from rsnn.baselines.kalman import BINS, LAGS, kalman
from rsnn.baselines.ridge import HISTORIES, ridge
from rsnn.data.session import load_session
from rsnn.data.split import split_session
from rsnn.data.synthetic import synthesize

PAGE = (Path(__file__).parents[1] / "docs" / "baselines.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())  # wherever lines end


def test_its_settings_to_choose_from_are_the_codes():
    *some, last = (f"{history:g}" for history in HISTORIES)
    assert f"with {', '.join(some)} or {last} s" in PAGE
    assert f"bin ({1000 * min(BINS):.0f} to {1000 * max(BINS):.0f} ms)" in PAGE
    assert f"lag ({1000 * min(LAGS):.0f} to {1000 * max(LAGS):.0f} ms)" in PAGE


def test_its_sizes_are_the_codes():
    assert f"a GRU of {units_like_tiny(96)} units has 10,181" in TEXT
    assert f"one of {units_like_tiny(192)} units has 16,477" in TEXT


@pytest.mark.slow
def test_its_figures_of_the_quick_baselines_are_reproduced(tmp_path):
    rows = re.findall(r"^\| 1 \| (.*) \| (\d+) \| (\d+) \| ([\d.]+) \| \d+ \|$", PAGE, re.MULTILINE)
    assert len(rows) == 4
    synthesize(tmp_path / "a.mat", seed=1)
    session = load_session(tmp_path / "a.mat")
    split = split_session(session)
    found = [ridge(session, split), ridge(session, split, histories=HISTORIES)]
    found.append(kalman(session, split))
    for (_, _, _, score), baseline in zip(rows, found, strict=False):
        # Exponentials and sums differ by rounding between processors, and spikes with them; so may
        # the settings that are chosen.
        assert baseline.r2 == pytest.approx(float(score), abs=0.01)
