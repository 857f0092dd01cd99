"""This machine: the same C, compiled by its own compiler."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.firmware.decoder import compile_replay
from export.firmware.replay import replay
from hw_targets.machines.target import Limits, Run, Target
from sim.network import IntegerNetwork


def _command(program: Path) -> list[str]:
    return [str(program)]


def _run(network: IntegerNetwork, raster: NDArray[np.uint8], program: Path, folder: Path) -> Run:
    return Run(replay(network, raster, _command(program), folder)[0], None)


TARGET = Target(
    name="host_c",
    description="this machine, by its C compiler",
    limits=Limits(),
    contract="any",
    format="c",
    tools={"cc": "gcc"},
    energy="none",
    build=compile_replay,
    command=_command,
    run=_run,
)
