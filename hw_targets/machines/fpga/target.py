"""Targets that are FPGAs: limits before synthesis, bitstreams, and their netlists simulated."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError
from base.files import write_text
from export.firmware.replay import replay_blocks
from export.verilog.design import CONTRACT, KINDS, Design, design_of, shape_of
from export.verilog.options import LINK, SHAPE
from export.verilog.project import write_project
from hw_targets.machines.fpga.cost import resources, timing, violations
from hw_targets.machines.fpga.netlist import build_netlist
from hw_targets.machines.fpga.part import Part
from hw_targets.machines.fpga.synthesis import make_bitstream, reported, rules
from hw_targets.machines.target import Limits, Runner, Target
from sim.network import IntegerNetwork
from sim.trace import Trace

_LINK = replace(LINK, default="bytes", choices=("bytes", "uart"))
_OPTIONS = tuple(_LINK if option is LINK else option for option in SHAPE)
_FIGURES = "figures.json"


def fpga_target(description: str, part: Part, limits: Limits) -> Target:
    """The target of a part.

    Args:
        description: one line for people.
        part: its tools and cells.
        limits: what it has, and the clock that steps are timed at.
    """
    return Target(
        description=description,
        format="verilog",
        build=partial(_build, part),
        backends={"netlist": partial(_prepare, part)},
        check=partial(_check, part),
        limits=limits,
        contract=CONTRACT,
        kinds=KINDS,
        writer="verilog",
        options=_OPTIONS,
        tools=part.tools,
        editable=("Makefile",),
        figures=_FIGURES,
    )


def _check(part: Part, target: Target, network: IntegerNetwork, **options: Any) -> dict[str, Any]:
    """Block RAMs, multipliers and clocks, and every limit that they exceed."""
    design = design_of(network, shape_of(**options))
    return {
        **_shape(design, options),
        **resources(part, target.limits, design),
        **timing(target.limits, design),
        "violations": violations(part, target.limits, network, options),
    }


def _build(
    part: Part,
    target: Target,
    network: IntegerNetwork,
    golden: NDArray[np.uint8],
    folder: Path,
    **options: Any,
) -> list[Path]:
    """The project with its bitstream, and what it takes of the part, in `figures.json`."""
    if exceeded := violations(part, target.limits, network, options):
        raise RangeError("; ".join(exceeded))
    design = design_of(network, shape_of(**options))
    files = write_project(design, golden, folder, goal="bitstream")
    for name, text in rules(part, design).items():
        files.append(folder / name)
        write_text(files[-1], text)
    files += make_bitstream(part, design, folder)
    figures = {
        "target": target.name,
        **_shape(design, options),
        **reported(part, design, folder),
        **timing(target.limits, design),
    }
    files.append(folder / _FIGURES)
    write_text(files[-1], json.dumps(figures, indent=2) + "\n")
    return files


def _shape(design: Design, options: dict[str, Any]) -> dict[str, Any]:
    shape = design.shape
    return {"layout": options["layout"], "lanes": shape.lanes, "update": shape.update}


def _prepare(part: Part, network: IntegerNetwork, folder: Path, **options: Any) -> Runner:
    """Synthesize and compile the decoder; return the function that runs its netlist."""
    design = design_of(network, shape_of(**options))
    command = build_netlist(part, design, folder)

    def run(
        blocks: Iterable[NDArray[np.uint8]], n_steps: int
    ) -> Iterator[tuple[NDArray[np.uint8], Trace]]:
        return replay_blocks(network, blocks, n_steps, command, folder)

    return run
