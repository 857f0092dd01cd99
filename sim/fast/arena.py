"""A network as the compiled step reads it: whole blocks of neurons, and the narrowest arithmetic.

`sim/fast/compiled.py` documents its layout.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.bounds.words import fits_in_words, largest_sum
from sim.contract import NumericContract
from sim.fast import compiled
from sim.layer import Layer
from sim.network import IntegerNetwork

LANES = int(compiled.LANES)
_FIELDS = int(compiled.FIELDS)
_NEVER = np.iinfo(np.int32).max  # threshold of a lane without a neuron


@dataclass(frozen=True)
class Arena:
    """Constants of a network, shared by all its simulators, and its words before the first step.

    Attributes:
        contract: the network's contract.
        n_inputs, n_rows: inputs of the network and rows of its readout.
        table: (n_layers, 5) uint64, where each layer lies; the readout is the last.
        w_in: weights from below, (pre, post) layer after layer, rows padded to whole blocks.
        w_rec: recurrent weights, likewise.
        words: (n_blocks * 8 * 16,) int32, the words of all neurons.
        lanes: position of each layer's neurons among all lanes.
        sum_dtype: in which the weights of arriving spikes are summed, int16 or int32.
        is_wide: some sum might need more than 32 bits.
    """

    contract: NumericContract
    n_inputs: int
    n_rows: int
    table: NDArray[np.uint64]
    w_in: NDArray[np.integer]
    w_rec: NDArray[np.integer]
    words: NDArray[np.int32]
    lanes: tuple[slice, ...]
    sum_dtype: np.dtype
    is_wide: bool

    @property
    def n_lanes(self) -> int:
        """Lanes of all layers."""
        return len(self.words) // _FIELDS

    @property
    def n_hidden_lanes(self) -> int:
        return int(self.lanes[-1].start)

    @cached_property
    def limits(self) -> NDArray[np.int64]:
        """Largest synaptic current and membrane, and how many bits of a word they leave."""
        c, word = self.contract, 64 if self.is_wide else 32
        largest = [(1 << (bits - 1)) - 1 for bits in (c.syn_bits, c.mem_bits)]
        return np.array([*largest, word - c.syn_bits, word - c.mem_bits])

    @cached_property
    def update(self) -> Any:
        """The compiled step of the neurons, for this contract and arithmetic."""
        return compiled.update(
            self.contract,
            is_wide=self.is_wide,
            sums_are_short=self.sum_dtype == np.int16,
        )


def arrange(network: IntegerNetwork) -> Arena:
    """Arrange a network's words for the compiled step."""
    table, words, lanes = [], [], []
    below: list[NDArray[Any]] = []
    recurrent: list[NDArray[Any]] = []
    block = 0
    for layer in network.layers:
        from_below, *from_itself = layer.connections()
        n_blocks = -(-layer.n_neurons // LANES)
        starts = [sum(rows.size for rows in matrices) for matrices in (below, recurrent)]
        table.append([n_blocks, block, *starts, bool(from_itself)])
        below.append(_padded(from_below.weights.T, n_blocks))
        recurrent += [_padded(connection.weights.T, n_blocks) for connection in from_itself]
        words.append(_words(layer, network.contract, n_blocks))
        lanes.append(slice(block * LANES, block * LANES + layer.n_neurons))
        block += n_blocks
    nothing = np.empty(0, below[0].dtype)
    return Arena(
        contract=network.contract,
        n_inputs=network.n_inputs,
        n_rows=network.readout.n_neurons,
        table=np.array(table, np.uint64),
        w_in=np.concatenate([rows.ravel() for rows in below]),
        w_rec=np.concatenate([nothing, *(rows.ravel() for rows in recurrent)]),
        words=np.concatenate(words),
        lanes=tuple(lanes),
        sum_dtype=_sum_dtype(network),
        is_wide=not fits_in_words(network),
    )


def _padded(rows: NDArray[Any], n_blocks: int) -> NDArray[Any]:
    """(n, n_neurons) with columns of zeros behind, so that they fill the blocks."""
    padded = np.zeros((len(rows), n_blocks * LANES), rows.dtype)
    padded[:, : rows.shape[1]] = rows
    return padded


def _words(layer: Layer, contract: NumericContract, n_blocks: int) -> NDArray[np.int32]:
    """A layer's words before the first step, block by block, fields in `compiled`'s order."""
    *_, membrane = layer.STATES
    zero = np.zeros(layer.n_neurons, np.int64)
    threshold = zero if layer.is_readout() else layer.values("threshold")
    shifts = [connection.shifts for connection in layer.connections()]
    unity = compiled.DECAY_BITS - contract.decay_frac
    rows = [
        zero,
        layer.initial(membrane),
        layer.values("decay_syn") << unity,
        layer.values("decay_mem") << unity,
        threshold,
        *(shift + contract.frac_bits for shift in (*shifts, zero)[:2]),
        layer.values("bias"),
    ]
    fields = _padded(np.stack(rows), n_blocks)
    fields[int(compiled.THRESHOLD), layer.n_neurons :] = _NEVER
    blocks = fields.reshape(_FIELDS, n_blocks, LANES).transpose(1, 0, 2)
    return blocks.astype(np.int32).ravel()


def _sum_dtype(network: IntegerNetwork) -> np.dtype:
    """The narrowest words that hold the sum of any of a neuron's weights."""
    largest = max(largest_sum(weights).max() for weights in network.connections().values())
    narrow = network.contract.weight_bits <= 8 and largest <= np.iinfo(np.int16).max
    return np.dtype(np.int16 if narrow else np.int32)
