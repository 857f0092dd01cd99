"""The parameters of a network's decoder: sizes, widths from worst cases, the order of layers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError, UnsupportedError
from export.verilog.options import AUTO
from sim.bounds.layers import bits_for, state_bounds
from sim.contract import NumericContract
from sim.layer import BELOW, Connection, Layer
from sim.network import IntegerNetwork

KINDS = ("cuba_lif", "cuba_li")
CONTRACT: dict[str, tuple[Any, ...]] = {
    item.name: (item.default,)
    for item in fields(NumericContract)
    if "verilog" not in item.metadata.get("tuned", ("verilog",))
}
"""Values that the decoder computes, by field of the contract; of other fields, all."""
_MOST = (1 << 16) - 1  # channels or neurons that 16 bits number, beside all ones
_MOST_ROWS = 4  # of a readout whose weights are constants of the neurons that send


@dataclass(frozen=True)
class Shape:
    """What a decoder computes at the same time, and what it expects of its inputs.

    Attributes:
        lanes: neurons whose sums are gathered together.
        update: how a neuron is updated, one of `UPDATES`.
        unique_inputs: channels of a step come in ascending order, so that none is stored to tell
            whether it came before.
        link: what events come through, a value of the option `link`.
        packed: constants and states are in one memory, for a clock more per neuron.
        storage: how weights are stored, a value of the option of that name.
    """

    lanes: int
    update: str
    unique_inputs: bool = False
    link: str = "stream"
    packed: bool = False
    storage: str = "dense"


UPDATES = ("serial", "single", "pipelined")
"""By a sum per bit of a decay; by one product per decay; by two products in every clock."""
SHAPES = {"fast": Shape(8, "pipelined"), "compact": Shape(1, "serial")}
"""By layout."""


def shape_of(
    layout: str = "fast",
    lanes: str = AUTO,
    update: str = AUTO,
    unique_inputs: bool = False,
    link: str = "stream",
    pack: bool = False,
    storage: str = "dense",
) -> Shape:
    """The shape that options name: that of a layout, but for what is chosen.

    Raises:
        RangeError: both a neuron per clock and one memory for its constants and states; both
            several lanes and weights without zeros.
    """
    of_layout = SHAPES[layout]
    bitmap = storage == "bitmap"
    if bitmap and lanes not in (AUTO, "1"):
        raise RangeError(
            f"weights without zeros are added one by one, and `lanes` is {lanes}. Leave it out, or"
            " choose `storage=dense`"
        )
    if lanes == AUTO:
        lanes = "1" if bitmap else str(of_layout.lanes)
    update = of_layout.update if update == AUTO else update
    if pack and update == "pipelined":
        raise RangeError(
            "a pipelined update reads constants and states in the same clock, and `pack` puts them"
            " into one memory. Leave it out, or add `update=single`"
        )
    return Shape(int(lanes), update, unique_inputs, link, pack, storage)


Parameters = dict[str, int | tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Design:
    """A decoder of a network.

    Attributes:
        network: the network.
        shape: what is computed at the same time.
        order: indices of the network's layers in the order of computation: with a delay, the
            readout needs only spikes of the step before, and so is first.
        first: by layer of the network, the place of its first neuron in that order.
        parameters: those of `rsnn_core.v` that are numbers, by name; a tuple is one by layer, in
            the order of computation, with the name of the width of each.
    """

    network: IntegerNetwork
    shape: Shape
    order: tuple[int, ...]
    first: tuple[int, ...]
    parameters: Parameters

    def number(self, name: str) -> int:
        """A parameter that is one number."""
        value = self.parameters[name]
        assert isinstance(value, int)
        return value


def check_supported(network: IntegerNetwork) -> None:
    """Refuse a network that the decoder does not compute.

    Raises:
        UnsupportedError: the kind of a layer or an array that it has, a choice of the contract, or
            too many channels.
    """
    for name, layer in network.named_layers():
        if layer.kind() not in KINDS:
            raise UnsupportedError(
                f"`{name}` is {layer.kind()}; Verilog computes {' and '.join(KINDS)}. Export C"
                " instead"
            )
        if layer.connections()[0].weights.shape[1] > _MOST or layer.n_neurons > _MOST:
            raise UnsupportedError(
                f"`{name}` has {layer.n_neurons} neurons and"
                f" {layer.connections()[0].weights.shape[1]} senders below; Verilog numbers them in"
                f" 16 bits, up to {_MOST}. Export ONNX instead"
            )
        for array in layer.arrays_beyond("verilog"):
            raise UnsupportedError(
                f"`{name}` has `{array}`, which Verilog does not compute. Export C instead"
            )
    for field, values in CONTRACT.items():
        if (value := getattr(network.contract, field)) not in values:
            raise UnsupportedError(
                f"the contract's `{field}` is {value}; Verilog computes"
                f" {', '.join(map(str, values))}. Export C instead"
            )


def design_of(
    network: IntegerNetwork, shape: Shape, widths: Mapping[str, int] | None = None
) -> Design:
    """The decoder of a network.

    Args:
        network: the network.
        shape: what is computed at the same time.
        widths: `word_widths` of the network, which take time, where they are known.

    Raises:
        UnsupportedError: the decoder does not compute the network.
    """
    check_supported(network)
    c, last = network.contract, len(network.layers) - 1
    order = (last, *range(last)) if c.delay_steps else (*range(last), last)
    layers = [network.layers[i] for i in order]
    sizes = [layer.n_neurons for layer in layers]
    first = [0] * len(layers)
    for place, index in enumerate(order):
        first[index] = sum(sizes[:place])
    lists = [network.n_inputs, *(layer.n_neurons for layer in network.hidden)]
    starts = np.cumsum([0, *lists])[:-1].tolist()
    below = [_pre(layer) for layer in layers]
    own = [layer.n_neurons if len(layer.connections()) > 1 else 0 for layer in layers]
    apart = rows_apart(network)
    rows = sum(
        -(-n // shape.lanes) * (a + b)
        for n, a, b in list(zip(sizes, below, own, strict=True))[apart:]
    )
    widths = word_widths(network) if widths is None else widths
    constants = (
        widths["LEVEL_BITS"]
        + 2 * widths["DECAY_BITS"]
        + widths["BIAS_BITS"]
        + widths["BELOW_SHIFT_BITS"]
        + widths["OWN_SHIFT_BITS"]
        + apart * sizes[0] * widths["ROW_WEIGHT_BITS"]
    )
    largest = max(int(k.shifts.max()) for layer in layers for k in layer.connections())
    count = "COUNT_BITS"
    return Design(
        network,
        shape,
        order,
        tuple(first),
        {
            "N_INPUTS": network.n_inputs,
            "DATA_BITS": 8 if network.n_inputs < 1 << 8 else 16,
            "N_LAYERS": len(layers),
            "N_NEURONS": sum(sizes),
            "LANES": shape.lanes,
            "MULTIPLIER": int(shape.update != "serial"),
            "PIPELINED": int(shape.update == "pipelined"),
            "PACKED": int(shape.packed),
            "UNIQUE_INPUTS": int(shape.unique_inputs),
            "ROWS_APART": int(apart),
            "N_ROWS": network.readout.n_neurons,
            count: max(*sizes, shape.lanes).bit_length(),
            "NEURONS": (count, tuple(sizes)),
            "N_BELOW": ("WORD_ADDRESS_BITS", tuple(below)),
            "N_OWN": ("WORD_ADDRESS_BITS", tuple(own)),
            "READOUT_LAYER": order.index(last),
            "LAYER_BITS": _address_bits(len(layers)),
            "SOURCE_BELOW": ("LAYER_BITS", order),
            "POINTER_BITS": _address_bits(sum(lists)),
            "LIST_START": ("POINTER_BITS", tuple(starts)),
            "BELOW_START": ("POINTER_BITS", tuple(starts[i] for i in order)),
            "OWN_START": ("POINTER_BITS", tuple([*starts, 0][i + 1] for i in order)),
            "ID_BITS": _address_bits(max(*sizes, *lists)),
            "INPUT_BITS": _address_bits(network.n_inputs),
            "NEURON_BITS": _address_bits(sum(sizes)),
            "LOADED": int(shape.storage == "spram"),
            **(_bitmap(layers, apart) if shape.storage == "bitmap" else _dense(rows)),
            **widths,
            "CONSTANT_BITS": constants,
            "TURN_BITS": _address_bits(c.decay_frac),
            "SHIFTS_IN_TURNS": int(shape.update == "serial" and largest < c.decay_frac),
            "DECAY_FRAC": c.decay_frac,
            "FRAC_BITS": c.frac_bits,
            "ROUND_TO_ZERO": int(c.rounding == "toward_zero"),
            "CURRENT_IS_NEW": int(c.current == "new"),
            "FIRES_ON": ("previous_membrane", "new_membrane", "reset_membrane").index(c.fires_on),
            "FIRES_AT_EQUAL": int(c.fires_when == ">="),
            "RESET_SUBTRACTS": int(c.reset == "subtract"),
            "RESET_DROPS_INPUT": int(c.reset_drops_input),
            "RESET_DELAY": int(c.reset_delay),
            "DELAY_STEPS": c.delay_steps,
        },
    )


def rows_apart(network: IntegerNetwork) -> bool:
    """Whether rows of the readout have no blocks, since neurons that spike have their weights.

    With a delay, they are summed up for the next step.
    """
    delayed = network.contract.delay_steps == 1
    return delayed and len(network.layers) > 1 and network.readout.n_neurons <= _MOST_ROWS


def _dense(rows: int) -> Parameters:
    """Sizes of a memory with a word of weights per block and sender."""
    return {"BITMAP": 0, "N_WORDS": rows, "WORD_ADDRESS_BITS": _address_bits(rows)}


def _bitmap(layers: Sequence[Layer], apart: bool) -> Parameters:
    """Sizes and places of weights without zeros, layers in the order of computation."""
    gathered = layers[apart:]
    n_weights = sum(int((k.weights != 0).sum()) for n in gathered for k in n.connections())
    word_bits = _address_bits(n_weights)
    map_bits = 16 if word_bits <= 16 else 32
    starts: dict[bool, list[int]] = {True: [0] * apart, False: [0] * apart}
    place = 0
    for layer in gathered:
        row = 1 + -(-layer.n_neurons // map_bits)
        for own in (True, False):
            starts[own].append(place)
            place += row * sum(
                k.weights.shape[1] for k in layer.connections() if (k.source != BELOW) is own
            )
    recurrent = sum((len(layer.connections()) > 1) << i for i, layer in enumerate(layers))
    return {
        "BITMAP": 1,
        "N_WORDS": n_weights,
        "WORD_ADDRESS_BITS": word_bits,
        "N_MAPS": place,
        "MAP_BITS": map_bits,
        "MAP_INDEX_BITS": _address_bits(map_bits),
        "MAP_ADDRESS_BITS": _address_bits(place),
        "BELOW_MAPS": ("MAP_ADDRESS_BITS", tuple(starts[False])),
        "OWN_MAPS": ("MAP_ADDRESS_BITS", tuple(starts[True])),
        "RECURRENT": recurrent,
        "SUM_ADDRESS_BITS": _address_bits(max(layer.n_neurons for layer in gathered)),
    }


def level(layer: Layer) -> NDArray[np.int64]:
    """What a neuron's first constant holds (n_neurons,): ~threshold, or a row's first output."""
    return layer.initial("out") if layer.is_readout() else ~layer.values("threshold")


def shifts(layer: Layer) -> list[NDArray[np.int64]]:
    """Left shifts of the sums from below and of own spikes, (n_neurons,) each."""
    none = np.zeros(layer.n_neurons, np.int64)
    found = {connection.source == BELOW: connection.shifts for connection in layer.connections()}
    return [found.get(True, none), found.get(False, none)]


def _pre(layer: Layer) -> int:
    return layer.connections()[0].weights.shape[1]


def _address_bits(n: int) -> int:
    """Bits of a number below n, at least one."""
    return max(1, (n - 1).bit_length())


def word_widths(network: IntegerNetwork) -> dict[str, int]:
    """Widths of words: as narrow as worst cases allow, as wide as the contract where they do not.

    A word that cannot leave its width is neither saturated nor checked. Weights and sums of the
    readout are words of their own if it is apart.
    """
    apart = rows_apart(network)
    c, bounds = network.contract, state_bounds(network)
    gathered = network.hidden if apart else network.layers
    connections = [k for layer in network.layers for k in layer.connections()]
    syn = max(bounds[name].syn_bits for name in network.layer_names)
    mem = max(bounds[name].mem_bits for name in network.layer_names)
    mem = max(mem, _signed_bits([network.readout.initial("out")]))  # which no step asks for
    accs = [end for layer in network.layers for end in _sums(layer)[1]]
    row_sums = _signed_bits(_sums(network.readout)[0])
    sums = _signed_bits([end for layer in gathered for end in _sums(layer)[0]])
    biases = [layer.values("bias") for layer in network.layers if layer.bias is not None]
    return {
        "WEIGHT_BITS": _signed_bits([k.weights for n in gathered for k in n.connections()]),
        "ROW_WEIGHT_BITS": _signed_bits([network.readout.connections()[0].weights]),
        "SUM_BITS": max(sums, row_sums),
        "ROW_SUM_BITS": row_sums,
        "ACC_BITS": _signed_bits(accs),
        "SYN_BITS": max(2, min(syn, c.syn_bits)),
        "MEM_BITS": max(2, min(mem, c.mem_bits)),
        "LEVEL_BITS": _signed_bits([level(layer) for layer in network.layers]),
        "DECAY_BITS": max(
            1, max(int(d.max()).bit_length() for layer in network.layers for d in layer.decays())
        ),
        "BIAS_BITS": _signed_bits(biases) if biases else 0,
        "BELOW_SHIFT_BITS": _largest_shift(connections, below=True).bit_length(),
        "OWN_SHIFT_BITS": _largest_shift(connections, below=False).bit_length(),
        "SATURATE_SYN": int(syn > c.syn_bits and c.overflow_syn == "saturate"),
        "SATURATE_MEM": int(mem > c.mem_bits and c.overflow_mem == "saturate"),
    }


def _largest_shift(connections: Sequence[Connection], *, below: bool) -> int:
    """The largest shift of sums from below, or of own spikes."""
    return max(
        (int(k.shifts.max()) for k in connections if (k.source == BELOW) is below), default=0
    )


def _signed_bits(arrays: Sequence[NDArray[Any]]) -> int:
    """Least signed width that holds all values."""
    low = min(int(array.min()) for array in arrays)
    high = max(int(array.max()) for array in arrays)
    return int(bits_for(np.array([low]), np.array([high]))[0])


def _sums(layer: Layer) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Ends (n_neurons,) of the sum of each connection, and of all, shifted."""
    sums, low, high = [], np.zeros(layer.n_neurons, np.int64), np.zeros(layer.n_neurons, np.int64)
    for connection in layer.connections():
        down, up = -connection.pushes(-1).sum(1), connection.pushes(1).sum(1)
        sums += [down, up]
        low, high = low + (down << connection.shifts), high + (up << connection.shifts)
    return sums, [low, high]
