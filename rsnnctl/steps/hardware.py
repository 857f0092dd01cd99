"""Networks on targets: what they cost, whether they fit, whether they compute the same bits."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError, ToolError
from export.firmware.decoder import export_c
from export.firmware.project import write_project
from export.firmware.storage import check_layout
from hw_targets import find_target, targets
from hw_targets.machines.cost import count_cost, milliseconds, violations
from hw_targets.machines.target import Target
from rsnn.data.raster import random_raster
from rsnn.data.stream import load_stream
from sim.artifact import load_network, load_vectors
from sim.network import IntegerNetwork
from sim.trace import Trace
from sim.verify import Report, verify

_COUNTED_STEPS = 250


def list_targets() -> list[dict[str, Any]]:
    """A row for each target: limits, and which of its tools are missing here."""
    rows = []
    for name, target in targets().items():
        missing = [tool for tool in target.tools if which(tool) is None]
        clock = target.limits.clock_hz
        rows.append(
            {
                "target": name,
                "description": target.description,
                "format": target.format,
                "flash": target.limits.flash,
                "ram": target.limits.ram,
                "clock_mhz": None if clock is None else clock / 1e6,
                "missing": ", ".join(missing) or None,
            }
        )
    return rows


def check_file(path: Path, name: str, layout: str = "fast") -> dict[str, Any]:
    """What a network costs on a target and every limit that it breaks, in `violations`."""
    return _check(load_network(path), find_target(name), layout)


def check_everywhere(path: Path, layout: str = "fast") -> list[dict[str, Any]]:
    """What a network costs on every part that has limits, a row each, and whether it `fits`."""
    network = load_network(path)
    rows = []
    for target in targets().values():
        if target.measure is None:
            continue
        try:
            found = _check(network, target, layout)
        except ToolError as error:
            found = {"violations": [f"not checked: {error}"]}
        columns = ("flash", "ram", "instructions_mean", "instructions_worst_case", "worst_case_ms")
        rows.append(
            {
                "target": target.name,
                "part": target.description,
                **{column: found.get(column) for column in columns},
                "fits": not found["violations"],
                "violations": found["violations"],
            }
        )
    return rows


def _check(network: IntegerNetwork, target: Target, layout: str) -> dict[str, Any]:
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


def build_file(path: Path, name: str, folder: Path, layout: str = "fast") -> list[Path]:
    """Write a firmware project for a target: sources, a self-test and its vectors, build files.

    Returns the files. `replay.c` is the program that `verify` runs.
    """
    target = find_target(name)
    network = load_network(path)
    golden, _ = load_vectors(path)
    written = export_c(network, folder, "rsnn", layout)
    return written + write_project(
        network,
        golden,
        folder,
        description=target.description,
        compiler=next(iter(target.tools)),
        flags=" ".join(target.flags),
    )


def verify_target(
    path: Path, name: str, source: Path | None, steps: int, layout: str = "fast"
) -> Report:
    """Compare every state word on a target with the reference, over the golden run and a stream.

    Raises:
        RangeError: no such target or layout, or `steps` is below 1.
        ToolError: a program is missing.
    """
    if steps < 1:
        raise RangeError(f"--steps is {steps}; at least 1 is needed")
    target = find_target(name)
    network = load_network(path)
    golden, _ = load_vectors(path)
    if source is None:
        stream = random_raster(steps, network.n_inputs, dt=network.dt)
    else:
        stream = load_stream(source).raster[:steps]
    with tempfile.TemporaryDirectory() as folder:
        program = target.build(network, Path(folder), layout)
        return verify(network, [golden, stream], {name: _backend(target, program, Path(folder))})


def _backend(
    target: Target, program: Path, folder: Path
) -> Callable[[IntegerNetwork, NDArray[np.uint8]], Trace]:
    return lambda network, raster: target.run(network, raster, program, folder).trace
