"""A sample through exported C event by event, compiled with a program that replays it."""

import subprocess
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError
from base.files import write_text
from export.firmware.decoder import FLAGS, export_c, run_compiler
from export.firmware.events.code import check
from export.firmware.templates import filled
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Outcome


def run_backend(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Outcome:
    """Times and potentials after a sample; arguments and errors as in `replayed`."""
    return replayed(network, raster)[0]


def replayed(network: IntegerNetwork, raster: NDArray[np.uint8]) -> tuple[Outcome, int]:
    """Times and potentials after a sample, and its class, by the exported C on this machine.

    Raises:
        UnsupportedError: see `check`.
        ToolError: there is no C compiler, or the program fails.
        MismatchError: the raster has another number of channels.
    """
    check_channels(network, raster.shape)
    check(network)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, code = export_c(network, folder)
        main = folder / "replay.c"
        write_text(main, filled("replay_first_spikes.c", {"NAME": "rsnn"}))
        run_compiler(["cc", *FLAGS, str(code), str(main), "-o", str(folder / "replay")])
        given = np.array(len(raster), "<u4").tobytes() + raster.tobytes()
        done = subprocess.run(
            [str(folder / "replay")], input=given, capture_output=True, check=False
        )
    n = network.readout.n_neurons
    if done.returncode or len(done.stdout) != 4 * (2 * n + 1):
        raise ToolError(f"the program of the exported C ended with status {done.returncode}")
    words = np.frombuffer(done.stdout, "<i4")
    found = Outcome({"readout.v": words[None, :n], "readout.t": words[None, n : 2 * n]})
    return found, int(words[-1])
