"""The benchmark of simulation prints what the docs promise, with its C loop checked for words."""

import json
import shutil
import subprocess
import sys
from math import isfinite
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
SPEED_UPS = {
    "tiny_vs_snntorch",
    "big_vs_snntorch",
    "tiny64_vs_torch",
    "big64_vs_torch",
    "threads2_vs_1",
}
TIMES_OF_C = {"tiny_vs_c", "big_vs_c"}


def printed(name: str, *options: str) -> dict:
    """The JSON that a benchmark prints."""
    command = [sys.executable, BENCHMARKS / name, "--json", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_the_benchmark_prints_every_ratio_and_its_c_loop_decodes_our_words():
    found = printed("simulate.py", "--quick")
    assert set(found) == SPEED_UPS | (TIMES_OF_C if shutil.which("gcc") else set())
    assert all(isfinite(ratio) and ratio > 0 for ratio in found.values())  # how large: not here


@pytest.mark.slow
def test_the_harness_is_timed_beside_evaluate():
    found = printed("harness.py", "--minutes", "0.5", "--repetitions", "1")
    assert found["minutes"] == 0.5
    assert found["harness_s"] > 0
    assert found["ratio"] == pytest.approx(found["harness_s"] / found["evaluate_s"], rel=0.1)
