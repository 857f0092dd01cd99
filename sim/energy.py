"""An estimate of the energy per step in a plain digital circuit.

Energies of operations in 45 nm at 0.9 V from Horowitz (ISSCC 2014). The circuit keeps weights and
state in one SRAM as large as they need, reads a weight for every effective accumulate (AC), and
reads, decays and writes every state word of every neuron at every step. Clock, control and leakage
are left out, so compare networks with it, not chips.
"""

from collections import Counter
from dataclasses import dataclass

from sim.metrics import storage
from sim.network import IntegerNetwork

ADD, MULTIPLY = 0.1, 3.1  # pJ, 32-bit integers
READ_BITS = 64
READ = ((8 << 13, 10.0), (32 << 13, 20.0), (1024 << 13, 100.0))  # SRAM bits, pJ to read 64 of them


@dataclass(frozen=True)
class Energy:
    """Picojoules per step, for synaptic operations and for neuron updates."""

    synapses: float
    neurons: float

    @property
    def total(self) -> float:
        return self.synapses + self.neurons


def energy(network: IntegerNetwork, effective_acs: float, effective_macs: float = 0.0) -> Energy:
    """Estimate the energy of a step.

    Args:
        network: the network.
        effective_acs, effective_macs: effective accumulates, and multiplications with an
            accumulate, per step, as `sim.metrics` counts them.
    """
    c = network.contract
    n_neurons: Counter[tuple[int, ...]] = Counter()  # by the widths of their words
    for layer in network.layers:
        n_neurons[tuple(c.bits_of(word) for word in layer.STATES.values() if word)] += (
            layer.n_neurons
        )
    size = storage(network).stored_bits + sum(n * sum(words) for words, n in n_neurons.items())
    read = next((pj for bits, pj in READ if size <= bits), READ[-1][1]) / READ_BITS
    neurons = 0.0
    for words, n in n_neurons.items():
        neurons += n * (len(words) * (MULTIPLY + ADD) + 2 * sum(words) * read + ADD)
    synapses = (effective_acs + effective_macs) * (ADD + c.weight_bits * read)
    return Energy(synapses + effective_macs * MULTIPLY, neurons)
