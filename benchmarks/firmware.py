"""Instructions per step, flash and RAM of a network on microcontrollers, in every layout, in QEMU.

Run `python benchmarks/firmware.py --weights indy01-tinyRSNN-1.pth --json`.
"""

import argparse
import json
from importlib import import_module
from pathlib import Path

from export.firmware.code import layouts
from export.quantization.precision import Precision
from export.quantize import quantize
from hw_targets import targets
from hw_targets.machines.c_cost import Cost, count_cost
from rsnn.data.raster import random_raster
from rsnn.published import import_published

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
    modules = {name: import_module(f"hw_targets.{name}") for name in targets()}
    machines = {name: vars(module).get("MACHINE") for name, module in modules.items()}
    costs = {
        layout: {
            name: count_cost(network, machine, raster, layout)
            for name, machine in machines.items()
            if machine is not None and machine.ticks is not None
        }
        for layout in layouts(network)
    }
    counts = {layout: _instructions(found) for layout, found in costs.items()}
    if options.json:
        sizes = {layout: [cost.sizes for cost in found.values()] for layout, found in costs.items()}
        result = {
            "instructions": counts["fast"],
            "instructions_compact": counts["compact"],
            "flash": {layout: max(size.flash for size in found) for layout, found in sizes.items()},
            "ram": max(size.ram for found in sizes.values() for size in found),
        }
        print(json.dumps(result, indent=2))
        return
    columns = ("layout", "target", "mean", "of bitmaps", "max", "worst case", "flash", "RAM")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    for layout, found in costs.items():
        for name, cost in found.items():
            words = (layout, name, *counts[layout][name].values())
            sizes_of = (f"{cost.sizes.flash} B", f"{cost.sizes.ram} B")
            print(f"| {' | '.join(map(str, (*words, *sizes_of)))} |")


def _instructions(costs: dict[str, Cost]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name, cost in costs.items():
        counted = cost.instructions
        if counted is None:
            raise SystemExit(f"{name}: the emulated machine cannot hold the network")
        found[name] = {
            "mean": round(counted.mean, 1),
            "mean_bitmap": round(counted.mean_bitmap, 1),
            "max": counted.maximum,
            "worst_case": counted.worst_case,
        }
    return found


if __name__ == "__main__":
    main()
