"""Verilog that was exported, read back: compared with a fresh export, then simulated as it is."""

import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from base.errors import FileError, MismatchError, RangeError
from base.files import read_bytes
from base.option import chosen
from export.fresh import first_line
from export.verilog.decoder import check_name, run_texts, simulator_for
from export.verilog.design import SHAPES, Shape, design_of, shape_of
from export.verilog.options import DECODER
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
        MismatchError: a line is another than in a fresh export with the options that the top
            names.
    """
    if len(tops) != 1:
        names = ", ".join(path.name for path in tops)
        raise FileError(f"one top module of a network is needed; found: {names or 'none'}")
    (top,) = tops
    check_name(top.stem)
    design = design_of(network, _shape_in(read_bytes(top, _LARGEST).decode(errors="replace")))
    right = texts(design, top.stem)
    found = {name: read_bytes(top.with_name(name), _LARGEST) for name in right}
    for name, text in right.items():
        line = first_line(found[name], text)
        if line < math.inf:
            raise MismatchError(
                f"{top.with_name(name)}: line {line} is not what exporting the network gives;"
                " export it again"
            )
    sources = {name: text.decode() for name, text in found.items()}

    def run(_: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
        check_channels(network, raster.shape)
        simulator = simulator_for(design, len(raster))
        return run_texts(design, sources, top.stem, raster, simulator)

    return {"verilog": run}


def _shape_in(top: str) -> Shape:
    """The shape that a top's comment names; if it names none, that of the default layout."""
    line = re.search("^// Options: (.*)$", top, re.MULTILINE)
    words = line[1].split() if line else []
    flags = {option.flag or f"--{option.name.replace('_', '-')}": option for option in DECODER}
    values: dict[str, Any] = {}
    try:
        while words:
            option = flags[words.pop(0)]
            values[option.name] = True if option.default is False else words.pop(0)
        return shape_of(**chosen(DECODER, values))
    except (KeyError, IndexError, RangeError):
        return SHAPES["fast"]
