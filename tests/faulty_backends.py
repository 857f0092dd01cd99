"""Backends for the tests that are wrong in the ways real ones are.

A `Change` turns a network into another; a backend that runs that one is wrong.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from networks import under, with_arrays

from sim import reference
from sim.arithmetic.exact import Exact
from sim.network import IntegerNetwork
from sim.trace import Trace, empty_trace
from sim.verify import Backend

Change = Callable[[IntegerNetwork], IntegerNetwork]


def choosing(**choices) -> Change:
    """Other choices in the contract."""
    return lambda network: under(network, **choices)


def flipping(layer: int, name: str, *at: int) -> Change:
    """Flip the lowest bit of one number, or row, of an array; layer -1 is the readout.

    A network without that number stays unchanged.
    """

    def change(network: IntegerNetwork) -> IntegerNetwork:
        array = dict(network.layers[layer].arrays()).get(name)
        if array is None:
            return network
        array = array.copy()
        array[tuple(slice(i, i + 1) for i in at)] ^= 1
        return with_arrays(network, layer, **{name: array})

    return change


def reference_of(change: Change) -> Backend:
    """The reference of the changed network."""
    return lambda network, raster: reference.run(change(network), raster)


def other_contract(**choices) -> Backend:
    """The reference under another contract than the network's."""
    return reference_of(choosing(**choices))


def wrong_weight(post: int, pre: int) -> Backend:
    """One input weight of the first layer has its lowest bit flipped."""
    return reference_of(flipping(0, "w_in", post, pre))


def wrong_readout(change: Change) -> Backend:
    """The hidden layers are right, the readout is the changed network's."""

    def backend(network: IntegerNetwork, raster: np.ndarray) -> Trace:
        changed = change(network)

        def step(network, state, x):
            right = reference.step(network, state, x)
            readout = reference.step(changed, state, x).layers[-1]
            return replace(right, layers=(*right.layers[:-1], readout))

        return _traced(network, raster, step, reference.initial_state(changed))[0]

    return backend


def late_recurrence(network: IntegerNetwork, raster: np.ndarray) -> Trace:
    """Recurrent spikes take two steps, all others one."""
    older = [words.spk for words in reference.initial_state(network).layers[:-1]]

    def step(network, state, x):
        right = reference.step(network, state, x)
        sources = (state.arriving, *(words.spk for words in state.layers[:-1]))
        layers = [
            reference.layer_step(Exact(network.contract, layer), layer, words, source)
            for layer, words, source in zip(
                network.hidden,
                (old._replace(spk=late) for old, late in zip(state.layers, older, strict=False)),
                sources,
                strict=False,
            )
        ]
        older[:] = [words.spk for words in state.layers[:-1]]
        return replace(right, layers=(*layers, right.layers[-1]))

    return _traced(network, raster, step, reference.initial_state(network))[0]


def never_reset() -> Backend:
    """Every run of a network but its first starts where the one before ended."""
    ends = {}

    def backend(network: IntegerNetwork, raster: np.ndarray) -> Trace:
        start = ends.get(network.digest(), reference.initial_state(network))
        trace, ends[network.digest()] = reference.continued(network, start, raster)
        return trace

    return backend


def _traced(network, raster, step, state) -> tuple[Trace, reference.State]:
    trace = empty_trace(network, len(raster))
    for t, x in enumerate(raster):
        state = step(network, state, x)
        reference.keep(trace, network, t, state)
    return trace, state
