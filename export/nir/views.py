"""Flatten nodes, which move no value: a graph without them."""

import nir
import numpy as np
from nir.ir.utils import calc_flatten_output

from base.errors import DataError
from export.nir.flatten import FlatGraph


def remove_views(graph: FlatGraph) -> None:
    """Connect what is before each Flatten to what is behind it; flattened input becomes one axis.

    Channels are in the order of the elements in memory, the last axis fastest, as in torch.

    Raises:
        DataError: a Flatten with several inputs, of another shape than that of the input, or that
            leaves more than one axis.
    """
    inputs = [name for name, node in graph.nodes.items() if isinstance(node, nir.Input)]
    flattened = {name for name in inputs if _is_flattened(graph, name)}
    while views := [name for name, node in graph.nodes.items() if isinstance(node, nir.Flatten)]:
        of_none = [name for name in views if not set(graph.before(name)) & set(views)]
        name = (of_none or views)[0]
        sources = graph.before(name)
        if len(sources) != 1 or not of_none:
            raise DataError(f"node `{name}` has {len(sources)} inputs; it flattens one")
        _check(name, graph.nodes[name], sources[0], graph.nodes[sources[0]])
        targets = graph.after(name)
        kept = [edge for edge in graph.edges if name not in edge]
        graph.edges = kept + [(sources[0], target) for target in targets]
        del graph.nodes[name]
    for name in flattened:
        graph.nodes[name] = nir.Input(np.array([np.prod(_shape(graph.nodes[name]))]))


def _is_flattened(graph: FlatGraph, name: str) -> bool:
    behind = [graph.nodes[other] for other in graph.after(name)]
    return bool(behind) and all(isinstance(node, nir.Flatten) for node in behind)


def _shape(node: nir.NIRNode) -> tuple[int, ...]:
    return tuple(int(size) for size in np.ravel(node.input_type["input"]))


def _check(name: str, node: nir.Flatten, source: str, before: nir.NIRNode) -> None:
    declared = (node.input_type or {}).get("input")
    shape = None if declared is None else tuple(int(size) for size in np.ravel(declared))
    if isinstance(before, nir.Input):
        whole = _shape(before)
        if shape not in (None, whole, (int(np.prod(whole)),)):  # the last behind another Flatten
            raise DataError(f"node `{name}` flattens {shape}, but `{source}` has shape {whole}")
        shape = shape or whole
    if shape is None:  # of what is one axis already
        return
    found = [int(size) for size in calc_flatten_output(shape, node.start_dim, node.end_dim)]
    if sum(size != 1 for size in found) > 1:
        raise DataError(
            f"node `{name}` leaves {tuple(found)} of {shape}, with `start_dim`"
            f" {int(node.start_dim)} and `end_dim` {int(node.end_dim)}; flatten all axes"
        )
