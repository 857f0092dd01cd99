"""Design-rule check: what a network costs on a target, and every limit that it exceeds."""

import tempfile
from pathlib import Path
from typing import Any

from export.firmware.storage import check_layout
from hw_targets.machines.cost import count_cost, milliseconds, violations
from hw_targets.machines.target import Target
from rsnn.data.raster import random_raster
from sim.network import IntegerNetwork

_COUNTED_STEPS = 250


def check(network: IntegerNetwork, target: Target, layout: str = "fast") -> dict[str, Any]:
    """What a network costs on a target, and every limit that it exceeds, in `violations`.

    Raises:
        RangeError: no such layout.
        ToolError: a program is missing.
    """
    check_layout(layout)
    if target.measure is None:
        return {"target": target.name, "violations": []}
    raster = random_raster(_COUNTED_STEPS, network.n_inputs, dt=network.dt)
    cost = count_cost(network, target, raster, layout)
    found: dict[str, Any] = {
        "target": target.name,
        "layout": layout,
        "flash": cost.sizes.flash,
        "ram": cost.sizes.ram,
    }
    counted = cost.instructions
    if counted is not None:
        found |= {
            "instructions_min": counted.minimum,
            "instructions_mean": counted.mean,
            "instructions_mean_bitmap": counted.mean_bitmap,
            "instructions_max": counted.maximum,
            "instructions_worst_case": counted.worst_case,
            "worst_case_ms": milliseconds(counted.worst_case, target),
            "energy_nj": counted.nanojoules,
            "energy_table": target.energy,
        }
    compact = None
    if layout == "fast" and target.limits.flash and cost.sizes.flash > target.limits.flash:
        with tempfile.TemporaryDirectory() as folder:
            compact = target.measure(network, Path(folder), "compact")
    return found | {"violations": violations(network, target, cost, compact)}
