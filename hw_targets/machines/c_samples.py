"""The cost of a sample on a target, of a network that first spikes decide: clocked, or by events.

A sample is a run from the initial state, in which each input has at most one event. Only thresholds
are changed for bounds, so the code is that of the network.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError, UnsupportedError
from export.firmware.events.code import has_events, replay_source
from export.firmware.events.replay import Replayed
from export.firmware.tables import is_constant
from hw_targets.machines.c_cost import NOT_ALIKE, Cost, Instructions, Samples
from hw_targets.machines.c_machine import Machine
from sim.fast.events import n_steps_of
from sim.network import IntegerNetwork

_SAMPLES = 4  # random ones that are counted
_MOST_VALUES = 1 << 28  # steps times inputs of a sample


def count_samples(network: IntegerNetwork, machine: Machine, layout: str = "fast") -> Cost:
    """Build and run a network on a machine that counts, over random samples and the worst.

    In the random samples every input has an event, in any step. Costs per step are of their steps.

    Raises:
        RangeError: the machine counts nothing, or there is no such layout.
        ToolError: a program is missing.
        UnsupportedError: a sample is too large to be counted here; or see `worst_step`.
    """
    machine.need_counter()
    n_steps = n_steps_of(network.readout)
    if n_steps * network.n_inputs > _MOST_VALUES:
        raise UnsupportedError(
            f"a sample has {n_steps} steps of {network.n_inputs} inputs, which are too many to be"
            " counted here; verify it on the target all the same"
        )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = machine.measure(network, folder, layout)
        rng = np.random.default_rng(0)
        rasters = [
            sample(network, rng.integers(0, n_steps, network.n_inputs)) for _ in range(_SAMPLES)
        ]
        try:
            steps = clocked(network, machine, rasters, folder, layout)
        except ToolError:  # the compiled sources cannot be linked: they are too large
            return Cost(sizes, None)
        bitmaps = clocked(network, machine, rasters, folder, layout, by_list=False)
        worst = worst_step(network, machine, folder, layout)
        means = float(steps.mean()), float(bitmaps.mean())
        counted = Instructions(int(steps.min()), *means, int(steps.max()), worst)
        samples = Samples(float(steps.sum(1).mean()))
        if has_events(network):
            found = by_events(network, machine, rasters, folder, layout)
            samples = Samples(
                samples.clocked,
                float(np.mean([each.at_first.count for each in found])),
                float(np.mean([each.at_all.count for each in found])),
                worst_sample(network, machine, folder, layout),
            )
        return Cost(sizes, counted, samples)


def sample(network: IntegerNetwork, ticks: NDArray[np.integer]) -> NDArray[np.uint8]:
    """A raster (n_steps, n_inputs) of one event per input, at a step each."""
    shape = n_steps_of(network.readout), network.n_inputs
    raster = np.zeros(shape, network.input_dtype)
    raster[ticks, np.arange(network.n_inputs)] = _event(network)
    return raster


def _event(network: IntegerNetwork) -> int:
    """A value other than 0 that an input may have."""
    low, high = network.input_values
    return high or low


def clocked(
    network: IntegerNetwork,
    machine: Machine,
    rasters: Sequence[NDArray[np.uint8]],
    folder: Path,
    layout: str = "fast",
    *,
    by_list: bool = True,
) -> NDArray[np.int64]:
    """Instructions of every step of samples (n_steps, n_inputs) each, (n_samples, n_steps).

    Events are given as lists, or as bitmaps.
    """
    program = machine.build(network, folder, layout)
    found = []
    for raster in rasters:
        ends = (0, len(raster) if by_list else 0, len(raster))
        run = machine.run(network, raster, program, folder, ends)
        assert run.instructions is not None
        found.append(run.instructions)
    return np.array(found)


def by_events(
    network: IntegerNetwork,
    machine: Machine,
    rasters: Sequence[NDArray[np.uint8]],
    folder: Path,
    layout: str = "fast",
) -> list[Replayed]:
    """Samples through the functions that take events; counts are instructions."""
    program = machine.build(network, folder, layout, main=replay_source)
    return machine.run_samples(network, rasters, program, folder)


def worst_step(
    network: IntegerNetwork, machine: Machine, folder: Path, layout: str = "fast"
) -> int:
    """A bound on the instructions of a step, for any sample.

    A step adds a row of weights for each event and updates each neuron on one of three paths: it
    fires, stays silent, or has fired before. The bound is the cost of the first step of a sample,
    in which every input has its event and every neuron fires, plus that of a step in which none
    does, plus that of one after which all have fired. Lists name every channel twice.

    Raises:
        UnsupportedError: words are so narrow that neurons do not fire, or stay silent, at any
            threshold.
    """
    total = 0
    for fires in (True, False):
        changed = _with_threshold(network, fires)
        raster = np.full((2, network.n_inputs), _event(network), network.input_dtype)
        place = folder / f"step-{fires}"
        place.mkdir()
        program = machine.build(changed, place, layout)
        run = machine.run(changed, raster, program, place, (2, 2, 2))
        if not (run.trace.variables["readout.fired"] == fires).all():
            raise UnsupportedError(NOT_ALIKE)
        assert run.instructions is not None
        first, second = run.instructions.tolist()
        total += first + second if fires else second
    return total


def worst_sample(
    network: IntegerNetwork, machine: Machine, folder: Path, layout: str = "fast"
) -> int:
    """A bound on the instructions of the functions that take events, for any sample.

    Each event adds a row of weights, and each tick with one begins with a comparison of all
    thresholds, in which each neuron fires once at most. The bound is the cost of a sample in which
    every input has its event, at as many ticks as there are, and no neuron fires but the first, at
    once, so that comparisons begin at once; plus that of a sample of a single event at whose end
    all fire.
    """
    n, n_steps, total = network.n_inputs, n_steps_of(network.readout), 0
    spread = sample(network, np.arange(n) * n_steps // max(n, n_steps))
    single = np.zeros_like(spread)
    single[0, 0] = 1
    n_neurons = network.readout.n_neurons
    one = np.arange(n_neurons) == 0
    for name, fires, raster in (("spread", one, spread), ("single", one | True, single)):
        place = folder / f"sample-{name}"
        place.mkdir()
        (found,) = by_events(_with_threshold(network, fires), machine, [raster], place, layout)
        total += found.at_end.count
    return total


def _with_threshold(network: IntegerNetwork, fires: bool | NDArray[np.bool_]) -> IntegerNetwork:
    """The network with thresholds at which neurons fire in any step, or never.

    They are a table where the network's are.
    """
    layer, top = network.readout, 1 << (network.contract.mem_bits - 1)
    threshold = np.where(fires, -top, top - 1) * np.ones(layer.n_neurons, np.int64)
    if not is_constant(layer.threshold) and is_constant(threshold):
        threshold[0] -= np.sign(threshold[0])
    return replace(network, layers=(layer.replaced({"threshold": threshold}),))
