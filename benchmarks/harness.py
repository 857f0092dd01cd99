"""NeuroBench's harness in full beside `rsnnctl evaluate`: `python benchmarks/harness.py [--json]`.

A network of 96-64-2 as training starts it and a synthetic session, all of it. Ours is a process
from its start to its end, of the integer network, with kernels compiled and cached before; theirs
is the harness alone, of the float model, without the seconds in which torch and NeuroBench are
loaded. It takes a quarter of an hour for the 40 minutes reported in docs/performance.md.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from simulate import CASES, case

from export.quantize import quantize
from rsnn.data.session import load_session
from rsnn.data.synthetic import synthesize
from rsnn.harness import run_neurobench
from rsnn.model import RSNN
from sim.artifact import save_network

ROOT = Path(__file__).resolve().parents[1]


def seconds_of_evaluate(network: Path, session: Path) -> float:
    """Seconds of one `rsnnctl evaluate`, start-up included."""
    command = [sys.executable, "-m", "cli", "evaluate", network, "--session", session]
    start = perf_counter()
    subprocess.run([*command, "--part", "all"], check=True, capture_output=True, cwd=ROOT)
    return perf_counter() - start


def seconds_of_harness(model: RSNN, session: Path) -> float:
    """Seconds of NeuroBench's benchmark over the whole session."""
    read = load_session(session)
    start = perf_counter()
    run_neurobench(model, read.raster, read.velocity)
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--minutes", type=float, default=40.0, help="minutes of the session")
    parser.add_argument("--repetitions", type=int, default=5, help="runs of `rsnnctl evaluate`")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = case(*CASES["tiny 96"])
    with tempfile.TemporaryDirectory() as folder:
        network, session = Path(folder) / "network.int.h5", Path(folder) / "session.mat"
        save_network(quantize(model), network)
        synthesize(session, minutes=options.minutes)
        seconds_of_evaluate(network, session)  # compiles, where that has not been done
        ours = median(seconds_of_evaluate(network, session) for _ in range(options.repetitions))
        theirs = seconds_of_harness(model, session)
    found = {
        "minutes": options.minutes,
        "evaluate_s": round(ours, 2),
        "harness_s": round(theirs, 1),
        "ratio": round(theirs / ours, 1),
    }
    if options.json:
        print(json.dumps(found, indent=2))
        return
    print(f"load {os.getloadavg()[0]:.1f}; a session of {options.minutes:g} minutes")
    print(f"rsnnctl evaluate, start-up included: {ours:.2f} s, median of {options.repetitions}")
    print(f"NeuroBench's harness: {theirs:.1f} s, {theirs / ours:.0f} x")


if __name__ == "__main__":
    main()
