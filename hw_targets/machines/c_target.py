"""Targets of exported C: cost of networks, firmware projects, and the C run on a machine."""

import tempfile
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.firmware.code import layouts
from export.firmware.events.code import replay_source
from export.firmware.events.replay import check_sample, run_sample
from export.firmware.options import FLOAT_ABI, LAYOUT
from export.firmware.project import EDITABLE, write_project
from export.firmware.replay import replay_blocks
from hw_targets.machines.c_cost import (
    ENERGY_TABLE,
    count_cost,
    milliseconds,
    not_checked,
    violations,
)
from hw_targets.machines.c_machine import Machine
from hw_targets.machines.c_project import build_parts, costs
from hw_targets.machines.c_samples import count_samples
from hw_targets.machines.target import Limits, Runner, Target
from rsnn.data.raster import random_raster
from sim.fast.events import has_engine, n_steps_of
from sim.network import IntegerNetwork
from sim.trace import Trace

_COUNTED_STEPS = 250


def c_target(description: str, machine: Machine, limits: Limits | None = None) -> Target:
    """The target that a machine stands for, or is.

    Args:
        description: one line for people.
        machine: compiles and runs the C here.
        limits: of the part that the machine stands for; None where there are none.
    """
    return Target(
        description=description,
        format="c",
        build=partial(_build, machine),
        backends={(machine.launcher or (machine.compiler,))[0]: partial(_prepare, machine)},
        event_backends={"events": partial(_prepare_events, machine)},
        check=None if limits is None else partial(_check, machine),
        limits=limits or Limits(),
        options=(LAYOUT, FLOAT_ABI),
        tools=machine.packages,
        editable=EDITABLE,
    )


def _build(
    machine: Machine,
    target: Target,
    network: IntegerNetwork,
    golden: NDArray[np.uint8],
    folder: Path,
    *,
    layout: str,
    float_abi: str,
) -> list[Path]:
    """Build files, an example with a self-test, and the program that replays input."""
    machine = machine.with_abi(float_abi)
    found = costs(target, network, {"layout": layout, "float_abi": float_abi})
    return write_project(
        network,
        golden,
        folder,
        parts=build_parts(machine, target),
        files=machine.files,
        costs="\n".join(found),
    )


def _prepare(
    machine: Machine, network: IntegerNetwork, folder: Path, *, layout: str, float_abi: str
) -> Runner:
    """Compile the program that replays input; return the function that runs it."""
    machine = machine.with_abi(float_abi)
    command = machine.command(machine.build(network, folder, layout))

    def run(
        blocks: Iterable[NDArray[np.uint8]], n_steps: int
    ) -> Iterator[tuple[NDArray[np.uint8], Trace]]:
        return replay_blocks(network, blocks, n_steps, command, folder)

    return run


def _prepare_events(
    machine: Machine, network: IntegerNetwork, folder: Path, *, layout: str, float_abi: str
) -> Runner:
    """The function that compiles the program that replays events, when first called, and runs it.

    What follows a sample changes nothing, so of a longer input, in blocks, it gives the same.
    """

    @cache
    def command() -> list[str]:
        chosen = machine.with_abi(float_abi)
        return chosen.command(chosen.build(network, folder, layout, main=replay_source))

    def run(
        blocks: Iterable[NDArray[np.uint8]], n_steps: int
    ) -> Iterator[tuple[NDArray[np.uint8], Trace]]:
        check_sample(network, n_steps)
        n_left, rest = n_steps_of(network.readout), iter(blocks)
        sample: list[NDArray[np.uint8]] = []
        while n_left > 0:
            sample.append(next(rest))
            n_left -= len(sample[-1])
        whole = np.vstack(sample)
        found = run_sample(network, whole, command(), folder)
        yield whole, found
        for block in rest:
            yield block, found

    return run


def _check(
    machine: Machine, target: Target, network: IntegerNetwork, *, layout: str, float_abi: str
) -> dict[str, Any]:
    """Bytes and instructions, over random input and in the worst case, against the limits."""
    machine = machine.with_abi(float_abi)
    if has_engine(network):
        cost = count_samples(network, machine, layout)
    else:
        raster = random_raster(
            _COUNTED_STEPS, network.n_inputs, dt=network.dt, values=network.input_values
        )
        cost = count_cost(network, machine, raster, layout)
    found: dict[str, Any] = {
        "layout": layout,
        "flash": cost.sizes.flash,
        "ram": cost.sizes.ram,
    }
    if cost.sizes.stack is not None:
        found["stack"] = cost.sizes.stack
    counted = cost.instructions
    if counted is not None:
        found |= {
            "instructions_min": counted.minimum,
            "instructions_mean": counted.mean,
            "instructions_mean_bitmap": counted.mean_bitmap,
            "instructions_max": counted.maximum,
            "instructions_worst_case": counted.worst_case,
            "worst_case_ms": milliseconds(counted.worst_case, target.limits),
            "energy_nj": counted.nanojoules,
            "energy_table": ENERGY_TABLE,
        }
    samples = cost.samples
    if samples is not None:
        worst = samples.worst_case
        found |= {
            "instructions_clocked": samples.clocked,
            "instructions_events": samples.events,
            "instructions_decision": samples.decision,
            "instructions_worst_sample": worst,
            "worst_sample_ms": None if worst is None else milliseconds(worst, target.limits),
        }
    compact = None
    too_large = target.limits.flash is not None and cost.sizes.flash > target.limits.flash
    if layout == "fast" and too_large and "compact" in layouts(network):
        with tempfile.TemporaryDirectory() as folder:
            compact = machine.measure(network, Path(folder), "compact")
    return found | {
        "violations": violations(network, target, cost, compact),
        "not_checked": not_checked(target, cost),
    }
