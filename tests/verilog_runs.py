"""Decoders in Verilog for the tests: simulated in a shape, with faults planted in their sources."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from export.firmware.replay import replay
from export.verilog.design import Shape, design_of
from export.verilog.simulators import ICARUS, Simulator
from export.verilog.source import texts
from sim import reference
from sim.network import IntegerNetwork
from sim.trace import Difference, first_difference

SMALL, LARGE = Shape(1, "serial"), Shape(8, "pipelined")
SHAPES = (
    SMALL,
    LARGE,
    Shape(2, "serial", unique_inputs=True, packed=True),
    Shape(4, "single"),
    Shape(16, "pipelined", unique_inputs=True),
    Shape(8, "single", unique_inputs=True, storage="spram"),
    Shape(1, "serial", packed=True, storage="bitmap"),
)


def difference(
    network: IntegerNetwork,
    raster: np.ndarray,
    shape: Shape,
    folder: Path,
    *,
    simulator: Simulator = ICARUS,
    changes: Mapping[str, str] | None = None,
    narrower: str = "",
) -> tuple[Difference | None, np.ndarray]:
    """The first word of a simulation that is not the reference's, and the clocks of each step.

    Args:
        network, raster, shape: what is simulated.
        folder: for its files, made if missing.
        simulator: by which.
        changes: files of the decoder in place of its own.
        narrower: a width among the decoder's parameters that is one bit less.
    """
    folder.mkdir(exist_ok=True)
    design = design_of(network, shape)
    if narrower:
        design.parameters[narrower] = design.number(narrower) - 1
    sources = {**texts(design, "rsnn"), **(changes or {})}
    trace, clocks = replay(
        network, raster, simulator.build(design, folder, sources, "rsnn"), folder
    )
    return first_difference(reference.run(network, raster), trace), clocks.astype(np.int64)
