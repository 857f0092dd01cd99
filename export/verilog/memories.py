"""Words of the decoder's memories: weights, and the constants of each neuron."""

import numpy as np
from numpy.typing import NDArray

from export.verilog.design import Design, level, shifts
from sim.layer import OWN


def memory_shapes(design: Design) -> list[tuple[int, int]]:
    """Words and their bits of each memory, but for weights that are loaded."""
    number = design.number
    found = [
        (2 << number("POINTER_BITS"), number("ID_BITS")),
    ]
    if not number("LOADED"):
        found.append((number("N_WORDS"), number("LANES") * number("WEIGHT_BITS")))
    if number("BITMAP"):
        found.append((number("N_MAPS"), number("MAP_BITS")))
        found.append((2 << number("SUM_ADDRESS_BITS"), number("SUM_BITS")))
    n, constants = number("N_NEURONS"), number("CONSTANT_BITS")
    states = number("SYN_BITS") + number("MEM_BITS")
    if design.shape.packed:
        found.append(((1 << number("NEURON_BITS")) + n, max(constants, states)))
    else:
        found += [(n, constants), (n, states)]
    if not number("UNIQUE_INPUTS"):
        found.append((number("N_INPUTS"), number("INPUT_BITS")))
    return found


def weight_words(design: Design) -> list[int]:
    """A word per block of neurons and sender: the weights of the block, the first lowest.

    Blocks come in the order of computation; of each, first the layer's own neurons send. Without
    zeros, a word per weight, those of a sender after each other.
    """
    lanes, bits = design.shape.lanes, design.number("WEIGHT_BITS")
    words: list[int] = []
    for weights in senders(design):
        if design.number("BITMAP"):
            columns = weights.T
            words += _packed([(columns[columns != 0], bits)], int((weights != 0).sum()))
            continue
        for start in range(0, len(weights), lanes):
            block = weights[start : start + lanes]
            words += _packed([(row, bits) for row in block], block.shape[1])
    return words


def senders(design: Design) -> list[NDArray[np.int64]]:
    """Of each layer that has blocks, in the order of computation, its weights (post, senders).

    First the layer's own neurons send, then those below.
    """
    found = []
    for index in design.order[design.number("ROWS_APART") :]:
        layer = design.network.layers[index]
        by_source = sorted(layer.connections(), key=lambda k: k.source != OWN)
        found.append(np.concatenate([k.weights for k in by_source], axis=1).astype(np.int64))
    return found


def load_words(design: Design) -> list[int]:
    """The bytes that fill the memory of weights, the lowest of each word first."""
    size = load_size(design) // design.number("N_WORDS")
    return [byte for word in weight_words(design) for byte in word.to_bytes(size, "little")]


def load_size(design: Design) -> int:
    """Bytes that fill the memory of weights."""
    return -(-design.number("LANES") * design.number("WEIGHT_BITS") // 8) * design.number("N_WORDS")


def map_words(design: Design) -> list[int]:
    """Rows of senders: the place of the first weight, then a bit per neuron, set for weights."""
    bits, words, place = design.number("MAP_BITS"), [], 0
    for weights in senders(design):
        for column in weights.T != 0:
            words.append(place)
            place += int(column.sum())
            padded = np.zeros(-(-len(column) // bits) * bits, np.uint8)
            padded[: len(column)] = column
            parts = np.packbits(padded, bitorder="little").tobytes()
            size = bits // 8
            starts = range(0, len(parts), size)
            words += [int.from_bytes(parts[i : i + size], "little") for i in starts]
    return words


def constant_words(design: Design) -> list[int]:
    """A word per neuron, in the order of computation."""
    words: list[int] = []
    for index in design.order:
        layer = design.network.layers[index]
        below, own = shifts(layer)
        columns = [
            (level(layer), "LEVEL_BITS"),
            (layer.decay_syn, "DECAY_BITS"),
            (layer.decay_mem, "DECAY_BITS"),
            (layer.values("bias"), "BIAS_BITS"),
            (below, "BELOW_SHIFT_BITS"),
            (own, "OWN_SHIFT_BITS"),
            *((row, "ROW_WEIGHT_BITS") for row in _rows(design, index)),
        ]
        fields = [(column, design.number(name)) for column, name in columns]
        words += _packed(fields, layer.n_neurons)
    return words


def neuron_words(design: Design) -> tuple[list[int], int]:
    """Words of the file of constants and their bits; packed, states follow, which are 0."""
    words, number = constant_words(design), design.number
    if not design.shape.packed:
        return words, number("CONSTANT_BITS")
    bits = max(number("CONSTANT_BITS"), number("SYN_BITS") + number("MEM_BITS"))
    after = (1 << number("NEURON_BITS")) - len(words)
    return [*words, *[0] * (after + len(words))], bits


def _rows(design: Design, index: int) -> list[NDArray[np.integer]]:
    """Of each row of the readout that is apart, the weights of a layer's neurons (n_neurons,)."""
    if not design.number("ROWS_APART"):
        return []
    rows = design.network.readout.connections()[0].weights
    sends = index == len(design.network.layers) - 2
    return [
        row if sends else np.zeros(design.network.layers[index].n_neurons, row.dtype)
        for row in rows
    ]


def hexadecimal(words: list[int], bits: int, digest: str) -> str:
    """The text of a file for `$readmemh`: a word per line."""
    digits = -(-bits // 4)
    return "\n".join([f"// integer network {digest}", *(f"{w:0{digits}x}" for w in words), ""])


def _packed(fields: list[tuple[NDArray[np.integer], int]], n: int) -> list[int]:
    """n words, each of fields in two's complement side by side, the first in the lowest bits."""
    words = [0] * n
    place = 0
    for values, bits in fields:
        mask = (1 << bits) - 1
        for i, value in enumerate(values.tolist()):
            words[i] |= (value & mask) << place
        place += bits
    return words
