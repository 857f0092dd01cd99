"""A network at work: state carried from one block of steps to the next, in constant memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError
from sim.fast import compiled
from sim.fast.arena import Arena, arrange
from sim.fast.packed import PackedRaster
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace, variable_names

WORD = 8  # inputs of a raster looked at together
NO_TRACE = tuple(np.zeros((0, 0), dtype) for dtype in (np.uint8, np.int32, np.int32))


@dataclass(frozen=True)
class Block:
    """What some steps leave.

    Attributes:
        out: readout words (n_steps, rows) int32.
        trace: every state word, or None if it was not asked for.
    """

    out: NDArray[np.int32]
    trace: Trace | None


class Simulator:
    """One stream through a network; a recording may come in blocks of any length.

    Attributes:
        network: the network.
        n_steps: steps done since the initial state.
        hidden_spikes: spikes of all hidden neurons in them.
    """

    def __init__(self, network: IntegerNetwork, arena: Arena | None = None) -> None:
        """Start from the initial state; `arena` is the network's, where it is at hand."""
        self.network = network
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
        self.n_steps = 0

    def reset(self) -> None:
        """Go back to the initial state; counts start again."""
        self._words[:] = self._arena.words
        for array in (self._spk, self._arriving, self._input_counts, self._sent_counts):
            array[:] = 0
        self.n_steps = 0

    @property
    def input_counts(self) -> NDArray[np.int64]:
        """Spikes of each input (n_inputs,) that arrived: with a delay, all but the last step's."""
        counts = self._input_counts.copy()
        counts[self._arriving[: self._arriving[-1]]] -= 1  # each is there once
        return counts

    @property
    def sent_counts(self) -> NDArray[np.int64]:
        """The same for each hidden neuron, layer after layer: those that arrived above it."""
        return self._hidden(self._sent_counts)

    @property
    def returned_counts(self) -> NDArray[np.int64]:
        """Those that arrived through `w_rec` where there is one: never those of the last step."""
        if not self._at_once:
            return self.sent_counts
        return self._hidden(self._sent_counts - self._spk)

    @property
    def hidden_spikes(self) -> int:
        return int(self.returned_counts.sum()) + int(self._spk.sum())

    def step_block(
        self, raster: NDArray[np.uint8] | PackedRaster, *, record: bool = False
    ) -> Block:
        """Run on over some steps.

        Args:
            raster: input spikes (n_steps, n_inputs), 0 or 1, or the same packed.
            record: keep every state word.

        Raises:
            MismatchError: the raster has another number of channels than the network.
            DataError: it holds something else than 0 and 1.
        """
        check_channels(self.network, raster.shape)
        if isinstance(raster, PackedRaster):
            words, are_bytes = raster.words, False
        else:
            words, are_bytes = _byte_words(raster), True
        out = np.empty((len(words), self._arena.n_rows), np.int32)
        if not record:
            self.advance(words, are_bytes, out, NO_TRACE)
            return Block(out, None)
        n_hidden, n_lanes = self._arena.n_hidden_lanes, self._arena.n_lanes
        spk = np.empty((len(words), n_hidden), np.uint8)
        syn, mem = (np.empty((len(words), n_lanes), np.int32) for _ in range(2))
        self.advance(words, are_bytes, out, (spk, syn, mem))
        arrays = []
        for lanes in self._arena.lanes[:-1]:
            arrays += [words[:, lanes] for words in (spk, syn, mem)]
        arrays += [syn[:, self._arena.lanes[-1]], out]
        names = variable_names(self.network)
        return Block(out, Trace(dict(zip(names, arrays, strict=True))))

    def advance(
        self,
        words: NDArray[np.uint64],
        are_bytes: bool,
        out: NDArray[np.int32],
        kept: tuple[NDArray, ...],
    ) -> None:
        """Run on over checked words of spikes (n_steps, n_words); fill `out` and `kept`."""
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
        self.n_steps += len(words)

    def _hidden(self, lanes: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.concatenate([lanes[place] for place in self._arena.lanes[:-1]])


def _byte_words(raster: NDArray) -> NDArray[np.uint64]:
    """A raster (n_steps, n_inputs) eight inputs a word; checked, and copied only if it must be."""
    raster = np.asarray(raster)
    if raster.dtype == np.uint8:
        binary = raster.size == 0 or raster.max() <= 1
    else:
        binary = bool(((raster == 0) | (raster == 1)).all())
    if not binary:
        example = raster[(raster != 0) & (raster != 1)][0]
        raise DataError(
            f"the raster holds {example}; only 0 and 1 are spikes: bin to steps in which a channel"
            " spikes or not"
        )
    n_steps, n_inputs = raster.shape
    if n_inputs % WORD or raster.dtype != np.uint8:
        padded = np.zeros((n_steps, -(-n_inputs // WORD) * WORD), np.uint8)
        padded[:, :n_inputs] = raster
        raster = padded
    words = np.require(raster, requirements="C").view(np.uint64)
    words = np.require(words, requirements="A").view()
    words.flags.writeable = False  # so that all rasters are of one type to the compiler
    return words
