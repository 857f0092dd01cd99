"""C that was exported, read back: compared with a fresh export, then compiled as it is and run."""

import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from base.errors import FileError, MismatchError
from base.files import read_bytes
from export.firmware.code import header, layouts, source
from export.firmware.decoder import check_name, compile_with_replay
from export.firmware.events.code import replay_source
from export.firmware.events.replay import check_sample, run_sample
from export.firmware.replay import replay
from export.fresh import first_line
from sim.fast.events import has_engine
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace

if TYPE_CHECKING:
    from sim.verify import Backend

_LARGEST = 1 << 30  # bytes


def open_written(sources: list[Path], network: IntegerNetwork) -> dict[str, "Backend"]:
    """Ways to run exported C, which is compiled only if it is what `export_c` writes.

    Args:
        sources: the C file of the decoder; its header lies beside it.
        network: the network it was exported of.

    Raises:
        FileError: there is no C file, or several; one cannot be read.
        RangeError: its name is none that `export_c` gives.
        MismatchError: a line is another than in a fresh export, in whichever layout.
    """
    if len(sources) != 1:
        names = ", ".join(path.name for path in sources)
        raise FileError(f"one C file of a network is needed; found: {names or 'none'}")
    (path,) = sources
    check_name(path.stem)
    files = [path, path.with_suffix(".h")]
    found = [read_bytes(file, _LARGEST) for file in files]
    ways = layouts(network)
    right = [(source(network, path.stem, way), header(network, path.stem, way)) for way in ways]
    firsts = [tuple(map(first_line, found, texts)) for texts in right]
    for file, line in zip(files, max(firsts), strict=True):  # in the layout that is nearest
        if line < math.inf:
            raise MismatchError(
                f"{file}: line {line} is not what exporting the network gives; export it again"
            )

    def run(_: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
        check_channels(network, raster.shape)
        with tempfile.TemporaryDirectory() as folder:
            program = compile_with_replay(network, path, Path(folder))
            return replay(network, raster, [str(program)], Path(folder))[0]

    def run_events(_: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
        check_channels(network, raster.shape)
        check_sample(network, len(raster))
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            program = compile_with_replay(network, path, folder, main=replay_source)
            return run_sample(network, raster, [str(program)], folder)

    if has_engine(network):
        return {"c": run, "c-events": run_events}
    return {"c": run}
