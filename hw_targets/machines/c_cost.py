"""The cost of a network on a target, counted by running it, and the limits it exceeds."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError, UnsupportedError
from export.firmware.arithmetic import arithmetic_of
from export.firmware.replay import thirds
from export.firmware.storage import CONSTANT
from hw_targets.machines.c_machine import Machine, Sizes
from hw_targets.machines.target import Limits, Target
from sim.fast.events import n_steps_of
from sim.network import IntegerNetwork

ENERGY_TABLE = "Horowitz, ISSCC 2014 (45 nm)"
NOT_ALIKE = (
    "membranes reach an end of their words, where neurons do not all fire in one step or all stay"
    " silent whatever their thresholds, so the worst step cannot be counted. Quantize with wider"
    " words, or verify it on the target all the same"
)
_BURST_STEPS = 12
_PJ_PER_INSTRUCTION = 10.1  # a 32-bit fetch from 32 kB of SRAM and an addition


@dataclass(frozen=True)
class Instructions:
    """Instructions per step over some input, and a bound that no step exceeds.

    All but `mean_bitmap` and the bound are for steps given as events, each channel once.
    """

    minimum: int
    mean: float
    mean_bitmap: float
    maximum: int
    worst_case: int

    @property
    def nanojoules(self) -> float:
        """Energy of a mean step: instructions times Horowitz's fetch and addition (45 nm)."""
        return self.mean * _PJ_PER_INSTRUCTION * 1e-3


@dataclass(frozen=True)
class Samples:
    """Instructions per sample of a network that first spikes decide, means and a bound.

    Attributes:
        clocked: of all steps, events given as lists.
        decision: of the functions that take events, if the caller stops at the first spike; None
            where there are no such functions, as the rest.
        events: of the same, if it stops when all neurons have fired.
        worst_case: no sample takes more events' instructions, wherever a caller stops.
    """

    clocked: float
    decision: float | None = None
    events: float | None = None
    worst_case: int | None = None


@dataclass(frozen=True)
class Cost:
    """Bytes of the decoder, and its instructions; None if no machine here can hold it.

    `samples` is of networks that first spikes decide alone.
    """

    sizes: Sizes
    instructions: Instructions | None
    samples: Samples | None = None


def count_cost(
    network: IntegerNetwork, machine: Machine, raster: NDArray[np.uint8], layout: str = "fast"
) -> Cost:
    """Build and run a network on a machine that counts, over a raster and in the worst case.

    The raster is run three times, because a replay gives each third of its steps in another way.

    Raises:
        RangeError: the machine counts nothing, or there is no such layout.
        ToolError: a program is missing.
    """
    machine.need_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = machine.measure(network, folder, layout)
        try:
            program = machine.build(network, folder, layout)
        except ToolError:  # the compiled sources cannot be linked: they are too large
            return Cost(sizes, None)
        every = machine.run(network, np.vstack([raster] * 3), program, folder).instructions
        assert every is not None
        _, once, bitmap = thirds(len(every))
        counted, bitmaps = every[once], every[bitmap]
        worst = worst_case(network, machine, folder, layout)
    least, most = int(counted.min()), int(counted.max())
    means = float(counted.mean()), float(bitmaps.mean())
    return Cost(sizes, Instructions(least, *means, most, worst))


def worst_case(
    network: IntegerNetwork, machine: Machine, folder: Path, layout: str = "fast"
) -> int:
    """A bound on the instructions of a step, for any input and any spikes.

    A step adds a row of weights for each spike and updates each neuron on one of two paths, that of
    a neuron that fires or that of one that does not. The bound is the cost of a step in which every
    input and every neuron fires, plus that of one in which none does: every row, and both paths of
    every neuron. The input that fires is a list of every channel twice, so the bound holds for any
    list of up to twice as many events as channels. The few instructions by which a path may vary,
    where a word saturates or a product is wide, are far fewer than those of the other path. Only
    thresholds are changed for the two, so the code is that of the network. In layout `constant` the
    bound is the cost of one, since both cost the same.

    Raises:
        UnsupportedError: there is no hidden layer, or one of a kind without thresholds to change,
            or words are so narrow that neurons do not fire, or stay silent, at any threshold.
    """
    if not network.hidden:
        raise UnsupportedError(
            f"the network is one layer of kind {network.readout.kind()}, of which the worst step"
            " cannot be counted; verify it on the target all the same"
        )
    for name, layer in network.named_layers():
        if not layer.is_readout() and "threshold" not in layer.declared():
            raise UnsupportedError(
                f"{name} is of kind {layer.kind()}, which has no `threshold`, so its worst step"
                " cannot be counted; verify it on the target all the same"
            )
    top = 1 << (network.contract.mem_bits - 1)
    counted = []
    low, high = network.input_values
    for name, threshold, spikes in (("burst", -top, 1), ("silence", top - 1, 0)):
        hidden = [
            x.replaced({"threshold": np.full_like(x.threshold, threshold)}) for x in network.hidden
        ]
        changed = replace(network, layers=(*hidden, network.readout))
        value = spikes * (high or low)
        raster = np.full((_BURST_STEPS, network.n_inputs), value, network.input_dtype)
        place = folder / name
        place.mkdir()
        program = machine.build(changed, place, layout, arithmetic_of(network))
        run = machine.run(changed, raster, program, place)
        fired = [words for key, words in run.trace.variables.items() if key.endswith(".spk")]
        twice, _, _ = thirds(_BURST_STEPS)
        all_alike = (np.hstack(fired) == spikes).all(1)[twice]
        if not all_alike.any():
            raise UnsupportedError(NOT_ALIKE)
        assert run.instructions is not None
        counted.append(int(run.instructions[twice][all_alike].max()))
    return max(counted) if layout == CONSTANT else sum(counted)


def milliseconds(instructions: int, limits: Limits) -> float:
    """The time that `instructions` take on a part, where its limits are known."""
    assert limits.clock_hz is not None, "a target that counts has a clock"
    return 1e3 * instructions * limits.cycles_per_instruction / limits.clock_hz


def violations(
    network: IntegerNetwork, target: Target, cost: Cost, compact: Sizes | None = None
) -> list[str]:
    """Every limit of a target that a network exceeds, each with the smallest change that fits.

    A network that takes events without a clock has the time of a sample, others that of a step.

    `compact` is the cost in layout `compact`, where `cost` is that of another.
    """
    limits, found = target.limits, []
    if limits.flash is not None and cost.sizes.flash > limits.flash:
        smaller = cost.sizes if compact is None else compact
        way_out = f"Keep {100 * limits.flash // smaller.flash} % of the neurons"
        if compact is not None:
            way_out = f"`layout=compact` takes {compact.flash} B" + (
                f"; with it k{way_out[1:]}" if compact.flash > limits.flash else ""
            )
        found.append(
            f"flash: {cost.sizes.flash} B; {target.name} has {limits.flash} B. {way_out}, or name a"
            " part with more"
        )
    if limits.ram is not None and cost.sizes.ram > limits.ram:
        kept = 100 * limits.ram // cost.sizes.ram
        found.append(
            f"RAM: {cost.sizes.ram} B of state; {target.name} has {limits.ram} B. Keep {kept} % of"
            " the neurons, or name a part with more"
        )
    if cost.instructions is not None and limits.clock_hz is not None:
        worst, what, of = cost.instructions.worst_case, "step", network.dt * 1e3
        if cost.samples is not None and cost.samples.worst_case is not None:
            worst, what = cost.samples.worst_case, "sample"
            of *= n_steps_of(network.readout)
        time = milliseconds(worst, limits)
        if time > of:
            found.append(
                f"time: {worst} instructions in the worst {what} take {time:.3g} ms"
                f" at {limits.clock_hz / 1e6:g} MHz; a {what} lasts {of:g} ms. Clock it at"
                f" {limits.clock_hz / 1e6 * time / of:.0f} MHz, or use fewer neurons or a longer"
                " step"
            )
    return found


def not_checked(target: Target, cost: Cost) -> list[str]:
    """Every limit of a target that cannot be checked here, each with the reason."""
    if cost.instructions is not None:
        return []
    return [
        f"time: not counted, because the machine that stands for {target.name} here cannot hold the"
        " program. Try a part with more, or fewer neurons"
    ]
