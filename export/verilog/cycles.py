"""Clocks that a step takes, counted from the events of a step: the schedule of the decoder."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from export.verilog.design import Design
from sim import reference

_DRAINS = {"serial": 0, "single": 0, "pipelined": 2}
"""Clocks from the last neuron's turn to the end of the step."""
_ENTERS = 4
"""Clocks from the last channel of a step until it is computed; 2 where channels are unique."""


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
    *_, (_, _, freed) = _schedule(design, now, before)
    return freed + _DRAINS[design.shape.update]


def first_output(design: Design) -> int:
    """Clocks from the last channel of a step to its first output, at most."""
    network = design.network
    senders = [network.n_inputs, *(layer.n_neurons for layer in network.hidden)]
    readout = len(network.layers) - 1
    begins = (begin for index, begin, _ in _schedule(design, senders, senders) if index == readout)
    enters = _ENTERS - 2 * design.shape.unique_inputs
    return enters + next(begins, 0) + neuron_clocks(design) + _DRAINS[design.shape.update]


def _schedule(design: Design, now: list[int], before: list[int]) -> Iterator[tuple[int, int, int]]:
    """Of each block, its layer, and the clocks at which its update begins and ends."""
    late = design.network.contract.delay_steps == 1
    neuron, drains = neuron_clocks(design), _DRAINS[design.shape.update]
    handed, taken = 2, 0  # an event takes two clocks to reach a lane; block that is not taken yet
    loads = int(design.shape.packed)  # clocks until the next neuron's words are at hand
    rows = row_neurons(design)
    freed = rows * neuron + max(0, rows - 1) * loads
    for index, is_first, slots, n in _blocks(design, before if late else now, before):
        if is_first and freed and not late:  # all spikes of the layer below are waited for
            handed = max(handed, freed + 2 + drains // 2)
        handed = max(handed + slots, taken)
        begin = max(handed, freed + loads if freed else 0)
        freed = taken = begin + n * neuron + (n - 1) * loads
        yield index, begin, freed


def neuron_clocks(design: Design) -> int:
    """Clocks from the update of a neuron to that of the next, whose words are at hand."""
    clocks = {"serial": 2 * design.number("DECAY_FRAC") + 2, "single": 3, "pipelined": 1}
    return clocks[design.shape.update]


def row_neurons(design: Design) -> int:
    """Rows of the readout that are updated without blocks."""
    return design.number("ROWS_APART") * design.network.readout.n_neurons


def _blocks(
    design: Design, below: list[int], own: list[int]
) -> Iterator[tuple[int, bool, int, int]]:
    """Of each block: its layer, whether that begins, clocks to gather it, and its neurons."""
    for index in design.order[design.number("ROWS_APART") :]:
        layer = design.network.layers[index]
        recurrent = len(layer.connections()) > 1
        slots = below[index] + (own[index + 1] if recurrent else 0) + 2
        for start in range(0, layer.n_neurons, design.shape.lanes):
            yield index, start == 0, slots, min(design.shape.lanes, layer.n_neurons - start)
