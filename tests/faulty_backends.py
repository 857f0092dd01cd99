"""Backends for the tests that are wrong in ways in which real ones are."""

from dataclasses import replace

import numpy as np

from sim import reference
from sim.arithmetic.exact import Exact
from sim.network import IntegerNetwork
from sim.trace import Trace, empty_trace
from sim.verify import Backend


def other_contract(**choices) -> Backend:
    """The reference under another contract than the network's."""

    def backend(network: IntegerNetwork, raster: np.ndarray) -> Trace:
        return reference.run(
            replace(network, contract=replace(network.contract, **choices)), raster
        )

    return backend


def wrong_weight(post: int, pre: int) -> Backend:
    """One input weight of the first layer has its lowest bit flipped."""

    def backend(network: IntegerNetwork, raster: np.ndarray) -> Trace:
        first, *others = network.layers
        w_in = first.w_in.copy()
        w_in[post : post + 1, pre : pre + 1] ^= 1
        return reference.run(replace(network, layers=(replace(first, w_in=w_in), *others)), raster)

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
