"""The decoder in Verilog: written, or simulated and every state word returned.

The sources are templates in `templates/verilog/`; the top has the network's parameters, and files
of hexadecimal numbers its weights and constants.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError
from base.files import write_text
from export.firmware.replay import replay
from export.verilog.cycles import worst_step
from export.verilog.design import SHAPES, Design, Shape, design_of
from export.verilog.simulators import ICARUS, VERILATOR, Simulator
from export.verilog.source import texts
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace

if TYPE_CHECKING:
    from sim.verify import Backend

_MANY = 1_000_000  # clocks, in the worst case, beyond which Verilator's compiling takes less time


def export_verilog(network: IntegerNetwork, folder: Path, name: str, shape: Shape) -> list[Path]:
    """Write a decoder, atomically file by file; the same network gives the same bytes.

    Args:
        network: the network.
        folder: created if missing.
        name: name of the top module and beginning of its files.
        shape: what it computes at the same time.

    Raises:
        RangeError: `name` is none that a module can have.
        UnsupportedError: the decoder does not compute the network.
        FileError: a file cannot be written.
    """
    check_name(name)
    paths = []
    for file, text in texts(design_of(network, shape), name).items():
        paths.append(Path(folder) / file)
        write_text(paths[-1], text)
    return paths


def check_name(name: str) -> None:
    """Refuse a name that no module can have, or that the decoder's own modules have.

    Raises:
        RangeError: it is refused.
    """
    if not (name.isidentifier() and name.isascii()) or name.startswith("rsnn_"):
        raise RangeError(
            f"name is {name!r}; letters, digits and _ make a name, which may not begin with rsnn_"
        )


def run_backend(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Export, simulate, and return every state word.

    Raises:
        ToolError: there is no simulator.
        UnsupportedError: the decoder does not compute the network.
        MismatchError: the raster has a different number of channels.
    """
    with tempfile.TemporaryDirectory() as folder:
        return prepared(network, Path(folder))(network, raster)


def prepared(network: IntegerNetwork, folder: Path) -> "Backend":
    """`run_backend` for many runs of a network, compiled at the first that needs a simulator.

    Args:
        network: the network that it runs.
        folder: for what is compiled, made if missing; it must exist as long as the backend is used.
    """
    commands: dict[str, list[str]] = {}

    def run(_: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
        check_channels(network, raster.shape)
        design = design_of(network, SHAPES["fast"])
        simulator = simulator_for(design, len(raster))
        place = folder / simulator.compile[0]
        if place.name not in commands:
            place.mkdir(parents=True)
            commands[place.name] = simulator.build(design, place, texts(design, "rsnn"), "rsnn")
        return replay(network, raster, commands[place.name], place)[0]

    return run


def run_texts(
    design: Design,
    sources: Mapping[str, str],
    name: str,
    raster: NDArray[np.uint8],
    simulator: Simulator,
) -> Trace:
    """Simulate sources as they are, with a test bench for them, and return every state word.

    Args:
        design: the decoder that they are meant to be.
        sources: the files by name.
        name: the top module.
        raster: (n_steps, n_inputs).
        simulator: what compiles and runs them.

    Raises:
        ToolError: the simulator is missing, refuses the sources, or ends early.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = simulator.build(design, Path(folder), sources, name)
        return replay(design.network, raster, command, Path(folder))[0]


def simulator_for(design: Design, n_steps: int) -> Simulator:
    """The faster simulator for a run of this length, or the one that is installed."""
    first, second = ICARUS, VERILATOR
    if n_steps * worst_step(design) > _MANY:
        first, second = second, first
    return second if first.missing() and not second.missing() else first
