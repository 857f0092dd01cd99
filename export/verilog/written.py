"""Verilog that was exported, read back: compared with a fresh export, then simulated as it is."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from base.errors import FileError, MismatchError
from base.files import read_bytes
from export.fresh import first_line
from export.verilog.decoder import check_name, run_texts, simulator_for
from export.verilog.design import SHAPES, design_of
from export.verilog.source import texts
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace

if TYPE_CHECKING:
    from sim.verify import Backend

_LARGEST = 1 << 30  # bytes


def open_written(tops: list[Path], network: IntegerNetwork) -> dict[str, "Backend"]:
    """Ways to run exported Verilog, which is simulated only if it is what `export_verilog` writes.

    Args:
        tops: the file of the top module; all others lie beside it.
        network: the network it was exported of.

    Raises:
        FileError: there is no such file, or several; one cannot be read.
        RangeError: its name is none that `export_verilog` gives.
        MismatchError: a line is another than in a fresh export, in whichever layout.
    """
    if len(tops) != 1:
        names = ", ".join(path.name for path in tops)
        raise FileError(f"one top module of a network is needed; found: {names or 'none'}")
    (top,) = tops
    check_name(top.stem)
    designs = [design_of(network, shape) for shape in SHAPES.values()]
    right = [texts(design, top.stem) for design in designs]
    found = {name: read_bytes(top.with_name(name), _LARGEST) for name in right[0]}
    firsts = [[first_line(found[name], text) for name, text in each.items()] for each in right]
    nearest = max(range(len(right)), key=lambda i: firsts[i])
    for name, line in zip(found, firsts[nearest], strict=True):
        if line < math.inf:
            raise MismatchError(
                f"{top.with_name(name)}: line {line} is not what exporting the network gives;"
                " export it again"
            )
    design = designs[nearest]
    sources = {name: text.decode() for name, text in found.items()}

    def run(_: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
        check_channels(network, raster.shape)
        simulator = simulator_for(design, len(raster))
        return run_texts(design, sources, top.stem, raster, simulator)

    return {"verilog": run}
