"""Clocks that a step takes, counted from the events of a step: the schedule of the decoder."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from export.verilog.design import Design
from sim import reference


def worst_step(design: Design) -> int:
    """Clocks of a step in which every input and every neuron sends a spike."""
    network = design.network
    senders = [network.n_inputs, *(layer.n_neurons for layer in network.hidden)]
    return step_clocks(design, senders, senders)


def counted_steps(design: Design, raster: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Clocks of each step (n_steps,) of a raster (n_steps, n_inputs), from the initial state."""
    network = design.network
    trace = reference.run(network, raster)
    hidden = [trace.variables[f"{name}.spk"].sum(1) for name in network.layer_names[:-1]]
    sent = np.stack([raster.sum(1), *hidden]).T.astype(np.int64).tolist()
    before = [[0] * len(network.layers), *sent[:-1]]
    clocks = [step_clocks(design, now, old) for now, old in zip(sent, before, strict=True)]
    return np.array(clocks, np.int64)


def step_clocks(design: Design, now: list[int], before: list[int]) -> int:
    """Clocks of one step, from the number of events in each list.

    Args:
        design: the decoder.
        now, before: events of this step and of the one before, of the inputs and of each hidden
            layer.
    """
    late = design.network.contract.delay_steps == 1
    neuron = neuron_clocks(design)
    handed, freed = 2, 0  # an event takes two clocks to reach a lane
    for is_first, slots, n in _blocks(design, before if late else now, before):
        if is_first and not late:  # all spikes of the layer below are waited for
            handed = max(handed, freed + 2)
        handed = max(handed + slots, freed)
        freed = handed + n * neuron
    return freed


def neuron_clocks(design: Design) -> int:
    """Clocks that a neuron's update takes."""
    turns = 1 if design.shape.multiplier else design.number("DECAY_FRAC")
    return 2 * turns + 1


def _blocks(design: Design, below: list[int], own: list[int]) -> Iterator[tuple[bool, int, int]]:
    """Of each block: whether its layer begins, clocks to gather it, and its neurons."""
    for index in design.order:
        layer = design.network.layers[index]
        recurrent = len(layer.connections()) > 1
        slots = below[index] + (own[index + 1] if recurrent else 0) + 2
        for start in range(0, layer.n_neurons, design.shape.lanes):
            yield start == 0, slots, min(design.shape.lanes, layer.n_neurons - start)
