"""C of a layer that decides alone, event by event: a queue of events in, a class out.

It stands beside the step in the same sources, with the same tables, where `sim.fast.events`
lets it be computed so.
"""

import numpy as np

from base.errors import UnsupportedError
from export.firmware.tables import element
from export.firmware.templates import counter, filled
from sim.fast.events import check_network, n_steps_of
from sim.network import IntegerNetwork

_MOST = (1 << 16) - 1  # steps, which are counted in 16 bits


def has_events(network: IntegerNetwork) -> bool:
    """Whether a network's C has functions that take events one by one."""
    try:
        check(network)
    except UnsupportedError:
        return False
    return True


def check(network: IntegerNetwork) -> None:
    """Refuse a network whose C has no functions that take events.

    Raises:
        UnsupportedError: see `sim.fast.events.check_network`; samples of too many steps.
    """
    check_network(network)
    if (n_steps := n_steps_of(network.readout)) > _MOST:
        raise UnsupportedError(f"a sample has {n_steps} steps; C counts up to {_MOST}")


def header(network: IntegerNetwork) -> str:
    """The declarations; nothing for other networks."""
    if not has_events(network):
        return ""
    return "\n" + filled("first_spikes.h", {"N_STEPS": str(n_steps_of(network.readout))}).rstrip()


def source(network: IntegerNetwork) -> str:
    """The functions; nothing for other networks."""
    if not has_events(network):
        return ""
    layer, frac_bits = network.readout, network.contract.frac_bits
    scale = f" * {1 << frac_bits}" if frac_bits else ""
    parts = {
        "FEWEST": str(fewest_events(network)),
        "SCALE": scale,
        "OVER": network.contract.fires_when,
        "THRESHOLD": element("readout", "threshold", layer.threshold),
        "LABEL": element("readout", "label", layer.label).replace("[i]", "[first]"),
    }
    return "\n" + filled("first_spikes.c", parts).rstrip()


def fewest_events(network: IntegerNetwork) -> int:
    """The number of events below which no neuron can fire, whichever they are.

    Each input has one event, so a neuron needs as many as it has largest weights that make up its
    threshold; one more than there are inputs if none can fire.
    """
    layer, c = network.readout, network.contract
    largest = -np.sort(-np.maximum(layer.w_in, 0).astype(np.int64)) << c.frac_bits
    highest = np.concatenate([np.zeros((len(largest), 1), np.int64), largest.cumsum(1)], 1)
    lacks = highest <= layer.threshold[:, None].astype(np.int64) - (c.fires_when == ">=")
    return int(lacks.sum(1).min())


def replay_source(network: IntegerNetwork, name: str) -> str:
    """A program that replays samples from a file, event by event, and writes how they end."""
    return filled("replay_first_spikes.c", {"COUNTER": counter(), "NAME": name})
