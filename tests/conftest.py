"""Fixtures of files outside the repository: published weights, real recordings."""

import os
from pathlib import Path

import numpy as np
import pytest

pytest_plugins = ("command_line", "harm.fixture", "strangers", "verilated")

# Under `make test`, a make that a test starts would inherit the outer one's flags, and print more.
for _name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
    os.environ.pop(_name, None)

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published weights and real recordings beside the checkout."""
    if not SHARED.is_dir():
        reason = (
            "the folder `shared` of published weights and recordings is not beside the checkout"
        )
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return SHARED


@pytest.fixture(scope="session")
def published(shared: Path) -> list[Path]:
    """The published tinyRSNN state dicts, sorted: seeds 1 and 2 of six sessions."""
    paths = sorted((shared / "published").glob("*.pth"))
    assert len(paths) == 12
    return paths


@pytest.fixture(scope="session")
def reaches(shared: Path) -> list[np.ndarray]:
    """Two real reaches as rasters (n_steps, 182) uint8 of 4 ms steps, from spikes at 1 ms."""
    with np.load(shared / "data" / "mc_maze_2trials_1ms.npz") as trials:
        spikes = [trials[name] for name in ("spikes_748", "spikes_1356")]
    whole = [s[: len(s) // 4 * 4].reshape(-1, 4, s.shape[1]) for s in spikes]
    return [bins.max(1).astype(np.uint8) for bins in whole]
