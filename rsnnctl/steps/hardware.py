"""Networks on targets: what they cost, whether they fit, whether they compute the same bits."""

import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.c import export_c
from export.firmware.source import replay_source
from hw_targets import find_target, targets
from hw_targets.machines.cost import count_cost, violations
from hw_targets.machines.target import Target
from rsnn.data.raster import random_raster
from rsnn.data.stream import load_stream
from rsnnctl.errors import RangeError
from rsnnctl.files import write_text
from sim import reference
from sim.artifact import load_network, load_vectors
from sim.network import IntegerNetwork
from sim.trace import Trace
from sim.verify import Report, verify

_COUNTED_STEPS = 250


def list_targets() -> list[dict[str, Any]]:
    """A row for each target: limits, and which of its tools are missing here."""
    rows = []
    for name, target in targets().items():
        missing = [tool for tool in target.tools if which(tool) is None]
        clock = target.limits.clock_hz
        rows.append(
            {
                "target": name,
                "description": target.description,
                "format": target.format,
                "flash": target.limits.flash,
                "ram": target.limits.ram,
                "clock_mhz": None if clock is None else clock / 1e6,
                "missing": ", ".join(missing) or None,
            }
        )
    return rows


def check_file(path: Path, name: str) -> dict[str, Any]:
    """What a network costs on a target and every limit that it breaks, in `violations`."""
    target = find_target(name)
    network = load_network(path)
    if target.measure is None:
        return {"target": name, "violations": []}
    raster = random_raster(_COUNTED_STEPS, network.n_inputs, dt=network.dt)
    cost = count_cost(network, target, raster)
    return {
        "target": name,
        "flash": cost.sizes.flash,
        "ram": cost.sizes.ram,
        "instructions_min": cost.minimum,
        "instructions_mean": cost.mean,
        "instructions_max": cost.maximum,
        "instructions_worst_case": cost.worst_case,
        "energy_nj": cost.nanojoules,
        "energy_table": target.energy,
        "violations": violations(network, target, cost),
    }


def build_file(path: Path, name: str, folder: Path) -> list[Path]:
    """Write a firmware project for a target: sources, a self-test and its vectors, a Makefile.

    Returns the files. The self-test is the program that `verify` runs: it replays `replay.in`.
    """
    target = find_target(name)
    network = load_network(path)
    raster, _ = load_vectors(path)
    written = export_c(network, folder, "rsnn")
    for file, text in (
        ("replay.c", replay_source(network, "rsnn")),
        ("example_main.c", _example()),
        ("Makefile", _makefile(target)),
    ):
        write_text(folder / file, text)
        written.append(folder / file)
    written.append(folder / "selftest.h")
    write_text(written[-1], _vectors(network, raster))
    return written


def verify_target(path: Path, name: str, source: Path | None, steps: int) -> Report:
    """Compare every state word on a target with the reference, over the golden run and a stream.

    Raises:
        RangeError: no such target, or `steps` is below 1.
        ToolError: a program is missing.
    """
    if steps < 1:
        raise RangeError(f"--steps is {steps}; at least 1 is needed")
    target = find_target(name)
    network = load_network(path)
    golden, _ = load_vectors(path)
    if source is None:
        stream = random_raster(steps, network.n_inputs, dt=network.dt)
    else:
        stream = load_stream(source).raster[:steps]
    with tempfile.TemporaryDirectory() as folder:
        program = target.build(network, Path(folder))
        return verify(network, [golden, stream], {name: _backend(target, program, Path(folder))})


def _backend(
    target: Target, program: Path, folder: Path
) -> Callable[[IntegerNetwork, NDArray[np.uint8]], Trace]:
    return lambda network, raster: target.run(network, raster, program, folder).trace


def _vectors(network: IntegerNetwork, raster: NDArray[np.uint8]) -> str:
    """The golden run as C: bitmaps of its steps, and the readout's words after the last."""
    out = reference.run(network, raster).variables["readout.out"]
    bitmaps = np.packbits(raster, axis=1, bitorder="little")
    rows = [f"    {{{', '.join(map(str, row))}}}," for row in bitmaps.tolist()]
    last = ", ".join(f"INT32_C({value})" for value in out[-1].tolist())
    return "\n".join(
        [
            f"/* Golden vectors of integer network {network.digest()} */",
            "#include <stdint.h>",
            "",
            f"#define SELFTEST_STEPS {len(raster)}u",
            f"static const uint8_t selftest_input[{len(raster)}][{bitmaps.shape[1]}] = {{",
            *rows,
            "};",
            f"static const int32_t selftest_last[] = {{{last}}};",
            "",
        ]
    )


def _example() -> str:
    return (files("export") / "templates" / "example_main.c").read_text(encoding="utf-8")


def _makefile(target: Target) -> str:
    compiler = next(iter(target.tools))
    return (
        f"# Decoder and self-test for {target.description}; add your board's flags.\n"
        f"CC = {compiler}\nTARGET_FLAGS = {' '.join(target.flags)}\n"
        "CFLAGS = $(TARGET_FLAGS) -std=c99 -O2 -Wall -Wextra -Werror -Wconversion\n\n"
        "example: example_main.o rsnn.o\n\t$(CC) $(CFLAGS) $^ -o $@\n\n"
        "%.o: %.c rsnn.h\n\t$(CC) $(CFLAGS) -c $< -o $@\n"
    )
