"""A firmware project for a target: the exported C, build files, and a self-test."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.firmware.decoder import export_c
from export.firmware.project import write_project
from hw_targets.machines.target import Target
from sim.network import IntegerNetwork


def build(
    network: IntegerNetwork,
    golden: NDArray[np.uint8],
    target: Target,
    folder: Path,
    layout: str = "fast",
) -> list[Path]:
    """Write the project and return its files; `replay.c` is the program that `verify` runs.

    Args:
        network: the network.
        golden: raster (n_steps, n_inputs) that the self-test runs.
        target: where the project runs.
        folder: is made where it is missing.
        layout: of the weights in flash.

    Raises:
        RangeError: no such layout.
        FileError: a file cannot be written.
    """
    written = export_c(network, folder, "rsnn", layout)
    return written + write_project(
        network,
        golden,
        folder,
        description=target.description,
        compiler=next(iter(target.tools)),
        flags=" ".join(target.flags),
    )
