"""Latencies of closed loops: `python benchmarks/stream.py [--json] [--seconds 20] [--lsl]`.

A network of 96-64-2 as training starts it, Poisson input of 20 Hz. `library` is one call of
Decoder.step, `answer` is from the arrival of a packet to the departure of its answer inside
`rsnnctl stream --udp`, `round_trip` is what the sender sees, over 127.0.0.1. Packets come at four
times real time. `--lsl` adds `lsl_answer` and `lsl_round_trip`, the same by Lab Streaming Layer
with a real liblsl (needs pylsl); every value is checked to be what a run decodes. Another busy
process on the same core shows in the last percent.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, sleep

import numpy as np
from numpy.typing import NDArray
from simulate import CASES, case

from export.quantize import quantize
from rsnn.data.raster import random_raster
from rsnnctl.streams import lsl
from rsnnctl.streams.udp import HOST
from sim.artifact import save_network
from sim.fast import runs
from sim.live.decoder import Decoder
from sim.live.packets import decode_velocity, encode_spikes
from sim.network import IntegerNetwork

SPEED = 4  # times real time
_LARGEST_ANSWER = 1024  # bytes
_LSL = "benchmark spikes"
_MISSED = "missed_deadlines"


def library(network: IntegerNetwork, events: list[NDArray]) -> list[float]:
    """Seconds of every call of a decoder."""
    decoder = Decoder(network)
    seconds = []
    for indices in events:
        start = perf_counter()
        decoder.step(indices)
        seconds.append(perf_counter() - start)
    return seconds


def socket_round_trips(
    network: IntegerNetwork, events: list[NDArray], folder: Path
) -> tuple[list[float], dict]:
    """Seconds from sending each packet to its answer, and the report of `rsnnctl stream`."""
    process = _started(network, folder, len(events), "--udp", "0")
    assert process.stderr is not None
    port = int(process.stderr.readline().rsplit(":", 1)[1])
    seconds = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.connect((HOST, port))
        own.settimeout(5)
        begin = perf_counter()
        for number, indices in enumerate(events):
            sleep(max(0.0, begin + number * network.dt / SPEED - perf_counter()))
            start = perf_counter()
            own.send(encode_spikes(number, indices))
            step, _ = decode_velocity(own.recv(_LARGEST_ANSWER))
            seconds.append(perf_counter() - start)
            assert step == number
    report = json.loads(process.communicate(timeout=30)[1])
    return seconds, report


def lsl_round_trips(
    network: IntegerNetwork, events: list[NDArray], folder: Path
) -> tuple[list[float], dict]:
    """The same by LSL: from pushing each sample to pulling its velocity."""
    import pylsl

    spikes = np.zeros((len(events), network.n_inputs), np.uint8)
    for row, indices in zip(spikes, events, strict=True):
        row[indices] = 1
    expected = network.readout.decode(runs.run(network, spikes).out)
    info = pylsl.StreamInfo(_LSL, "Spikes", network.n_inputs, 1 / network.dt, "int8", _LSL)
    outlet = pylsl.StreamOutlet(info)
    process = _started(network, folder, len(events), "--lsl", _LSL)
    inlet = pylsl.StreamInlet(pylsl.resolve_byprop("name", lsl.OUTLET, timeout=30)[0])
    inlet.open_stream(timeout=10)
    assert outlet.wait_for_consumers(10)
    sleep(0.5)  # both ends have met; what is pushed earlier may be lost, as always with LSL
    seconds = []
    first, begin = pylsl.local_clock(), perf_counter()
    for number, row in enumerate(spikes.tolist()):
        sleep(max(0.0, begin + number * network.dt / SPEED - perf_counter()))
        start = perf_counter()
        outlet.push_sample(row, first + number * network.dt)  # stamps at the network's step
        values, _ = inlet.pull_sample(timeout=5)
        seconds.append(perf_counter() - start)
        assert values == expected[number].tolist(), number
    report = json.loads(process.communicate(timeout=30)[1].splitlines()[-1])
    return seconds, report


def _started(
    network: IntegerNetwork, folder: Path, n_steps: int, *source: str
) -> subprocess.Popen[str]:
    """`rsnnctl stream` in a process of its own."""
    path = folder / "network.int.h5"
    save_network(network, path)
    command = [sys.executable, "-m", "cli", "stream", path, *source, "--idle", "10", "--json"]
    return subprocess.Popen(
        [*command, "--steps", str(n_steps)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seconds", type=float, default=20.0, help="seconds of packets")
    parser.add_argument("--lsl", action="store_true", help="also by Lab Streaming Layer")
    options = parser.parse_args()
    network = quantize(case(*CASES["tiny 96"]))
    n_steps = max(10, round(options.seconds / network.dt * SPEED))
    raster = random_raster(n_steps, network.n_inputs, dt=network.dt)
    events = [np.flatnonzero(spikes) for spikes in raster]
    calls = library(network, events)
    with tempfile.TemporaryDirectory() as folder:
        trips, report = socket_round_trips(network, events, Path(folder))
        rows = {"library": _quantiles(calls), "answer": _answers(report)}
        rows["round_trip"] = _quantiles(trips)
        result = {"us": rows, "counts": _counts(report)}
        if options.lsl:
            trips, report = lsl_round_trips(network, events, Path(folder))
            rows |= {"lsl_answer": _answers(report), "lsl_round_trip": _quantiles(trips)}
            result["lsl_counts"] = _counts(report)
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"load {os.getloadavg()[0]:.1f}\n| | p50, us | p99, us | max, us |\n|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['p50']:.0f} | {row['p99']:.0f} | {row['max']:.0f} |")
    print({name: result[name] for name in result if name != "us"})


def _answers(report: dict) -> dict[str, float]:
    return {name: report[f"{name}_us"] for name in ("p50", "p99", "max")}


def _counts(report: dict) -> dict[str, int]:
    return {name: report[name] for name in ("steps", "lost", "late", "malformed", _MISSED)}


def _quantiles(seconds: list[float]) -> dict[str, float]:
    p50, p99, largest = np.quantile(seconds, [0.5, 0.99, 1.0]) * 1e6
    return {"p50": float(p50), "p99": float(p99), "max": float(largest)}


if __name__ == "__main__":
    main()
