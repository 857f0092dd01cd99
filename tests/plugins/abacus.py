"""An abacus: it takes raw arrays, has room for 4 kB, and only saturates."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.option import Option
from hw_targets.machines.target import Limits, Runner, Target
from sim.fast.simulator import Simulator
from sim.network import IntegerNetwork
from sim.trace import Trace

BYTE_ORDER = Option("byte_order", "big", help="Which end the beads start at.")
BEADS = Option("beads", 10, help="Beads per rod.")


def _check(
    target: Target, network: IntegerNetwork, *, byte_order: str, beads: int
) -> dict[str, Any]:
    size = sum(array.nbytes for _, array in network.arrays())
    most = target.limits.flash
    over = [f"flash: {size} B; {target.name} has {most} B"] if most and size > most else []
    return {"flash": size, "rods": size // beads, "violations": over}


def _build(
    target: Target,
    network: IntegerNetwork,
    golden: NDArray[np.uint8],
    folder: Path,
    *,
    byte_order: str,
    beads: int,
) -> list[Path]:
    path = folder / "golden.npy"
    np.save(path, golden)
    return [path]


def _prepare(network: IntegerNetwork, folder: Path, *, byte_order: str, beads: int) -> Runner:
    (folder / "beads").write_text("o" * beads)

    def run(
        blocks: Iterable[NDArray[np.uint8]], n_steps: int
    ) -> Iterator[tuple[NDArray[np.uint8], Trace]]:
        simulator = Simulator(network)
        for block in blocks:
            trace = simulator.step_block(block, record=True).trace
            assert trace is not None
            yield block, trace

    return run


TARGET = Target(
    description="an abacus",
    format="raw",
    build=_build,
    backends={"by hand": _prepare},
    check=_check,
    limits=Limits(flash=4096),
    contract={"overflow_mem": ("saturate",), "weight_bits": range(2, 9)},
    options=(BYTE_ORDER, BEADS),
)
