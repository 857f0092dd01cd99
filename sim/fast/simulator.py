"""Stateful simulation: state carried from one block of steps to the next, in constant memory."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError
from sim.fast.arena import Arena, arrange
from sim.fast.generated import Generated
from sim.fast.packed import PackedRaster
from sim.fast.tuned import Tuned
from sim.layer import SPIKES, values_in_words
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace, variable_names

WORD = 8  # inputs of a raster checked together


@dataclass(frozen=True)
class Block:
    """Results of some steps.

    Attributes:
        out: readout words (n_steps, rows) int32.
        trace: every state word, or None if it was not recorded.
    """

    out: NDArray[np.int32]
    trace: Trace | None


class Engine(Protocol):
    """The interface a simulator needs from the code that computes steps: `Tuned` or `Generated`."""

    @property
    def input_counts(self) -> NDArray[np.int64]:
        """Steps in which something arrived from each input, (n_inputs,)."""

    @property
    def multiplied_counts(self) -> NDArray[np.int64]:
        """Those of `input_counts` of steps in which some input was beyond -1..1, (n_inputs,)."""

    @property
    def sent_counts(self) -> NDArray[np.int64]:
        """Steps in which each hidden neuron's spikes arrived above it, layer after layer."""

    @property
    def sent_multiplied(self) -> NDArray[np.int64]:
        """Those of `sent_counts` of steps in which some neuron sent more than one spike."""

    @property
    def last_spikes(self) -> NDArray[np.int64]:
        """Spikes of the last step, of each hidden neuron."""

    def reset(self) -> None:
        """Go back to the initial state; counts start again."""

    def advance(self, words: NDArray[np.uint64], are_bytes: bool, out: NDArray[np.int32]) -> None:
        """Do the steps of checked words of spikes (n_steps, n_words); fill `out`."""

    def record(
        self, words: NDArray[np.uint64], are_bytes: bool, out: NDArray[np.int32]
    ) -> list[NDArray[Any]]:
        """The same; return every state (n_steps, n_neurons), in the order of a trace."""


def is_tuned(network: IntegerNetwork) -> bool:
    """Whether the kernel written by hand computes every layer of a network."""
    return network.is_tuned("numba")


def prepared(network: IntegerNetwork) -> Arena | None:
    """The data that simulators of a network can share, None if there is none."""
    return arrange(network) if is_tuned(network) else None


class Simulator:
    """One stream through a network; a recording may come in blocks of any length.

    Attributes:
        network: the network.
        n_steps: steps done since the initial state.
        hidden_spikes: spikes of all hidden neurons in them.
    """

    def __init__(self, network: IntegerNetwork, arena: Arena | None = None) -> None:
        """Start from the initial state; `arena` is what `prepared` returned, if available."""
        self.network = network
        self._engine: Engine = Tuned(network, arena) if is_tuned(network) else Generated(network)
        sizes = [layer.n_neurons for layer in network.hidden]
        late = network.contract.delays(len(network.layers))[1:]
        self._at_once = np.repeat(np.logical_not(late), sizes)
        self.n_steps = 0

    def reset(self) -> None:
        """Go back to the initial state; counts start again."""
        self._engine.reset()
        self.n_steps = 0

    @property
    def input_counts(self) -> NDArray[np.int64]:
        """Steps in which something arrived from each input, (n_inputs,): its spikes.

        With a delay, what was sent in the last step has not arrived.
        """
        return self._engine.input_counts

    @property
    def multiplied_counts(self) -> NDArray[np.int64]:
        """Those of `input_counts` of steps in which some input was beyond -1..1, (n_inputs,)."""
        return self._engine.multiplied_counts

    @property
    def sent_counts(self) -> NDArray[np.int64]:
        """Spikes per hidden neuron that arrived above it, layer after layer."""
        return self._engine.sent_counts

    @property
    def returned_counts(self) -> NDArray[np.int64]:
        """Spikes that arrived through `w_rec`, if there is one: never those of the last step.

        A neuron's spikes of one step count once.
        """
        return self.sent_counts - np.where(self._at_once, self._engine.last_spikes > 0, 0)

    @property
    def sent_multiplied(self) -> NDArray[np.int64]:
        """Those of `sent_counts` of steps in which some neuron sent more than one spike."""
        return self._engine.sent_multiplied

    @property
    def returned_multiplied(self) -> NDArray[np.int64]:
        """Those of `returned_counts` of steps in which some neuron sent more than one spike."""
        last = self._engine.last_spikes
        ends = np.cumsum([0, *(layer.n_neurons for layer in self.network.hidden)])
        large = np.concatenate(
            [np.zeros(0, bool)]
            + [
                np.full(end - start, bool((last[start:end] > 1).any()))
                for start, end in pairwise(ends.tolist())
            ]
        )
        return self.sent_multiplied - np.where(self._at_once & large, last > 0, 0)

    @property
    def spike_counts(self) -> NDArray[np.int64]:
        """Steps with spikes per hidden neuron, layer after layer."""
        return self.returned_counts + (self._engine.last_spikes > 0)

    @property
    def hidden_spikes(self) -> int:
        return int(self.spike_counts.sum())

    def step_block(
        self, raster: NDArray[np.uint8] | PackedRaster, *, record: bool = False
    ) -> Block:
        """Run some more steps.

        Args:
            raster: inputs (n_steps, n_inputs), 0 or 1 where they are spikes, or spikes packed.
            record: keep every state word.

        Raises:
            MismatchError: the raster has another number of channels than the network.
            DataError: it holds values that the network does not take.
        """
        check_channels(self.network, raster.shape)
        if isinstance(raster, PackedRaster):
            if self.network.input_values != SPIKES:
                raise DataError(
                    "a packed raster holds spikes alone;"
                    f" {values_in_words(self.network.input_values)}: give the raster itself"
                )
            words, are_bytes = raster.words, False
        else:
            words, are_bytes = _byte_words(raster, self.network.input_values), True
        out = np.empty((len(words), self.network.readout.n_neurons), np.int32)
        if not record:
            self.advance(words, are_bytes, out)
            return Block(out, None)
        arrays = self._engine.record(words, are_bytes, out)
        self.n_steps += len(words)
        names = variable_names(self.network)
        return Block(out, Trace(dict(zip(names, arrays, strict=True))))

    def advance(self, words: NDArray[np.uint64], are_bytes: bool, out: NDArray[np.int32]) -> None:
        """Run more steps of checked words of spikes (n_steps, n_words); fill `out`."""
        self._engine.advance(words, are_bytes, out)
        self.n_steps += len(words)


def _byte_words(raster: NDArray[Any], values: tuple[int, int] = SPIKES) -> NDArray[np.uint64]:
    """A raster (n_steps, n_inputs), eight inputs per word; checked, copied only if necessary.

    Inputs that can be negative are in two's complement.
    """
    raster = np.asarray(raster)
    low, high = values
    dtype = np.dtype(np.int8 if low < 0 else np.uint8)
    if raster.dtype.kind in "iu":
        is_signed = raster.dtype.kind == "i"
        fits = raster.size == 0 or (raster.max() <= high and not (is_signed and raster.min() < low))
    else:
        fits = bool(((raster >= low) & (raster <= high) & (raster == np.floor(raster))).all())
    if not fits:
        wrong = (raster < low) | (raster > high) | (raster != np.floor(raster))
        raise DataError(f"the raster holds {raster[wrong][0]}; {values_in_words(values)}")
    n_steps, n_inputs = raster.shape
    if n_inputs % WORD or raster.dtype != dtype:
        padded = np.zeros((n_steps, -(-n_inputs // WORD) * WORD), dtype)
        padded[:, :n_inputs] = raster
        raster = padded
    words = np.require(raster, requirements="C").view(np.uint64)
    words = np.require(words, requirements="A").view()
    words.flags.writeable = False  # so that all rasters are of one type to the compiler
    return words
