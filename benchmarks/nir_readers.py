"""How close NIR's readers come to the integers: `python benchmarks/nir_readers.py [--json]`.

A network with tinyRSNN's shape, initial weights and time constants, seed 1 (or the published one of
`--weights`), in int8, runs over
2,000 steps of independent spikes, and so does each reader's version of its exported file. Where the
contract has delays, spikes of readers come earlier by a fixed number of steps, subtracted first.
Needs snntorch and nirtorch; norse, if it is installed (`pip install --no-deps norse`).
"""

import argparse
import contextlib
import io
import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nir
import numpy as np
import torch

from export.nir.files import export_nir, import_nir
from export.quantization.precision import Precision
from export.quantize import quantize
from rsnn.data.raster import random_raster
from rsnn.model import RSNN, tiny
from rsnn.published import import_published
from rsnn.training.initialize import initialize
from sim.contract import PAPER, NumericContract
from sim.fast import runs
from sim.network import IntegerNetwork

STEPS = 2000
AT_ONCE = replace(PAPER, current="new", fires_on="new_membrane", delay_steps=0)
CASES: dict[str, tuple[NumericContract, Precision]] = {
    "paper": (PAPER, Precision()),
    "at once": (AT_ONCE, Precision()),
    "at once, 16 bits below a weight step": (AT_ONCE, Precision(frac_bits=16, bits=4)),
}
Run = tuple[np.ndarray, np.ndarray]


def ours(path: Path, raster: np.ndarray, dt: float) -> Run:
    """Hidden spikes and decoded output (n_steps, n) of what `rsnnctl import-nir` reads."""
    return outcome(import_nir(path), raster)


def snntorch(path: Path, raster: np.ndarray, dt: float) -> Run:
    """The same of snnTorch's `import_from_nir`; the membrane of its readout is the output."""
    from snntorch.import_nir import import_from_nir

    with contextlib.redirect_stdout(io.StringIO()):
        module = import_from_nir(nir.read(path))
    named = dict(module.named_modules())
    hidden = next(m for name, m in named.items() if name.endswith("lif"))
    readout = next(m for name, m in named.items() if name.endswith("readout"))
    return stepped(module, raster, hidden, lambda out: out, readout, lambda _: readout.mem)


def norse(path: Path, raster: np.ndarray, dt: float) -> Run:
    """The same of norse's `from_nir`."""
    from norse.torch.utils.import_nir import from_nir

    module = from_nir(nir.read(path), dt=dt)
    hidden, readout = module.hidden0, module.readout
    return stepped(module, raster, hidden, lambda out: out[0], readout, lambda out: out[1][1].v)


def stepped(module, raster, hidden, spikes_of: Callable, readout, output_of: Callable) -> Run:
    """Step a module over a raster, catching what two of its parts return."""
    spikes, outputs = [], []
    hidden.register_forward_hook(lambda _m, _i, out: spikes.append(spikes_of(out).clone()))
    readout.register_forward_hook(lambda _m, _i, out: outputs.append(output_of(out).clone()))
    state = None
    with torch.no_grad():
        for x in torch.tensor(raster, dtype=torch.float32):
            _, state = module(x[None], state)
    return torch.cat(spikes).numpy() > 0, torch.cat(outputs).numpy()


READERS = {"exact": ours, "snntorch": snntorch, "norse": norse}


def untrained() -> RSNN:
    """A network like the published ones before training."""
    model = RSNN(tiny(96))
    initialize(model, rates=(20.0,), generator=torch.Generator().manual_seed(1))
    return model


def outcome(network: IntegerNetwork, raster: np.ndarray) -> Run:
    trace = runs.run_backend(network, raster)
    decoded = network.readout.decode(trace.variables["readout.out"])
    return trace.variables["hidden0.spk"] > 0, decoded


def compare(model: RSNN, case: str, reader: str, steps: int = STEPS) -> dict:
    """One row: a reader's result on a case."""
    contract, precision = CASES[case]
    network = quantize(model, precision, contract=contract)
    raster = random_raster(steps, network.n_inputs, dt=network.dt)
    spikes, decoded = outcome(network, raster)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        path = Path(folder) / "network.nir"
        export_nir(network, path, reader)
        theirs, output = READERS[reader](path, raster, network.dt)
    # the paper waits a step for every connection, and between syn, mem and spike
    late = network.contract.delay_steps and reader != "exact"
    to_spike, to_output = (3, 5) if late else (0, 0)
    a, b = spikes[to_spike:], theirs[: steps - to_spike]
    x, y = decoded[to_output:], output[: steps - to_output]
    return {
        "contract": case,
        "reader": reader,
        "spikes": int(a.sum()),
        "theirs": int(b.sum()),
        "at_the_same_step": float(2 * (a & b).sum() / (a.sum() + b.sum())),
        "output_correlation": float(np.corrcoef(x.ravel(), y.ravel())[0, 1]),
        "output_error": float(np.sqrt(np.mean((x - y) ** 2)) / x.std()),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--weights", type=Path, help="a published state dict (.pth)")
    asked = parser.parse_args()
    model = untrained() if asked.weights is None else import_published(asked.weights)
    rows = []
    missing = {}
    for case in CASES:
        for reader in READERS:
            try:
                rows.append(compare(model, case, reader, asked.steps))
            except ImportError as error:
                missing[reader] = f"not run: {error}"
    if asked.json:
        print(json.dumps({"rows": rows, "missing": missing}, indent=2))
        return
    print("| contract | reader | spikes | theirs | at the same step | output: r | output: error |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['contract']} | {row['reader']} | {row['spikes']} | {row['theirs']} |"
            f" {row['at_the_same_step']:.3f} | {row['output_correlation']:.3f} |"
            f" {row['output_error']:.3f} |"
        )
    for reader, why in missing.items():
        print(f"{reader}: {why}")


if __name__ == "__main__":
    main()
