"""Hardware targets for the command line: the table, the check of a network's file, the backend."""

from pathlib import Path
from typing import Any

from hw_targets import targets
from hw_targets.firmware.cost import cost
from hw_targets.firmware.target import Target, run
from rsnn.data.raster import random_raster
from rsnnctl.errors import RangeError, ToolError
from sim.artifact import load_network
from sim.verify import Backend

_STEPS = 1000  # of independent spikes at the published rate, of which the mean is taken


def target_named(name: str) -> Target:
    """The target of this name.

    Raises:
        RangeError: there is none.
    """
    known = targets()
    if name not in known:
        raise RangeError(f"--target is {name}; known: {', '.join(known)}")
    return known[name]


def backend_of(name: str) -> Backend:
    """How `verify` runs a network on a target.

    Raises:
        RangeError: there is no such target.
        ToolError: a tool is missing.
    """
    target = target_named(name)
    if target.missing():
        raise ToolError(f"{name}: {target.missing()}")
    return lambda network, raster: run(target, network, raster).trace


def describe_targets() -> list[dict[str, Any]]:
    """A row for each target: limits of a part that has it, and what is missing to run it here."""
    return [
        {
            "target": name,
            "processor": target.description,
            "part": target.part,
            "flash_kb": target.flash // 1024,
            "ram_kb": target.ram // 1024,
            "clock_mhz": target.clock / 1e6,
            "missing": target.missing() or "-",
        }
        for name, target in targets().items()
    ]


def check_file(path: Path, name: str) -> dict[str, Any]:
    """What a network's file costs on a target, with every limit that it breaks.

    Raises:
        RangeError: there is no such target.
        FileError: the file cannot be used.
        ToolError: a tool is missing.
    """
    target = target_named(name)
    network = load_network(path)
    found = cost(target, network, random_raster(_STEPS, network.n_inputs, dt=network.dt))
    return {
        "target": name,
        "part": target.part,
        "flash": found.flash,
        "ram": found.ram,
        **{f"instructions_{key}": round(value) for key, value in found.instructions.items()},
        "violations": list(found.violations),
    }
