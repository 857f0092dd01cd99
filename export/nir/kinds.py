"""The kinds of layers that NIR has nodes for."""

from base.errors import RangeError, UnsupportedError
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.kinds.first_spike import FirstSpike
from sim.layer import Layer
from sim.network import IntegerNetwork


def decides(layer: Layer) -> bool:
    """Whether a layer has the arrays of one that decides by first spikes."""
    return set(FirstSpike.declared()) <= set(layer.declared())


def check_kinds(network: IntegerNetwork, reader: str = "exact", *, is_exact: bool = True) -> None:
    """Refuse a layer that no node represents.

    For readers of the metadata, a kind with the arrays of a CuBa-LIF or of a CuBa-LI is written as
    one, further matrices as linear nodes of their own, and first spikes as integrate-and-fire
    neurons, since the node is only a description; other readers would compute a different neuron.

    Args:
        network: the network.
        reader: name of the reader.
        is_exact: whether it reads the metadata.

    Raises:
        UnsupportedError: there is no node for a kind.
        RangeError: the reader does not compute a kind.
    """
    nodes = [set(CubaLIF.declared()) - {"bias"}, set(CubaLI.declared()) - {"bias", "e_out"}]
    for name, kind in network.kinds().items():
        layer = network.layers[network.layer_names.index(name)]
        if not (any(node <= set(layer.declared()) for node in nodes) or decides(layer)):
            lacking = ", ".join(f"no `{s}`" for s in layer.STATES if s not in CubaLIF.STATES)
            why = f": its current-based neuron has {lacking}" if lacking else ""
            raise UnsupportedError(
                f"{name} is of kind {kind}, for which NIR has no node{why}; export C or ONNX"
            )
        if not is_exact:
            raise RangeError(
                f"{name} is of kind {kind}, which {reader} does not compute; export with"
                " `reader=exact`"
            )
