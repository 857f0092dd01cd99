"""docs/recordings.md says what the code does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from rsnn.baselines.ridge import ridge
from rsnn.data.fetch import SESSIONS
from rsnn.data.session import load_session
from rsnn.data.split import split_session
from rsnn.data.synthetic import synthesize

PAGE = (Path(__file__).parents[1] / "docs" / "recordings.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_its_example_runs_and_gives_the_shapes_it_names(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    shapes = "assert session.raster.shape == (75000, 96) and session.velocity.shape == (75000, 2)"
    subprocess.run([sys.executable, "-c", f"{example}\n{shapes}"], cwd=tmp_path, check=True)


def test_its_table_of_sessions_is_the_codes() -> None:
    assert dict(re.findall(r"^\| (\w+) \| ([0-9a-f]{32}) \|$", PAGE, re.MULTILINE)) == SESSIONS


@pytest.mark.slow
def test_its_figures_of_ridge_regression_are_reproduced(tmp_path: Path) -> None:
    rows = re.findall(r"^\| (\d) \| (\d+) \|.*\| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 5
    seed, reaches, *scores = rows[0]
    synthesize(tmp_path / "a.mat", seed=int(seed))
    session = load_session(tmp_path / "a.mat")
    assert len(session.segments) == int(reaches)
    for history, score in zip((0.2, 0.4), scores, strict=True):
        # Exponentials and sums differ by rounding between processors, and spikes with them.
        found = ridge(session, split_session(session), histories=(history,)).r2
        assert found == pytest.approx(float(score), abs=0.01)
