"""Every intermediate value of every step of a run, computed from the words of its trace.

All that a step computes follows from the words one step earlier. So a trace, which holds words
after overflow handling, tells also what they were asked to hold before it: the step is evaluated
once more, over all steps at once.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.arithmetic.exact import Exact
from sim.arithmetic.ranges import Range
from sim.inputs import first_events
from sim.network import IntegerNetwork
from sim.trace import Trace


def intermediates(
    network: IntegerNetwork,
    raster: NDArray[np.uint8],
    trace: Trace,
    index: int,
    neurons: NDArray[np.intp] | None = None,
) -> Any:
    """Every intermediate of a layer over a run.

    Args:
        network: the network.
        raster: inputs (n_steps, n_inputs).
        trace: the run's trace, from the initial state.
        index: which layer; the readout is the last.
        neurons: which neurons of it; None for all.

    Returns:
        The result of the layer's step, each field (n_steps, neurons).
    """
    layer = network.layers[index]
    old = words_before(network, trace, index, neurons)
    source = arriving(network, raster, trace, index)
    return layer.step(Exact(network.contract, layer, neurons), layer, old, source)


def asked_in(
    network: IntegerNetwork,
    raster: NDArray[np.uint8],
    trace: Trace,
    index: int,
    neurons: NDArray[np.intp] | None = None,
) -> dict[str, Range]:
    """The values a layer's words were asked to hold in a run, before overflow handling.

    Arguments as in `intermediates`.

    Returns:
        By state, smallest and largest value in each step, both (n_steps, neurons). They differ
        where a firing neuron's sum was tested and then replaced by a reset, or a reset by a sum.
    """
    layer = network.layers[index]
    found = intermediates(network, raster, trace, index, neurons)
    values = found.asked(Exact(network.contract, layer, neurons))
    return {state: Range(np.min(v, axis=0), np.max(v, axis=0)) for state, v in values.items()}


def words_before(
    network: IntegerNetwork,
    trace: Trace,
    index: int,
    neurons: NDArray[np.intp] | None = None,
) -> Any:
    """The state words of a layer before each step of a run, (n_steps, neurons); of `spk` all."""
    layer, name = network.layers[index], network.layer_names[index]
    chosen = slice(None) if neurons is None else neurons
    found = []
    for state, word in layer.STATES.items():
        before = _later(trace.variables[f"{name}.{state}"], layer.initial(state))
        found.append(before[:, chosen] if word else before)
    return layer.words()(*found)


def arriving(
    network: IntegerNetwork, raster: NDArray[np.uint8], trace: Trace, index: int
) -> NDArray[np.int64]:
    """What arrives at a layer from below in each step of a run, (n_steps, pre)."""
    sent: NDArray[Any] = raster
    if index:
        sent = trace.variables[f"{network.layer_names[index - 1]}.spk"]
    elif network.contract.inputs_once:
        sent, _ = first_events(raster, np.zeros(network.n_inputs, bool))
    if network.contract.delays(len(network.layers))[index]:
        return _later(sent, np.zeros(sent.shape[1], np.int64))
    return sent.astype(np.int64)


def _later(words: NDArray[Any], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Each row one step later, after the row `first`."""
    return np.concatenate([first[None], words[:-1].astype(np.int64)])[: len(words)]
