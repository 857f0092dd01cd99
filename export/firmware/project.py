"""A firmware project around an exported decoder: a self-test with golden vectors, build files."""

import re
from collections.abc import Mapping
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
    parts: Mapping[str, str],
    files: Mapping[str, str],
    costs: str,
) -> list[Path]:
    """Write all files of a project except the decoder, which is called `rsnn`; return them.

    Args:
        network: the network.
        golden: raster (n_steps, n_inputs) that the self-test runs.
        folder: folder of the decoder's sources, which are there.
        parts: what the build files' templates name of the target.
        files: text of each file of the machine that runs the self-test here, by name.
        costs: lines of Markdown.
    """
    names = {
        **parts,
        "DIGEST": network.digest(),
        "N_STEPS": str(len(golden)),
        "DT": repr(network.dt),
        "COSTS": costs,
        "FUNCTIONS": "\n".join(_functions((folder / "rsnn.h").read_text(encoding="utf-8"))),
    }
    texts = {
        **files,
        "replay.c": replay_source(network, "rsnn"),
        "selftest.h": filled("selftest.h", _vectors(network, golden)),
        "rsnn.mk": filled("rsnn.mk", names),
        "rsnn.cmake": filled("rsnn.cmake", names),
        "README.md": filled("README.md", names),
        **{name: filled(name, inputs.parts(network)) for name in EDITABLE},
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _functions(header: str) -> list[str]:
    """The declarations of a header's functions."""
    return re.findall(r"^\w[^\n;{]*\([^;{]*\);", header, re.MULTILINE)


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
