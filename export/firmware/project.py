"""A firmware project around an exported decoder: a self-test with golden vectors, build files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.files import write_text
from export.firmware import inputs
from export.firmware.code import replay_source
from export.firmware.tables import table_rows
from export.firmware.templates import filled
from sim import reference
from sim.network import IntegerNetwork

EDITABLE = ("Makefile", "CMakeLists.txt", "example_main.c")
"""Files for users to edit. They are the same for every target, and for every network of spikes."""


def write_project(
    network: IntegerNetwork,
    golden: NDArray[np.uint8],
    folder: Path,
    *,
    description: str,
    compiler: str,
    flags: str,
) -> list[Path]:
    """Write all files of a project except the decoder, which is called `rsnn`; return them.

    Args:
        network: the network.
        golden: raster (n_steps, n_inputs) that the self-test runs.
        folder: folder of the decoder's sources.
        description: description of the target.
        compiler: command of the compiler.
        flags: compiler flags that choose the processor.
    """
    tools = {"DESCRIPTION": description, "COMPILER": compiler, "FLAGS": flags}
    names = {**tools, "DIGEST": network.digest()}
    texts = {
        "replay.c": replay_source(network, "rsnn"),
        "selftest.h": filled("selftest.h", _vectors(network, golden)),
        "rsnn.mk": filled("rsnn.mk", names),
        "rsnn.cmake": filled("rsnn.cmake", names),
        **{name: filled(name, inputs.parts(network)) for name in EDITABLE},
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _vectors(network: IntegerNetwork, golden: NDArray[np.uint8]) -> dict[str, str]:
    out = reference.run(network, golden).variables["readout.out"]
    rows = inputs.rows(network, golden)
    return {
        "DIGEST": network.digest(),
        "N_STEPS": str(len(golden)),
        "N_BYTES": str(rows.shape[1]),
        **inputs.parts(network),
        "N_ROWS": str(out.shape[1]),
        "INPUT": "\n".join(table_rows(rows)),
        "OUTPUT": "\n".join(table_rows(out)),
    }
