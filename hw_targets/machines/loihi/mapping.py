"""A map of a network's compartments to the cores of a chip, and how full each core is.

Neurons of a layer go to cores in the order of their thresholds and decays, so that those that share
them meet; a core takes neurons until the next would exceed one of its limits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from hw_targets.machines.loihi.chip import LARGEST_VTH, THRESHOLD_BITS, on_grid
from sim.layer import OWN, Layer
from sim.network import IntegerNetwork

_DENSE_BITS = 8  # of a weight, where each neuron of the core has one
_SPARSE_BITS = 18  # of a weight with the number of its neuron
_WAYS_OUT = {
    "neurons": "use fewer",
    "decay_pairs": "let more neurons have the same decays",
    "thresholds": "let more neurons have the same threshold",
    "axons_in": "prune weights, so that neurons have fewer senders",
    "axons_out": "prune weights, so that neurons send to fewer others",
    "synapse_bits": "prune weights",
}


@dataclass(frozen=True)
class Core:
    """What a core holds, or what it has room for.

    Attributes:
        neurons: compartments.
        decay_pairs: pairs of du and dv, which compartments share.
        thresholds: values of vth, which they share.
        axons_in: inputs and neurons that send it spikes.
        axons_out: cores that its neurons send spikes to, counted for each neuron.
        synapse_bits: memory of weights: for each sender the smaller of 8 bits per neuron of the
            core and 18 per weight that is not 0.
    """

    neurons: int
    decay_pairs: int
    thresholds: int
    axons_in: int
    axons_out: int
    synapse_bits: int


@dataclass(frozen=True)
class Placed:
    """A core of a map.

    Attributes:
        layers: by name of a layer, the indices of the neurons that are there.
        use: what it holds.
    """

    layers: dict[str, tuple[int, ...]]
    use: Core


@dataclass(frozen=True)
class _Open:
    """A core that is being filled; `weights` counts those of each sender that are not 0."""

    weights: NDArray[np.int32]
    places: tuple[tuple[int, int], ...] = ()
    pairs: frozenset[tuple[int, int]] = frozenset()
    thresholds: frozenset[int] = frozenset()

    def with_one(
        self, place: tuple[int, int], weights: NDArray[np.int32], pair: tuple[int, int], vth: int
    ) -> "_Open":
        """The core with one more neuron; `weights` (senders,) are 1 where it has one."""
        return _Open(
            self.weights + weights,
            (*self.places, place),
            self.pairs | {pair},
            self.thresholds | {vth},
        )

    def use(self, axons_out: int) -> Core:
        n, sent = len(self.places), self.weights[self.weights > 0]
        bits = np.minimum(_DENSE_BITS * n, _SPARSE_BITS * sent).sum()
        return Core(n, len(self.pairs), len(self.thresholds), len(sent), axons_out, int(bits))


def placed(network: IntegerNetwork, room: Core) -> list[Placed]:
    """The cores that a network takes, each within `room` where one neuron alone is.

    Axons to other cores are known only when all are placed, so they are not looked at here.
    """
    starts = list(accumulate((layer.n_neurons for layer in network.layers), initial=0))
    n_senders = network.n_inputs + starts[-1]
    empty = _Open(np.zeros(n_senders, np.int32))
    cores: list[_Open] = []
    for index, layer in enumerate(network.layers):
        senders = _senders(network, index, starts, n_senders)
        pairs, thresholds = _constants(layer)
        for neuron in sorted(range(len(pairs)), key=lambda i: (thresholds[i], pairs[i])):
            added = (index, neuron), senders[neuron], pairs[neuron], thresholds[neuron]
            if not cores or any(_excess(cores[-1].with_one(*added).use(0), room)):
                cores.append(empty)
            cores[-1] = cores[-1].with_one(*added)
    receiving = np.sum([core.weights > 0 for core in cores], axis=0)[network.n_inputs :]
    found = []
    for core in cores:
        sent = sum(int(receiving[starts[index] + neuron]) for index, neuron in core.places)
        layers: dict[str, tuple[int, ...]] = {}
        for index, neuron in core.places:
            name = network.layer_names[index]
            layers[name] = (*layers.get(name, ()), neuron)
        found.append(Placed(layers, core.use(sent)))
    return found


def shares(cores: Sequence[Placed], room: Core) -> dict[str, float]:
    """Of each thing that a core has, the part in use of all of them in the cores of a map."""
    return {
        what: sum(asdict(core.use)[what] for core in cores) / (len(cores) * most)
        for what, most in asdict(room).items()
    }


def beyond(cores: Sequence[Placed], room: Core, n_cores: int) -> Iterator[str]:
    """What of a map exceeds the chip, a line for each."""
    if len(cores) > n_cores:
        used = shares(cores, room)
        fullest = max(used, key=used.__getitem__)
        yield (
            f"cores: {len(cores)}; a chip has {n_cores}. They are full by their {fullest}"
            f" ({used[fullest]:.0%}): {_WAYS_OUT[fullest]}"
        )
    for what, most in asdict(room).items():
        found = {i: n for i, core in enumerate(cores) if (n := asdict(core.use)[what]) > most}
        if found:
            worst = max(found, key=found.__getitem__)
            yield (
                f"{what}: {len(found)} cores take more than {most}, core {worst} of"
                f" {' and '.join(cores[worst].layers)} {found[worst]}: {_WAYS_OUT[what]}"
            )


def _excess(use: Core, room: Core) -> Iterator[str]:
    """What a core would have more of than it has room for."""
    most = asdict(room)
    return (what for what, value in asdict(use).items() if value > most[what])


def _senders(
    network: IntegerNetwork, index: int, starts: list[int], n_senders: int
) -> NDArray[np.int32]:
    """Which of all inputs and neurons have a weight to each neuron of a layer, (post, senders)."""
    layer = network.layers[index]
    found = np.zeros((layer.n_neurons, n_senders), np.int32)
    below = 0 if index == 0 else network.n_inputs + starts[index - 1]
    for connection in layer.connections():
        first = network.n_inputs + starts[index] if connection.source == OWN else below
        found[:, first : first + connection.weights.shape[1]] += connection.weights != 0
    return found


def _constants(layer: Layer) -> tuple[list[tuple[int, int]], list[int]]:
    """Decays of each neuron, and its threshold, the nearest that there is."""
    syn, mem = layer.values("decay_syn").tolist(), layer.values("decay_mem").tolist()
    pairs = list(zip(syn, mem, strict=True))
    if layer.is_readout():
        return pairs, [LARGEST_VTH << THRESHOLD_BITS] * layer.n_neurons
    return pairs, on_grid(layer.values("threshold")).tolist()
