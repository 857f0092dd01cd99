"""Targets that are libraries of standard cells: area, energy from toggles, and the gates' words."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.files import write_text
from export.firmware.replay import replay, replay_blocks
from export.verilog.cycles import counted_steps
from export.verilog.design import CONTRACT, KINDS, Design, design_of, shape_of
from export.verilog.memories import memory_shapes
from export.verilog.options import SHAPE
from export.verilog.project import write_project
from export.verilog.simulators import ICARUS
from hw_targets.machines.asic.energy import energy_of, read_activity
from hw_targets.machines.asic.gates import GATES, instances, map_gates
from hw_targets.machines.asic.liberty import read_liberty
from hw_targets.machines.fpga.cost import timing
from hw_targets.machines.target import Limits, Runner, Target
from rsnn.data.raster import random_raster
from sim.network import IntegerNetwork
from sim.trace import Trace

_FIGURES = "figures.json"
_MOST_WORK = 25_000_000  # clocks of a simulation, times gates
_MOST_STEPS = 100
_SETTLED = 50  # steps of the raster before those that are simulated
_TOGGLES = replace(ICARUS, compile=(*ICARUS.compile[:2], "-DTOGGLES", *ICARUS.compile[3:]))


def asic_target(description: str, liberty: Path, limits: Limits) -> Target:
    """The target of a library.

    Args:
        description: one line for people.
        liberty: its file.
        limits: the clock that steps are timed at.
    """
    return Target(
        description=description,
        format="verilog",
        build=partial(_build, liberty),
        backends={"gates": partial(_prepare, liberty)},
        check=_check,
        limits=limits,
        contract=CONTRACT,
        kinds=KINDS,
        writer="verilog",
        options=SHAPE,
        tools={**ICARUS.tools, "yosys": "yosys"},
        editable=("Makefile",),
        figures=_FIGURES,
    )


def _check(target: Target, network: IntegerNetwork, **options: Any) -> dict[str, Any]:
    """Bits of memory, and clocks."""
    design = design_of(network, shape_of(**options))
    return {**_shape(design, options), **timing(target.limits, design)}


def _build(
    liberty: Path,
    target: Target,
    network: IntegerNetwork,
    golden: NDArray[np.uint8],
    folder: Path,
    **options: Any,
) -> list[Path]:
    """The project with its gates, and their area and energy, in `figures.json`."""
    design = design_of(network, shape_of(**options))
    files = write_project(design, golden, folder, goal="icarus")
    with TemporaryDirectory() as place:
        sources = map_gates(design, liberty, Path(place) / "synthesis")
        figures = {
            "target": target.name,
            **_shape(design, options),
            **_measured(design, liberty, sources, Path(place) / "simulation"),
            **timing(target.limits, design),
        }
    made = {"gates.vg": sources[GATES], _FIGURES: json.dumps(figures, indent=2) + "\n"}
    for name, text in made.items():
        files.append(folder / name)
        write_text(files[-1], text)
    return files


def _measured(
    design: Design, liberty: Path, sources: dict[str, str], folder: Path
) -> dict[str, Any]:
    """Cells, area, leakage, and energy of a step over random input of 20 Hz per channel."""
    library, network = read_liberty(liberty), design.network
    cells = [cell for cell in instances(sources[GATES]) if cell[0] in library.cells]
    whole = random_raster(_SETTLED + _MOST_STEPS, network.n_inputs, dt=network.dt)
    each = len(cells) * counted_steps(design, whole).mean()
    n_steps = max(2, min(_MOST_STEPS, int(_MOST_WORK / each)))
    raster = whole[_SETTLED : _SETTLED + n_steps]
    command = _TOGGLES.build(design, folder, sources, "rsnn")
    replay(network, raster, command, folder, (0, n_steps, n_steps))
    with open(folder / "toggles.vcd", encoding="ascii") as dump:
        activity = read_activity(dump)
    energy = energy_of(cells, library, activity)
    used = [library.cells[kind] for kind, _ in cells]
    return {
        "cells": len(cells),
        "flip_flops": sum(any(p.is_clock for p in cell.pins.values()) for cell in used),
        "area_um2": round(sum(cell.area for cell in used), 1),
        "leakage_nw": round(1e9 * sum(cell.leakage for cell in used), 1),
        "energy_nj": round(1e9 * energy.total / n_steps, 2),
        "energy_clock_nj": round(1e9 * energy.clock / n_steps, 2),
        "energy_events_nj": round(1e9 * energy.entering / n_steps, 2),
        "simulated_steps": n_steps,
        "simulated_cycles": round(activity.busy / n_steps, 1),
    }


def _shape(design: Design, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "layout": options["layout"],
        "lanes": design.shape.lanes,
        "update": design.shape.update,
        "memory_bits": sum(depth * width for depth, width in memory_shapes(design)),
    }


def _prepare(liberty: Path, network: IntegerNetwork, folder: Path, **options: Any) -> Runner:
    """Map the decoder to gates and compile them; return the function that runs them."""
    design = design_of(network, shape_of(**options))
    sources = map_gates(design, liberty, folder / "synthesis")
    command = ICARUS.build(design, folder, sources, "rsnn")

    def run(
        blocks: Iterable[NDArray[np.uint8]], n_steps: int
    ) -> Iterator[tuple[NDArray[np.uint8], Trace]]:
        return replay_blocks(network, blocks, n_steps, command, folder)

    return run
