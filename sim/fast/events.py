"""Networks whose first spikes follow from events in their order, without a clock."""

from typing import Any

import numpy as np

from base.errors import UnsupportedError
from sim.contract import signed_range
from sim.kinds.first_spike import FirstSpike
from sim.layer import SPIKES
from sim.network import IntegerNetwork


def has_engine(network: IntegerNetwork) -> bool:
    """Whether a network is of the kind that this engine is for."""
    return [type(layer) for layer in network.layers] == [FirstSpike]


def n_steps_of(layer: Any) -> int:
    """Steps of a sample: those after which the first neuron's `lead` is 0."""
    return int(-(-layer.lead_start[0] // layer.lead_step[0]))


def check_network(network: IntegerNetwork) -> None:
    """Refuse a network whose first spikes do not follow from events in their order.

    Raises:
        UnsupportedError: the text names what stands in the way.
    """
    if not has_engine(network):
        kinds = ", ".join(layer.kind() for layer in network.layers)
        raise UnsupportedError(f"the layers are {kinds}; the engine computes first_spike alone")
    c, layer = network.contract, network.readout
    for field, needed in (("inputs_once", True), ("delay_steps", 0)):
        if (found := getattr(c, field)) != needed:
            raise UnsupportedError(f"`{field}` is {found}; the event-driven engine needs {needed}")
    if network.input_values != SPIKES:
        raise UnsupportedError("inputs have several bits; the event-driven engine takes spikes")
    if layer.decay_mem.min() < 1 << c.decay_frac:
        raise UnsupportedError(
            "potentials leak; the event-driven engine computes neurons without a leak, as between"
            " events it does nothing"
        )
    steps = -(-layer.lead_start // layer.lead_step)
    if steps.min() != steps.max():
        raise UnsupportedError("neurons have samples of different lengths")
    low, high = layer.limits(c).get("asked_v", (np.array([np.iinfo(np.int64).min]),) * 2)
    word = signed_range(c.mem_bits)
    if low.min() < word[0] or high.max() > word[1]:
        raise UnsupportedError(
            f"potentials may leave their word of {c.mem_bits} bits; the event-driven engine needs"
            " one that holds all weights of a sign"
        )
