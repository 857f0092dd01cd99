"""The reference: `sim/step.py` over exact integers, layer by layer and step by step.

Everything else that computes a network, compiled kernels, exports and hardware, is compared with
this loop, word for word. It is written to be read; `sim/fast/runs.py` is written to be fast.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import MismatchError
from sim.arithmetic.exact import Exact, Words
from sim.inputs import first_events
from sim.layer import Layer
from sim.network import IntegerNetwork
from sim.trace import Trace, empty_trace


@dataclass(frozen=True)
class State:
    """The whole state of a network between two steps.

    Attributes:
        arriving: inputs (n_inputs,) of the step before, under way where spikes have a delay.
        layers: for each layer a named tuple of its state words, each (n_neurons,).
        seen: the inputs (n_inputs,) that have had an event, where only the first one counts.
    """

    arriving: Words
    layers: tuple[Any, ...]
    seen: NDArray[np.bool_]


def initial_state(network: IntegerNetwork) -> State:
    """Everything is 0 before the first step, except what a layer's `INITIAL` names."""
    layers = (layer.words()(*map(layer.initial, layer.STATES)) for layer in network.layers)
    n_inputs = network.n_inputs
    return State(np.zeros(n_inputs, np.int64), tuple(layers), np.zeros(n_inputs, bool))


def step(network: IntegerNetwork, state: State, x: NDArray[Any]) -> State:
    """Compute one step; `x` (n_inputs,) holds this step's inputs."""
    return _step(network, [Exact(network.contract, layer) for layer in network.layers], state, x)


def layer_step(o: Exact, layer: Layer, old: Any, source: NDArray[Any]) -> Any:
    """One step of a layer from its words `old`; `source` (pre,) holds what arrives from below."""
    update = layer.step(o, layer, old, source)
    return layer.words()(*(np.asarray(getattr(update, s), np.int64) for s in layer.STATES))


def _step(
    network: IntegerNetwork, arithmetics: list[Exact], state: State, x: NDArray[Any]
) -> State:
    """With a delay, a layer receives what the layer below sent in the step before; without one, it
    receives what was sent in this step."""
    delays, seen = network.contract.delays(len(network.layers)), state.seen
    if network.contract.inputs_once:
        (x,), seen = first_events(x[None], seen)
    sent = (state.arriving, x)
    layers = []
    for o, layer, old, late in zip(arithmetics, network.layers, state.layers, delays, strict=True):
        new = layer_step(o, layer, old, sent[0] if late else sent[1])
        layers.append(new)
        if layer is not network.readout:
            sent = (old.spk, new.spk)
    return State(x, tuple(layers), seen)


def run(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Run a network from its initial state and keep every state word.

    Args:
        network: the network.
        raster: inputs (n_steps, n_inputs), 0 or 1 where they are spikes.

    Raises:
        MismatchError: the raster has another number of channels than the network.
    """
    return continued(network, initial_state(network), raster)[0]


def continued(
    network: IntegerNetwork, state: State, raster: NDArray[np.uint8]
) -> tuple[Trace, State]:
    """Continue from a state; return the trace (n_steps steps) and the state after it.

    Raises:
        MismatchError: the raster has another number of channels than the network.
    """
    check_channels(network, raster.shape)
    arithmetics = [Exact(network.contract, layer) for layer in network.layers]
    trace = empty_trace(network, len(raster))
    for t, x in enumerate(raster):
        state = _step(network, arithmetics, state, x)
        keep(trace, network, t, state)
    return trace, state


def keep(trace: Trace, network: IntegerNetwork, t: int, state: State) -> None:
    """Put the words of a state into a trace, as those after step `t`."""
    for name, words in zip(network.layer_names, state.layers, strict=True):
        for variable, values in words._asdict().items():
            trace.variables[f"{name}.{variable}"][t] = values


def check_channels(network: IntegerNetwork, shape: tuple[int, ...]) -> None:
    """Raise MismatchError unless a raster of this shape, (n_steps, n_inputs), fits the network."""
    if len(shape) != 2 or shape[1] != network.n_inputs:
        raise MismatchError(
            f"the raster has shape {shape}; the network has {network.n_inputs} inputs, so"
            f" (n_steps, {network.n_inputs}) is needed: use a recording with as many channels"
        )
