"""The benchmark of simulation prints what the docs promise, with its C loop checked for words."""

import json
import shutil
import subprocess
import sys
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


@pytest.mark.slow
def test_the_benchmark_prints_every_ratio_and_its_c_loop_decodes_our_words():
    command = [sys.executable, BENCHMARKS / "simulate.py", "--json", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == SPEED_UPS | (TIMES_OF_C if shutil.which("gcc") else set())
    # a tenth of what full runs on an idle machine find, because this one may be busy
    assert found["tiny_vs_snntorch"] > 100
    assert found["big_vs_snntorch"] > 40
    assert found["tiny64_vs_torch"] > 0.7
    assert found["big64_vs_torch"] > 1.2
    assert all(found[name] < 20 for name in TIMES_OF_C & set(found))
