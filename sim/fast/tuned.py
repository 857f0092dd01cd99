"""The engine written by hand for CuBa-LIF: an arena of words that `compiled.advance` steps."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.fast import compiled
from sim.fast.arena import Arena, arrange
from sim.network import IntegerNetwork

_NO_TRACE = tuple(np.zeros((0, 0), dtype) for dtype in (np.uint8, np.int32, np.int32))


class Tuned:
    """A network's words in their arena, from one block of steps to the next."""

    def __init__(self, network: IntegerNetwork, arena: Arena | None = None) -> None:
        """Start from the initial state; `arena` is that of the network, if available."""
        self._arena = arena or arrange(network)
        n_lanes, n_hidden = self._arena.n_lanes, self._arena.n_hidden_lanes
        self._at_once = network.contract.delay_steps == 0
        self._words = self._arena.words.copy()
        self._spk = np.zeros(n_hidden, np.uint8)
        self._arriving = np.zeros(network.n_inputs + 1, np.uint64)
        self._events = np.zeros(n_hidden, np.uint64)
        self._uncounted = np.zeros(n_hidden, np.int64)
        self._sums_in = np.zeros(n_lanes, self._arena.sum_dtype)
        self._sums_rec = np.zeros(n_hidden, self._arena.sum_dtype)
        self._input_counts = np.zeros(network.n_inputs, np.int64)
        self._sent_counts = np.zeros(n_hidden, np.int64)

    def reset(self) -> None:
        """Go back to the initial state and reset the counts."""
        self._words[:] = self._arena.words
        for array in (self._spk, self._arriving, self._input_counts, self._sent_counts):
            array[:] = 0

    @property
    def input_counts(self) -> NDArray[np.int64]:
        """Spikes per input (n_inputs,) that arrived: with a delay, all but the last step's."""
        counts = self._input_counts.copy()
        counts[self._arriving[: self._arriving[-1]]] -= 1  # each is there once
        return counts

    @property
    def multiplied_counts(self) -> NDArray[np.int64]:
        """None: inputs are spikes, (n_inputs,)."""
        return np.zeros_like(self._input_counts)

    @property
    def sent_multiplied(self) -> NDArray[np.int64]:
        """None: a neuron sends one spike in a step at most, (n_hidden,)."""
        return np.zeros_like(self.sent_counts)

    @property
    def sent_counts(self) -> NDArray[np.int64]:
        """Spikes per hidden neuron that arrived above it, layer after layer."""
        return self._hidden(self._sent_counts)

    @property
    def last_spikes(self) -> NDArray[np.int64]:
        """Spikes of each hidden neuron in the last step."""
        return self._hidden(self._spk).astype(np.int64)

    def advance(self, words: NDArray[np.uint64], are_bytes: bool, out: NDArray[np.int32]) -> None:
        """Do the steps of checked words of spikes (n_steps, n_words); fill `out`."""
        self._advance(words, are_bytes, out, _NO_TRACE)

    def record(
        self, words: NDArray[np.uint64], are_bytes: bool, out: NDArray[np.int32]
    ) -> list[NDArray[Any]]:
        """The same; return every state (n_steps, n_neurons), in the order of a trace."""
        n_hidden, n_lanes = self._arena.n_hidden_lanes, self._arena.n_lanes
        spk = np.empty((len(words), n_hidden), np.uint8)
        syn, mem = (np.empty((len(words), n_lanes), np.int32) for _ in range(2))
        self._advance(words, are_bytes, out, (spk, syn, mem))
        arrays = []
        for lanes in self._arena.lanes[:-1]:
            arrays += [kept[:, lanes] for kept in (spk, syn, mem)]
        return [*arrays, syn[:, self._arena.lanes[-1]], out]

    def _advance(
        self,
        words: NDArray[np.uint64],
        are_bytes: bool,
        out: NDArray[np.int32],
        kept: tuple[NDArray[Any], ...],
    ) -> None:
        arena = self._arena
        compiled.advance(
            words,
            are_bytes,
            self._at_once,
            self._arriving,
            arena.update.address,
            self._words,
            self._spk,
            self._events,
            self._uncounted,
            self._sums_in,
            self._sums_rec,
            arena.table,
            arena.w_in,
            arena.w_rec,
            arena.limits,
            self._input_counts,
            self._sent_counts,
            out,
            *kept,
        )

    def _hidden(self, lanes: NDArray[Any]) -> NDArray[Any]:
        return np.concatenate([lanes[place] for place in self._arena.lanes[:-1]])
