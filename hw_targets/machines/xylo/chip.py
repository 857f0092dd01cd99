"""A network in the parameters of Xylo's core, and what of it the core does not hold.

Limits: SynSense's overview of the Xylo family (Rockpool's documentation, devices).
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from base.errors import UnsupportedError
from sim.arithmetic.ranges import UNBOUNDED
from sim.bounds.layers import state_bounds
from sim.layer import Connection, Layer
from sim.network import IntegerNetwork

Integers = NDArray[np.int64]
KINDS = ("multi_spike_cuba_lif", "two_synapse_cuba_lif", "firing_cuba_li")
LARGEST_SHIFT = 7  # of a matrix, by which no weight of 8 bits leaves 16
_MARKS = ("", "2")  # of the arrays of a neuron's synapses


@dataclass(frozen=True)
class Room:
    """What a core has room for.

    Attributes:
        inputs: channels.
        hidden: neurons between inputs and readouts.
        outputs: readouts.
        fan_in: weights of a hidden neuron, of both synapses.
        fan_out: weights of a hidden neuron's spikes.
    """

    inputs: int
    hidden: int
    outputs: int
    fan_in: int
    fan_out: int


@dataclass(frozen=True)
class Chip:
    """The parameters of a core of I inputs, H hidden neurons, O readouts and K synapses.

    Attributes:
        version: 2 of the core of XyloAudio 2, XyloAudio 3 and XyloIMU, 1 of the one before.
        w_in, w_rec, w_out: (I, H, K), (H, H, K) and (H, O, 1) weights.
        shift_in, shift_rec, shift_out: left shift of each.
        threshold, threshold_out: (H,) and (O,).
        decay_mem, decay_mem_out: (H,) and (O,) shifts.
        decay_syn, decay_syn_out: (H, K) and (O, 1) shifts.
        bias, bias_out: (H,) and (O,), to the membrane.
    """

    version: int
    w_in: Integers
    w_rec: Integers
    w_out: Integers
    shift_in: int
    shift_rec: int
    shift_out: int
    threshold: Integers
    threshold_out: Integers
    decay_mem: Integers
    decay_mem_out: Integers
    decay_syn: Integers
    decay_syn_out: Integers
    bias: Integers
    bias_out: Integers


def parameters(network: IntegerNetwork) -> Chip:
    """The parameters of a network that a core holds, if it has room.

    Raises:
        UnsupportedError: it cannot hold it; the message has every reason.
    """
    if found := list(violations(network)):
        raise UnsupportedError("; ".join(found))
    hidden, readout = network.layers
    marks = [mark for mark in _MARKS if f"w_in{mark}" in hidden.declared()]
    n = hidden.n_neurons

    def matrix(layer: Layer, way: str, n_pre: int) -> Integers:
        ways = marks if layer is hidden else _MARKS[:1]
        parts = [getattr(layer, f"w_{way}{mark}") for mark in ways]
        none = np.zeros((layer.n_neurons, n_pre), np.int64)
        whole = [none if part is None else part.astype(np.int64) for part in parts]
        return np.stack([part.T for part in whole], 2)

    shifts = {k.name: int(k.shifts[0]) for x in network.layers for k in x.connections()}
    return Chip(
        version=2 if network.contract.by_increment else 1,
        w_in=matrix(hidden, "in", network.n_inputs),
        w_rec=matrix(hidden, "rec", n),
        w_out=matrix(readout, "out", n),
        shift_in=shifts["w_in"],
        shift_rec=shifts.get("w_rec", shifts.get("w_rec2", 0)),
        shift_out=shifts["w_out"],
        threshold=hidden.values("threshold"),
        threshold_out=readout.values("threshold"),
        decay_mem=hidden.values("decay_mem"),
        decay_mem_out=readout.values("decay_mem"),
        decay_syn=np.stack([hidden.values(f"decay_syn{mark}") for mark in marks], 1),
        decay_syn_out=readout.values("decay_syn")[:, None],
        bias=hidden.values("bias"),
        bias_out=readout.values("bias"),
    )


def violations(network: IntegerNetwork) -> Iterator[str]:
    """What of a network under Xylo's contract a core does not hold whatever its room, by line.

    Each has the smallest change after which it holds it.
    """
    if len(network.layers) != 2:
        yield f"layers: {len(network.layers) - 1} hidden ones; the chip has one. Train one"
    for name, layer in network.named_layers():
        yield from _matrices(name, layer)
    *_, readout = network.layers
    started = np.flatnonzero(readout.initial("out"))
    if started.size:
        value = int(readout.initial("out")[started[0]])
        yield (
            f"`readout.initial_out` of row {started[0]} is {value}; the chip's states start at 0:"
            " make it 0"
        )
    if not network.contract.by_increment and any(
        layer.values("bias").any() for layer in network.layers
    ):
        yield "`bias`: the first core has none. Make a network without biases"


def can_saturate(network: IntegerNetwork) -> list[str]:
    """The words that worst cases do not prove never to saturate, with how far they can go.

    Where there is none, the order in which spikes arrive cannot matter: each word is the exact sum.
    """
    bounds, found = state_bounds(network, unlimited=True), []
    for name, layer in network.named_layers():
        for state, word in layer.STATES.items():
            if not word:
                continue
            low, high = network.contract.range_of(word)
            reach = bounds[name].range_of(state)
            least, most = int(reach.low.min()), int(reach.high.max())
            if least < low or most > high:
                ends = ["-inf" if least <= -UNBOUNDED else str(least)]
                ends += ["inf" if most >= UNBOUNDED else str(most)]
                found.append(f"{name}.{state}: {'..'.join(ends)}")
    return found


def use(network: IntegerNetwork) -> Room:
    """What a network takes of a core; of neurons the most that one takes."""
    hidden, readout = network.layers[0], network.readout
    fan_in = sum((k.weights != 0).sum(1) for k in hidden.connections())
    out = [k for k in hidden.connections() if k.source == "own"] + list(readout.connections())
    fan_out = sum((k.weights != 0).sum(0) for k in out)
    n_hidden = sum(layer.n_neurons for layer in network.hidden)
    return Room(
        network.n_inputs, n_hidden, readout.n_neurons, int(np.max(fan_in)), int(np.max(fan_out))
    )


def beyond(network: IntegerNetwork, room: Room) -> Iterator[str]:
    """What of a network exceeds a core's room, a line for each, with the change that fits."""
    ways_out = {
        "inputs": "group channels into {}",
        "hidden": "train {} neurons",
        "outputs": "decode at most {} rows, with one head",
        "fan_in": "prune until no hidden neuron receives through more than {} weights",
        "fan_out": "prune until no hidden neuron sends through more than {} weights",
    }
    most = asdict(room)
    for what, value in asdict(use(network)).items():
        if value > most[what]:
            way_out = ways_out[what].format(most[what])
            yield f"{what}: {value}; the core has room for {most[what]}: {way_out}"


def _matrices(name: str, layer: Layer) -> Iterator[str]:
    by_shift: dict[str, list[Connection]] = {}
    for k in layer.connections():
        by_shift.setdefault(k.name.rstrip("2"), []).append(k)
    for matrix, connections in by_shift.items():
        shifts = sorted({int(s) for k in connections for s in k.shifts})
        if len(shifts) > 1:
            yield (
                f"`{name}.{matrix}` has shifts of {', '.join(map(str, shifts))}; the chip has one"
                f" for all of a matrix: quantize with one scale per matrix"
            )
        elif shifts[0] > LARGEST_SHIFT:
            yield (
                f"`{name}.{matrix}` is shifted by {shifts[0]}; by more than {LARGEST_SHIFT} a"
                " weight leaves its 16 bits: make thresholds smaller"
            )
