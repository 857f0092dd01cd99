"""What a network costs on a target, counted by running it, and which limits that breaks."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw_targets.machines.target import Sizes, Target
from rsnnctl.errors import RangeError
from sim import reference
from sim.network import CubaLIF, IntegerNetwork

_BURST_STEPS = 12
_PJ_PER_INSTRUCTION = 10.1  # a 32-bit fetch from 32 kB of SRAM and an addition


@dataclass(frozen=True)
class Cost:
    """Instructions a step over some steps, in the worst step found, and bytes of the decoder."""

    minimum: int
    mean: float
    maximum: int
    worst_case: int
    sizes: Sizes

    @property
    def nanojoules(self) -> float:
        """Energy of a mean step: instructions times Horowitz's fetch and addition (45 nm)."""
        return self.mean * _PJ_PER_INSTRUCTION * 1e-3


def count_cost(network: IntegerNetwork, target: Target, raster: NDArray[np.uint8]) -> Cost:
    """Build and run a network on a target that counts, over a raster and in a burst.

    Only the first half of a replay is given as events; the raster is thus run twice and counted
    once, so that the figures are those of `_step`.

    Raises:
        RangeError: the target counts nothing.
        ToolError: a program is missing.
    """
    if target.measure is None:
        raise RangeError(f"target {target.name} counts no instructions; name a microcontroller")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = target.build(network, folder)
        counted = target.run(network, np.vstack([raster, raster]), program, folder).instructions
        assert counted is not None
        counted = counted[: len(raster)]
        worst = worst_case(network, target, folder / "burst")
        sizes = target.measure(network, folder)
    least, most = int(counted.min()), int(counted.max())
    return Cost(least, float(counted.mean()), most, max(most, worst), sizes)


def worst_case(network: IntegerNetwork, target: Target, folder: Path) -> int:
    """Most instructions of a step in which every input and every neuron fires.

    Weights and widths stay; thresholds go to the least value, so that all neurons fire as often as
    the contract lets them. Raises AssertionError if not all of them fired together.
    """
    lowest = -(1 << (network.contract.mem_bits - 1))
    hidden = [replace(x, threshold=np.full_like(x.threshold, lowest)) for x in network.hidden]
    firing = replace(network, layers=(*hidden, network.readout))
    burst = np.ones((_BURST_STEPS, network.n_inputs), np.uint8)
    trace = reference.run(firing, burst)
    spikes = [
        trace.variables[f"{name}.spk"]
        for name, layer in zip(network.layer_names, network.layers, strict=True)
        if isinstance(layer, CubaLIF)
    ]
    together = np.hstack(spikes).mean(1)
    assert together.max() > 0.9, "not all neurons fire in the burst"
    folder.mkdir()
    run = target.run(firing, burst, target.build(firing, folder), folder)
    assert run.instructions is not None
    return int(run.instructions.max())


def violations(network: IntegerNetwork, target: Target, cost: Cost) -> list[str]:
    """Every limit of a target that a network breaks, each with the smallest change that fits."""
    limits, found = target.limits, []
    if limits.flash is not None and cost.sizes.flash > limits.flash:
        kept = 100 * limits.flash // cost.sizes.flash
        found.append(
            f"flash: {cost.sizes.flash} B; {target.name} has {limits.flash} B. Keep {kept} % of"
            " the neurons, or name a part with more"
        )
    if limits.ram is not None and cost.sizes.ram > limits.ram:
        kept = 100 * limits.ram // cost.sizes.ram
        found.append(
            f"RAM: {cost.sizes.ram} B of state; {target.name} has {limits.ram} B. Keep {kept} % of"
            " the neurons, or name a part with more"
        )
    if limits.clock_hz is not None:
        time = cost.worst_case * limits.cycles_per_instruction / limits.clock_hz
        if time > network.dt:
            needed = cost.worst_case * limits.cycles_per_instruction / network.dt / 1e6
            found.append(
                f"time: {cost.worst_case} instructions in the worst step take {time * 1e3:.3g} ms"
                f" at {limits.clock_hz / 1e6:g} MHz; a step lasts {network.dt * 1e3:g} ms."
                f" Clock it at {needed:.0f} MHz, or use fewer neurons or a longer step"
            )
    return found
