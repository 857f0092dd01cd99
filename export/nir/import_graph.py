"""From a graph without a contract to a float model."""

from typing import TYPE_CHECKING, Any

import nir

from base.checks import check_choice
from base.order import Order
from export.nir.chain import chain_of
from export.nir.flatten import flatten
from export.nir.layers import TimeStep, layer_of

if TYPE_CHECKING:
    from rsnn.model import RSNN

_THROUGH = {"current": "new", "delay_steps": 0}  # a step's input goes through all layers in it
ORDERS: dict[str, dict[str, Any]] = {
    "at-once": {**_THROUGH, "fires_on": "new_membrane"},
    "snntorch": {**_THROUGH, "fires_on": "reset_membrane"},
    "delayed-reset": {**_THROUGH, "fires_on": "reset_membrane", "reset_delay": True},
    "published": {"current": "previous", "fires_on": "previous_membrane"},
}
RESETS: dict[str, dict[str, Any]] = {
    "zero": {"reset": "zero", "reset_drops_input": True},
    "zero-keep-input": {"reset": "zero", "reset_drops_input": False},
    "subtract": {"reset": "subtract", "reset_drops_input": False},
}


FIRES: dict[str, dict[str, Any]] = {
    "above": {"fires_when": ">"},
    "at": {"fires_when": ">="},
}


def order_of(order: str, reset: str, fires: str = "above") -> Order:
    """The order of a step, which NIR does not define, by the names of `import-nir`'s options.

    Raises:
        RangeError: no such order, reset or way to fire.
    """
    check_choice("order", order, ORDERS)
    check_choice("reset", reset, RESETS)
    check_choice("fires", fires, FIRES)
    return Order(**ORDERS[order], **RESETS[reset], **FIRES[fires])


def import_graph(graph: nir.NIRGraph, time: TimeStep, order: Order) -> "RSNN":
    """Make a float model of a graph.

    Layers are computed one after the other, as NIR's connections have no delay, and recurrence
    takes a step. In the order `published` every connection takes a step, except biases, which
    act from the first step on.

    Args:
        graph: nodes and edges; types need not have been checked.
        time: dt and discretization.
        order: order of a step, including its reset.

    Raises:
        DataError: the graph, a node or a parameter cannot be represented; the text names it.
        RangeError: it is too large.
    """
    from rsnn.from_arrays import model_of  # only now, because torch takes a second to import

    stages = chain_of(flatten(graph))
    layers = [layer_of(stage, time) for stage in stages]
    return model_of(layers[:-1], layers[-1], time.dt, order)
