"""Instructions a step, flash and RAM of a network on microcontrollers, counted in QEMU.

Run `python benchmarks/firmware.py --weights indy01-tinyRSNN-1.pth --json`.
"""

import argparse
import json
from pathlib import Path

from export.quantization.precision import Precision
from export.quantize import quantize
from hw_targets import targets
from hw_targets.machines.cost import count_cost
from rsnn.checkpoint import import_published
from rsnn.data.raster import random_raster

_STEPS = 500


def main() -> None:
    """Count every target that counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="published state dict")
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    network = quantize(import_published(options.weights), Precision(bits=options.bits))
    raster = random_raster(_STEPS, network.n_inputs, dt=network.dt)
    instructions, flash, ram = {}, {}, {}
    for name, target in targets().items():
        if target.measure is None:
            continue
        cost = count_cost(network, target, raster)
        instructions[name] = {
            "mean": round(cost.mean, 1),
            "max": cost.maximum,
            "worst_case": cost.worst_case,
        }
        flash[name], ram[name] = cost.sizes.flash, cost.sizes.ram
    result = {
        "instructions": instructions,
        "flash": {"fast": max(flash.values()), "compact": None},  # no compact layout yet
        "ram": max(ram.values()),
    }
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for name, counts in instructions.items():
        print(f"{name}: {counts}, flash {flash[name]} B, RAM {ram[name]} B")


if __name__ == "__main__":
    main()
