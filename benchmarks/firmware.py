"""What a published network costs in firmware: `python benchmarks/firmware.py WEIGHTS.pth [--json]`.

Quantized to 8 bits, exported as C, compiled with -O2, run under emulators over 2,000 steps of
independent spikes at the published rate. Instructions are counted exactly and are no cycles. Every
state word is compared with the reference first.
"""

import argparse
import json
from pathlib import Path

from export.quantization.precision import Precision
from export.quantize import quantize
from hw_targets import targets
from hw_targets.firmware.cost import cost
from hw_targets.firmware.target import run
from rsnn.checkpoint import import_published
from rsnn.data.raster import random_raster
from sim import reference
from sim.trace import first_difference


def main() -> None:
    """Print the table, or the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path, help="published state dict (.pth)")
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    network = quantize(import_published(options.weights), Precision(bits=options.bits))
    raster = random_raster(2000, network.n_inputs, dt=network.dt)
    expected = reference.run(network, raster)
    found = {}
    for name, target in targets().items():
        if target.missing():
            print(f"{name}: not run: {target.missing()}")
            continue
        assert first_difference(expected, run(target, network, raster).trace) is None, name
        found[name] = cost(target, network, raster)
    if options.json:
        counted = {name: dict(c.instructions) for name, c in found.items() if c.instructions}
        sizes = {"flash": {"fast": found["cortex_m4"].flash}, "ram": found["cortex_m4"].ram}
        print(json.dumps({"instructions": counted} | sizes, indent=2))
        return
    print("| target | mean | max | worst case | flash | RAM |\n|---|---|---|---|---|---|")
    for name, c in found.items():
        counts = [
            f"{c.instructions[k]:.0f}" for k in ("mean", "max", "worst_case") if c.instructions
        ]
        print(f"| {name} | {' | '.join(counts or ['', '', ''])} | {c.flash} | {c.ram} |")


if __name__ == "__main__":
    main()
