"""C of one layer of which each input spikes once: an event's weights are added as it arrives.

No step passes over all inputs, and the state has none of the last step.
"""

from export.firmware.tables import is_sparse
from export.firmware.templates import filled
from sim.layer import BELOW, SPIKES
from sim.network import IntegerNetwork


def is_direct(network: IntegerNetwork) -> bool:
    """Whether an event can be added as it arrives: once only, to one layer, in the same step."""
    c, (layer, *above) = network.contract, network.layers
    sources = [(k.source, k.values) for k in layer.connections()]
    return not above and c.inputs_once and not c.delay_steps and sources == [(BELOW, SPIKES)]


def add_row(network: IntegerNetwork) -> str:
    """The function that adds the weights of an input."""
    ((name, layer),) = network.named_layers()
    (below,) = layer.connections()
    form = "add_row_sparse.c" if is_sparse(below.weights) else "add_row.c"
    parts = {"WEIGHTS": f"{name}_{below.name}", "TYPE": f"{below.weights.dtype}_t"}
    return filled(form, parts | {"N": str(layer.n_neurons)}).rstrip()


def steps(network: IntegerNetwork) -> str:
    """The functions of a step, which take events as a list or as a bitmap."""
    ((name, layer),) = network.named_layers()
    (below,) = layer.connections()
    return filled("steps_once.c", {"SUMS": f"{name}_rows_{below.name}"}).rstrip()
