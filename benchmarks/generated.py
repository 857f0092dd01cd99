"""Time code that is generated from a layer's step against that tuned by hand for the CuBa-LIF.

    python benchmarks/generated.py [--json]

tinyRSNN (96 inputs, 64 neurons) and bigRSNN (1024 neurons, 5 heads) as training starts them, 8
bits, Poisson input of 20 Hz per channel. Numba kernels of `sim/fast/`; exported C compiled for this
machine with the flags of `verify`. Processor time per step, runs interleaved, medians. Both must
decode the same words.
"""

import argparse
import json
import subprocess
import tempfile
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np
import torch

from base.files import write_text
from export.firmware import generated, source
from export.firmware.decoder import FLAGS
from export.quantize import quantize
from rsnn.data.raster import random_raster
from rsnn.model import DT, RSNN, Architecture, big, tiny
from rsnn.training.initialize import initialize
from sim.fast.generated import Generated
from sim.fast.simulator import Simulator
from sim.fast.tuned import Tuned
from sim.network import IntegerNetwork

RATE = 20.0  # Hz
ROUNDS = 7
LOOP = Path(__file__).with_name("generated_loop.c")


def network_of(architecture: Architecture) -> IntegerNetwork:
    """A network as training starts it, in 8 bits."""
    model = RSNN(architecture)
    initialize(model, rates=[RATE], generator=torch.Generator().manual_seed(1))
    return quantize(model)


def numba_times(network: IntegerNetwork, raster: np.ndarray) -> dict[str, float]:
    """Microseconds per step of both engines."""
    words = np.zeros((len(raster), -(-network.n_inputs // 8) * 8), np.uint8)
    words[:, : network.n_inputs] = raster
    words = words.view(np.uint64)
    words.flags.writeable = False
    engines = {"tuned": Tuned(network), "generated": Generated(network)}
    outs = {k: np.empty((len(raster), network.readout.n_neurons), np.int32) for k in engines}
    times: dict[str, list[float]] = {name: [] for name in engines}
    for number in range(ROUNDS + 1):
        for name, engine in engines.items():
            engine.reset()
            start = process_time()
            engine.advance(words, True, outs[name])
            if number:  # the first compiles
                times[name].append((process_time() - start) / len(raster) * 1e6)
    expected = Simulator(network).step_block(raster).out
    assert all(np.array_equal(out, expected) for out in outs.values())
    return {name: median(found) for name, found in times.items()}


def c_times(network: IntegerNetwork, raster: np.ndarray) -> dict[str, float]:
    """Microseconds per step of both kinds of C."""
    texts = {
        "tuned": (source.header(network, "rsnn"), source.source(network, "rsnn")),
        "generated": (generated.header(network, "rsnn"), generated.source(network, "rsnn")),
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.packbits(raster, axis=1, bitorder="little").tofile(folder / "input")
        for kind, (header, text) in texts.items():
            write_text(folder / kind / "rsnn.h", header)
            write_text(folder / kind / "rsnn.c", text)
            sources = [str(folder / kind / "rsnn.c"), str(LOOP)]
            command = [
                "cc",
                *FLAGS,
                f"-I{folder / kind}",
                *sources,
                "-o",
                str(folder / kind / "run"),
            ]
            subprocess.run(command, check=True)
        times: dict[str, list[float]] = {kind: [] for kind in texts}
        words = set()
        for _ in range(ROUNDS):
            for kind in texts:
                command = [str(folder / kind / "run"), str(folder / "input")]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                seconds, word = done.stdout.split()
                times[kind].append(float(seconds) * 1e6)
                words.add(word)
    assert len(words) == 1
    return {kind: median(found) for kind, found in times.items()}


def main() -> None:
    """Print microseconds per step and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="Print one JSON document.")
    as_json = parser.parse_args().json
    found = {}
    for name, architecture, n_steps in (("tiny", tiny(96), 20_000), ("big", big(96), 2_000)):
        network = network_of(architecture)
        raster = random_raster(n_steps, 96, dt=DT, rate=RATE)
        for code, measure in (("numba", numba_times), ("c", c_times)):
            times = measure(network, raster)
            ratio = times["generated"] / times["tuned"]
            found[f"{name}_{code}"] = times | {"ratio": ratio}
            if not as_json:
                print(f"{name} {code}: " + ", ".join(f"{k} {v:.3g} us" for k, v in times.items()))
                print(f"{name} {code}: generated takes {ratio:.2f} times the tuned")
    if as_json:
        print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
