"""Closed loops: spikes of one step in, decoded velocity of that step out, in microseconds."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from base.errors import DataError, MismatchError
from sim.fast.simulator import WORD, Simulator
from sim.layer import SPIKES, values_in_words
from sim.network import IntegerNetwork

_BLOCK = 64  # silent steps per call of the compiled code


class Decoder:
    """A network that its caller advances, one step per call.

    Step t returns what `sim.fast.runs.run` decodes in step t; what is given in it arrives
    `delay_steps` later.

    Attributes:
        network: the network.
        n_steps: steps done since the initial state.
    """

    def __init__(self, network: IntegerNetwork) -> None:
        """Start from the initial state; the compiled step is loaded or compiled here, not later."""
        self.network = network
        self._simulator = Simulator(network)
        self._decode = network.readout.decode
        n_words = -(-network.n_inputs // WORD)
        self._words = np.zeros((1, n_words), np.uint64)
        self._inputs = self._words.view(network.input_dtype)[0, : network.n_inputs]
        self._values = network.input_values
        self._out = np.zeros((1, network.readout.n_neurons), np.int32)
        self._silent = np.zeros((_BLOCK, n_words), np.uint64)
        self._silent.flags.writeable = False
        self._unused = np.zeros((_BLOCK, network.readout.n_neurons), np.int32)
        self._read_only = self._words.view()
        self._read_only.flags.writeable = False
        self.silence(1)
        self.reset()

    @property
    def n_steps(self) -> int:
        return self._simulator.n_steps

    def reset(self) -> None:
        """Go back to the initial state."""
        self._simulator.reset()

    def step(self, events: ArrayLike) -> NDArray[np.float64]:
        """Do one step.

        Args:
            events: indices of the inputs that spike, in any order, or a boolean array (n_inputs,)
                that is true where they do. For a network of other inputs than spikes, their values,
                whole numbers (n_inputs,).

        Returns:
            Decoded values (n_outputs,) in the unit of the training target.

        Raises:
            DataError: an index that no input has, or that is no whole number; the 0 and 1 of a
                raster's row instead of indices; a value that the network does not take.
            MismatchError: a boolean array or values of another shape, or indices of more than one
                axis.
        """
        events = np.asarray(events)
        if self._values != SPIKES:
            self._set_values(events)
        elif events.dtype.kind == "b":
            self._set_bitmap(events)
        else:
            self._words.fill(0)
            if events.size:
                self._set_events(events)
        self._simulator.advance(self._read_only, True, self._out)
        decoded: NDArray[np.float64] = self._decode(self._out)[0]
        return decoded

    def silence(self, n_steps: int) -> None:
        """Do steps in which all inputs are 0; far faster than a call of `step` for each."""
        for first in range(0, n_steps, _BLOCK):
            n = min(_BLOCK, n_steps - first)
            self._simulator.advance(self._silent[:n], True, self._unused[:n])

    def _set_values(self, values: NDArray[Any]) -> None:
        low, high = self._values
        self._check_shape("values", values.shape)
        if values.dtype.kind not in "iu":
            raise DataError(f"values are {values.dtype}; {values_in_words(self._values)}")
        if values.min() < low or values.max() > high:
            found = values[(values < low) | (values > high)][0]
            raise DataError(f"values hold {found}; {values_in_words(self._values)}")
        self._inputs[:] = values

    def _set_bitmap(self, bitmap: NDArray[np.bool_]) -> None:
        self._check_shape("spikes", bitmap.shape)
        self._inputs[:] = bitmap

    def _check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        if shape != self._inputs.shape:
            raise MismatchError(
                f"{name} have shape {shape}; the network has {len(self._inputs)} inputs, so"
                f" {self._inputs.shape} is needed"
            )

    def _set_events(self, events: NDArray[Any]) -> None:
        kind = events.dtype.kind
        if events.ndim != 1:
            raise MismatchError(f"events have shape {events.shape}; (n_events,) is needed")
        if kind not in "iu":
            raise DataError(f"events are {events.dtype}; indices of inputs are whole numbers")
        if 2 < events.size == len(self._inputs) and events.max() <= 1:
            raise DataError(
                f"events are {events.size} values of 0 and 1, like a row of a raster, and not"
                " indices of inputs; give spikes != 0 or np.flatnonzero(spikes)"
            )
        try:
            if kind == "i" and events.min() < 0:
                raise IndexError
            self._inputs[events] = 1
        except IndexError:
            worst = events.min() if events.min() < 0 else events.max()
            raise DataError(
                f"input {worst} spikes, but the network has inputs 0..{len(self._inputs) - 1}; use"
                " a decoder that was trained on as many channels"
            ) from None
