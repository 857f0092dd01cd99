"""Clocks that a step takes, counted from the events of a step: the schedule of the decoder."""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from export.verilog.design import Design
from export.verilog.memories import senders
from sim import reference

_DRAINS = {"serial": 0, "single": 0, "pipelined": 2}
"""Clocks from the last neuron's turn to the end of the step."""
_ENTERS = 4
"""Clocks from the last channel of a step until it is computed; 2 where channels are unique."""


Work = Mapping[int, int]
"""Of each layer with blocks, the clocks that all its events of a step take."""


def worst_step(design: Design) -> int:
    """Clocks of a step in which every input and every neuron sends a spike."""
    return _step_clocks(design, _most_work(design))


def counted_steps(design: Design, raster: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Clocks of each step (n_steps,) of a raster (n_steps, n_inputs), from the initial state."""
    network = design.network
    trace = reference.run(network, raster)
    hidden = [trace.variables[f"{name}.spk"] for name in network.layer_names[:-1]]
    sent = [np.asarray(spikes, np.int64) for spikes in (raster, *hidden)]
    before = [np.vstack([np.zeros_like(spikes[:1]), spikes[:-1]]) for spikes in sent]
    below = before if network.contract.delay_steps == 1 else sent
    work = {}
    for index, (of_own, of_below) in event_clocks(design).items():
        work[index] = below[index] @ of_below
        if len(of_own):
            work[index] = work[index] + before[index + 1] @ of_own
    steps = [{index: int(row[t]) for index, row in work.items()} for t in range(len(raster))]
    return np.array([_step_clocks(design, step) for step in steps], np.int64)


def first_output(design: Design) -> int:
    """Clocks from the last channel of a step to its first output, at most."""
    readout = len(design.network.layers) - 1
    schedule = _schedule(design, _most_work(design))
    begins = (begin for index, begin, _ in schedule if index == readout)
    enters = _ENTERS - 2 * design.shape.unique_inputs
    return enters + next(begins, 0) + neuron_clocks(design) + _DRAINS[design.shape.update]


def event_clocks(design: Design) -> dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Of each layer with blocks, clocks of an event of each own neuron, and of each sender below.

    An event takes one for each block; without zeros, one for each weight or empty word, and 4.
    """
    found = {}
    layers = design.order[design.number("ROWS_APART") :]
    for index, weights in zip(layers, senders(design), strict=True):
        n_own = weights.shape[1] - design.network.layers[index].connections()[0].weights.shape[1]
        clocks = np.ones(weights.shape[1], np.int64)
        if design.number("BITMAP"):
            edges = np.arange(0, len(weights), design.number("MAP_BITS"))
            clocks = 4 + np.maximum(1, np.add.reduceat(weights != 0, edges, dtype=np.int64)).sum(0)
        found[index] = clocks[:n_own], clocks[n_own:]
    return found


def _most_work(design: Design) -> Work:
    clocks = event_clocks(design)
    return {index: int(own.sum() + below.sum()) for index, (own, below) in clocks.items()}


def _step_clocks(design: Design, work: Work) -> int:
    *_, (_, _, freed) = _schedule(design, work)
    return freed + _DRAINS[design.shape.update]


def _schedule(design: Design, work: Work) -> Iterator[tuple[int, int, int]]:
    """Of each block, its layer, and the clocks at which its update begins and ends."""
    late = design.network.contract.delay_steps == 1
    neuron, drains = neuron_clocks(design), _DRAINS[design.shape.update]
    bitmap = bool(design.number("BITMAP"))
    handed = 0 if bitmap else 2  # an event takes two clocks to reach a lane
    taken = 0  # until then, the block before is not taken
    loads = int(design.shape.packed)  # clocks until the next neuron's words are at hand
    rows = row_neurons(design)
    freed = rows * neuron + max(0, rows - 1) * loads
    for index, is_first, n in _blocks(design):
        if is_first and freed and not late:  # all spikes of the layer below are waited for
            handed = max(handed, freed + (0 if bitmap else 2) + drains // 2)
        if bitmap:  # all events are added first, then three clocks read a neuron's sums
            handed += 3 + (work[index] + 2 if is_first else 0)
        else:
            handed += work[index] + 2
        handed = max(handed, taken)
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


def _blocks(design: Design) -> Iterator[tuple[int, bool, int]]:
    """Of each block: its layer, whether that begins, and its neurons."""
    lanes = design.shape.lanes
    for index in design.order[design.number("ROWS_APART") :]:
        n_neurons = design.network.layers[index].n_neurons
        for start in range(0, n_neurons, lanes):
            yield index, start == 0, min(lanes, n_neurons - start)
