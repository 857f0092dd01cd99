"""What a network costs on a target, mean and worst case, and which limits it breaks."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hw_targets.firmware.target import Cost, Target, run
from sim.contract import signed_range
from sim.network import CubaLIF, IntegerNetwork

_WORST_STEPS = 20


def cost(target: Target, network: IntegerNetwork, raster: NDArray[np.uint8]) -> Cost:
    """Build and run a network for a target, on a raster and with everything firing.

    Args:
        target: where.
        network: the network.
        raster: (n_steps, n_inputs), typical input; every step of it is given as events.

    Raises:
        ToolError: a tool is missing.
        MismatchError: the raster has another number of channels.
    """
    # only the first half of a replay is given as events, as a decoder in firmware is
    typical = run(target, network, np.concatenate([raster, raster[:1].repeat(len(raster), 0)]))
    if typical.instructions is None:
        return Cost(typical.flash, typical.ram, {}, _too_large(target, typical.flash, typical.ram))
    every = np.ones((2 * _WORST_STEPS, network.n_inputs), np.uint8)
    worst = run(target, network, every, constants=always_firing(network)).instructions
    assert worst is not None
    found = {
        "min": float(typical.instructions[: len(raster)].min()),
        "mean": float(typical.instructions[: len(raster)].mean()),
        "max": float(typical.instructions[: len(raster)].max()),
        "worst_case": float(worst[:_WORST_STEPS].max()),
    }
    broken = _too_large(target, typical.flash, typical.ram)
    needed = found["worst_case"] * target.cycles_per_instruction / network.dt
    if needed > target.clock:
        broken += (
            f"the worst step takes {found['worst_case']:.0f} instructions, which"
            f" {target.clock / 1e6:.0f} MHz do not do in {network.dt * 1e3:g} ms at"
            f" {target.cycles_per_instruction:g} cycles each; {needed / 1e6:.0f} MHz would",
        )
    return Cost(typical.flash, typical.ram, found, broken)


def always_firing(network: IntegerNetwork) -> IntegerNetwork:
    """The same network with thresholds that every membrane is above."""
    low = signed_range(network.contract.mem_bits)[0]
    layers = tuple(
        replace(layer, threshold=np.full_like(layer.threshold, low))
        if isinstance(layer, CubaLIF)
        else layer
        for layer in network.layers
    )
    return replace(network, layers=layers)


def _too_large(target: Target, flash: int, ram: int) -> tuple[str, ...]:
    return tuple(
        f"{name} needs {needed} bytes; {target.part} has {there}: a part with {needed // 1024 + 1}"
        " kB would do"
        for name, needed, there in (("flash", flash, target.flash), ("RAM", ram, target.ram))
        if needed > there
    )
