"""Inputs that drive a state as far as can be found, each checked by running it.

A bound says what cannot happen; a witness shows what can. For a neuron fed by inputs only, the
inputs of the wanted sign in every step reach the bound of its current exactly, and that of its
membrane where it does not fire. Other neurons need a search, since those that send to them must be
driven first: weights passed down through the layers say which inputs help, then single changes are
kept if they help.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError
from sim.contract import signed_range
from sim.fast.simulator import Simulator, prepared
from sim.intermediates import asked_in
from sim.layer import OWN, Connection, Layer
from sim.network import IntegerNetwork

MAX_STEPS = 4000  # of a raster that a search may use
_LEAST_LEAK = 2.0**-16  # of a word that counts as leaking
MAX_ORBIT = 50_000  # where the number of steps that reach the bound is known,
_TRACE_WORDS = 1 << 22  # and the words that the traces of all neurons may fill
_BLOCK = 500  # steps
_BATCH = 12
_SHARES = (0.0, 1.0, 0.1, 0.3, 0.5, 0.5, 0.7, 0.9)  # of all inputs, in sets drawn at random
_HEARSAY = (0.0, 0.3, 3.0)  # weights of its own layer's spikes, relative to its inputs


@dataclass(frozen=True)
class Witness:
    """An input, and how far it drives a state.

    Attributes:
        layer, variable, neuron: the state; the variable is `syn`, `mem` or `out`.
        step: step in which the value is asked for, the last of the raster.
        value: value that the word is asked to hold, before overflow handling.
        raster: inputs (n_steps, n_inputs), of the network's `input_dtype`.
    """

    layer: str
    variable: str
    neuron: int
    step: int
    value: int
    raster: NDArray[Any]


def drive(
    network: IntegerNetwork,
    layer: str,
    variable: str,
    neuron: int,
    side: str,
    *,
    rounds: int = 0,
    seed: int = 1,
    within_word: bool = False,
) -> Witness:
    """Find an input that drives a state as low or as high as can be found.

    Args:
        network: the network.
        layer: name of the layer.
        variable: `syn`, or `mem`; `out` of the readout.
        neuron: index in the layer.
        side: `low` or `high`.
        rounds: rounds of a dozen changes each, after the inputs that weights and decays suggest.
        seed: seed of the changes tried.
        within_word: end at the first step in which the word overflows on that side, if any.

    Raises:
        RangeError: no such side, layer, variable or neuron.
    """
    if side not in ("low", "high"):
        raise RangeError(f"side is {side}; known: low, high")
    index = network.layer_names.index(layer) if layer in network.layer_names else -1
    if index < 0 or variable not in words_of(network.layers[index]):
        known = ", ".join(
            f"{name}.{v}"
            for i, name in enumerate(network.layer_names)
            for v in words_of(network.layers[i])
        )
        raise RangeError(f"there is no state {layer}.{variable}; known: {known}")
    if not 0 <= neuron < network.layers[index].n_neurons:
        n = network.layers[index].n_neurons
        raise RangeError(f"{layer} has no neuron {neuron}; it has {n}, counted from 0")
    search = _Search(network, index, variable, neuron, 1 if side == "high" else -1, within_word)
    rng = np.random.default_rng(seed)
    search.try_all(_suggested(search, rng))
    for _ in range(rounds):
        if search.is_done:
            break
        search.try_all(_changed(rng, search.best, network.input_values) for _ in range(_BATCH))
    return search.result()


def words_of(layer: Layer) -> list[str]:
    """The states of a layer that can overflow: all but spikes."""
    return [state for state, word in layer.STATES.items() if word]


class _Search:
    """One state, the best input so far, and how far it drives the state, times the sign."""

    def __init__(
        self,
        network: IntegerNetwork,
        index: int,
        variable: str,
        neuron: int,
        sign: int,
        within_word: bool,
    ) -> None:
        self.network = network
        self.index, self.variable, self.neuron, self.sign = index, variable, neuron, sign
        self.best = np.zeros((1, network.n_inputs), network.input_dtype)
        self.reached: int | None = None
        c = network.contract
        low, high = c.range_of(network.layers[index].STATES[variable])
        self._end = (high if sign > 0 else -low) if within_word else None
        self._step = 0
        self._arena = prepared(network)

    @property
    def is_done(self) -> bool:
        return self._end is not None and self.reached is not None and self.reached > self._end

    def try_all(self, rasters: Iterable[NDArray[Any]]) -> None:
        """Run inputs and keep the one that drives the state farthest."""
        for raster in rasters:
            if self.is_done:
                return
            step, reached = self._measure(raster)
            if self.reached is None or reached > self.reached:
                self.best, self.reached, self._step = raster, reached, step

    def _measure(self, raster: NDArray[Any]) -> tuple[int, int]:
        block = Simulator(self.network, self._arena).step_block(raster, record=True)
        assert block.trace is not None  # recorded above
        neurons = np.array([self.neuron])
        asked = asked_in(self.network, raster, block.trace, self.index, neurons)[self.variable]
        values = (asked.high if self.sign > 0 else -asked.low)[:, 0]
        step = int(values.argmax())
        if self._end is not None and values[step] > self._end:
            step = int((values > self._end).argmax())
        return step, int(values[step])

    def result(self) -> Witness:
        assert self.reached is not None  # at least one input was tried
        return Witness(
            layer=self.network.layer_names[self.index],
            variable=self.variable,
            neuron=self.neuron,
            step=self._step,
            value=self.sign * self.reached,
            raster=self.best[: self._step + 1].copy(),
        )


def _suggested(search: _Search, rng: np.random.Generator) -> Iterator[NDArray[Any]]:
    """Inputs that weights and decays suggest: one way throughout, or the other way first.

    Then, where other neurons send to this one, silence, all inputs and some random sets.
    """
    network, index = search.network, search.index
    n_steps = _steps_to_settle(search)
    layer = network.layers[index]
    alone = index == 0 and not any(k.source == OWN for k in layer.connections())
    inputs = [_helpful(search, hearsay) for hearsay in _HEARSAY[: 1 if alone else None]]
    ones = np.ones((n_steps, 1), network.input_dtype)
    for helpful, _ in inputs:
        yield ones * helpful
    if search.variable == "mem" and search.sign > 0:
        yield from _run_ups(inputs[0], n_steps)
    for helpful, harmful in inputs[1:]:
        for before in (n_steps // 8, n_steps // 2):
            yield np.concatenate([ones[:before] * harmful, ones * helpful])
    for share in () if alone else _SHARES:
        most = np.array(network.input_values[1], ones.dtype)
        yield ones * np.where(rng.random(network.n_inputs) < share, most, 0)


def _run_ups(inputs: tuple[NDArray[Any], NDArray[Any]], n_steps: int) -> Iterator[NDArray[Any]]:
    """The other way first: a current at its top then meets a membrane just below threshold."""
    helpful, harmful = inputs
    lengths = np.unique(np.geomspace(1, n_steps, 40).astype(int))
    for before in lengths.tolist():
        n_rows = min(3 * before + 40, 2 * n_steps)
        raster = np.empty((n_rows, len(helpful)), helpful.dtype)
        raster[:before] = harmful
        raster[before:] = helpful
        yield raster


def _steps_to_settle(search: _Search) -> int:
    """Steps after which the state and all that drives it hardly change, at most `MAX_STEPS`.

    For a CuBa-LIF neuron fed by inputs only, steps after which nothing changes, at most
    `MAX_ORBIT`.
    """
    network = search.network
    steps = 16.0
    for layer in network.layers[: search.index + 1]:
        for decay in layer.decays():
            memory = 1.0 / np.maximum(1.0 - network.contract.kept(decay), _LEAST_LEAK)
            own = layer is network.layers[search.index]
            steps += 8.0 * float(memory[search.neuron] if own else np.median(memory))
    first = network.hidden[0]
    fed_by_inputs_only = search.index == 0 and not any(k.source == OWN for k in first.connections())
    if fed_by_inputs_only and first.is_tuned("bounds", network.contract):
        return _orbit(network, search.neuron, search.sign)
    return int(min(steps, MAX_STEPS))


def _orbit(network: IntegerNetwork, neuron: int, sign: int) -> int:
    """Steps until current and membrane stand still under all inputs of one sign, without spikes."""
    first, c = network.hidden[0], network.contract
    top = np.full(first.n_neurons, signed_range(c.mem_bits)[1])
    quiet = first.replaced({"threshold": top})
    layers = (quiet, *network.layers[1:])
    saturating = replace(c, overflow_syn="saturate", overflow_mem="saturate")
    simulator = Simulator(IntegerNetwork(layers, saturating, network.dt))
    helpful = _inputs(network, sign * first.w_in[neuron].astype(float))
    n_neurons = sum(layer.n_neurons for layer in network.layers)
    n_steps = min(MAX_ORBIT, max(MAX_STEPS, _TRACE_WORDS // n_neurons))
    for begin in range(0, n_steps, _BLOCK):
        block = simulator.step_block(np.tile(helpful, (_BLOCK, 1)), record=True)
        assert block.trace is not None  # recorded above
        syn, mem = (block.trace.variables[f"hidden0.{v}"][:, neuron] for v in ("syn", "mem"))
        still = (np.diff(syn) == 0) & (np.diff(mem) == 0)
        if still[1:].any():  # the input of the first step may arrive in the second
            return begin + int(still[1:].argmax()) + 5
    return n_steps


def _helpful(search: _Search, hearsay: float) -> tuple[NDArray[Any], NDArray[Any]]:
    """Inputs that push the state its way, and those that push it the other way, (n_inputs,).

    From the neuron downwards, each layer's wishes are passed on by its weights, those of a row
    taken as shares; `hearsay` weighs the wishes that come through a layer's recurrence.
    """
    network = search.network
    layer = network.layers[search.index]
    below, *others = layer.connections()
    wish = search.sign * _row(below, search.neuron)
    for connection in others:
        wish = wish + hearsay * search.sign * _row(connection, search.neuron) @ _shares(below)
    for lower in reversed(network.hidden[: search.index]):
        below, *others = lower.connections()
        for connection in others:
            wish = wish + hearsay * wish @ _shares(connection)
        wish = wish @ _shares(below)
    return _inputs(network, wish), _inputs(network, -wish)


def _inputs(network: IntegerNetwork, wish: NDArray[np.float64]) -> NDArray[Any]:
    """The largest value of each input that is wished for, the smallest of each that is not."""
    low, high = network.input_values
    return np.where(wish > 0, high, np.where(wish < 0, low, 0)).astype(network.input_dtype)


def _row(connection: Connection, neuron: int) -> NDArray[np.float64]:
    """What each source adds to a neuron, (pre,)."""
    weights: NDArray[np.float64] = connection.weights[neuron].astype(np.float64)
    return weights * 2.0 ** int(connection.shifts[neuron])


def _shares(connection: Connection) -> NDArray[np.float64]:
    wide = connection.weights.astype(np.float64)
    shares: NDArray[np.float64] = wide / np.maximum(np.abs(wide).sum(1, keepdims=True), 1.0)
    return shares


def _changed(
    rng: np.random.Generator, raster: NDArray[Any], values: tuple[int, int]
) -> NDArray[Any]:
    """A copy in which some inputs differ over a stretch of steps, at either end of `values`."""
    changed = raster.copy()
    n_steps, n_inputs = raster.shape
    length = int(min(n_steps, np.ceil(2.0 ** rng.uniform(0, np.log2(n_steps + 1)))))
    start = int(rng.integers(n_steps - length + 1))
    inputs = rng.integers(0, n_inputs, rng.integers(1, 4))
    if rng.random() < 0.5:
        stretch = changed[start : start + length, inputs]
        changed[start : start + length, inputs] = values[0] + values[1] - stretch
    else:
        changed[start : start + length, inputs] = values[rng.integers(2)]
    return changed
