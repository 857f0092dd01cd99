"""Targets of exported Verilog that simulate it: its cost in clocks and memory, and its words."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.firmware.replay import replay_blocks
from export.verilog.cycles import counted_steps, worst_step
from export.verilog.design import CONTRACT, KINDS, design_of, shape_of
from export.verilog.memories import memory_shapes
from export.verilog.options import SHAPE
from export.verilog.project import write_project
from export.verilog.simulators import Simulator
from export.verilog.source import texts
from hw_targets.machines.target import Runner, Target
from rsnn.data.raster import random_raster
from sim.network import IntegerNetwork
from sim.trace import Trace

_COUNTED_STEPS = 250


def verilog_target(description: str, name: str, simulator: Simulator) -> Target:
    """The target of a simulator.

    Args:
        description: one line for people.
        name: goal of the project's Makefile that runs it.
        simulator: what compiles and runs the Verilog.
    """
    return Target(
        description=description,
        format="verilog",
        build=partial(_build, name),
        backends={simulator.compile[0]: partial(_prepare, simulator)},
        check=_check,
        contract=CONTRACT,
        kinds=KINDS,
        writer="verilog",
        options=SHAPE,
        tools=simulator.tools,
        editable=("Makefile",),
    )


def _build(
    name: str,
    target: Target,
    network: IntegerNetwork,
    golden: NDArray[np.uint8],
    folder: Path,
    **options: Any,
) -> list[Path]:
    """A test bench with the golden run, and a Makefile that runs it."""
    return write_project(design_of(network, shape_of(**options)), golden, folder, goal=name)


def _prepare(simulator: Simulator, network: IntegerNetwork, folder: Path, **options: Any) -> Runner:
    """Compile the decoder and its test bench; return the function that runs them."""
    design = design_of(network, shape_of(**options))
    command = simulator.build(design, folder, texts(design, "rsnn"), "rsnn")

    def run(
        blocks: Iterable[NDArray[np.uint8]], n_steps: int
    ) -> Iterator[tuple[NDArray[np.uint8], Trace]]:
        return replay_blocks(network, blocks, n_steps, command, folder)

    return run


def _check(target: Target, network: IntegerNetwork, **options: Any) -> dict[str, Any]:
    """Bits of memory, and clocks per step over random input and in the worst case."""
    design = design_of(network, shape_of(**options))
    raster = random_raster(_COUNTED_STEPS, network.n_inputs, dt=network.dt)
    return {
        "layout": options["layout"],
        "lanes": design.shape.lanes,
        "update": design.shape.update,
        "memory_bits": sum(depth * width for depth, width in memory_shapes(design)),
        "cycles_mean": float(counted_steps(design, raster).mean()),
        "cycles_worst": worst_step(design),
    }
