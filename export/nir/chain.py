"""A flat graph as a chain of layers, each fed by the one before and perhaps by itself."""

from dataclasses import dataclass

import nir
import numpy as np
from numpy.typing import NDArray

from base.errors import DataError
from export.nir.flatten import FlatGraph
from export.nir.views import remove_views
from rsnn.layer_arrays import check_size

Array = NDArray[np.float64]
NEURONS = (nir.CubaLIF, nir.LIF, nir.IF, nir.CubaLI, nir.LI, nir.I)
_KNOWN = (nir.Input, nir.Output, nir.Linear, nir.Affine, *NEURONS)


@dataclass(frozen=True)
class Stage:
    """A layer of the chain.

    Attributes:
        name: name of its node.
        node: its neurons; None for a readout that outputs the weighted sums of spikes.
        w_in: (post, pre).
        w_rec: (post, post), or None.
        bias: (post,), sum of all biases that arrive.
    """

    name: str
    node: nir.NIRNode | None
    w_in: Array
    w_rec: Array | None
    bias: Array


def chain_of(graph: FlatGraph) -> list[Stage]:
    """Follow a graph from its input to its output; weights between the same two nodes add up.

    Raises:
        DataError: a node that no layer can represent, more than one path, a cycle across layers,
            or arrays that do not fit or are not finite.
        RangeError: more weights than any plausible network has.
    """
    for name, node in graph.nodes.items():
        if not isinstance(node, (*_KNOWN, nir.Flatten)):
            kinds = ", ".join(kind.__name__ for kind in (*_KNOWN, nir.Flatten))
            raise DataError(
                f"node `{name}` is a {type(node).__name__}; only {kinds} can be represented"
            )
    remove_views(graph)
    source, target = (_single(graph, kind) for kind in (nir.Input, nir.Output))
    visited: set[str] = {source}
    stages: list[Stage] = []
    n_source = _size_of_input(source, graph.nodes[source])
    while source != target:
        feeds, post = _feeds(graph, source, visited)
        if post == target:
            if feeds != [None] or not stages or not _is_readout(stages[-1].node):
                stages.append(_stage(graph, None, target, (source, feeds), n_source))
            visited.add(target)
            break
        stage = _stage(graph, graph.nodes[post], post, (source, feeds), n_source)
        if stages and _is_readout(stages[-1].node):
            raise DataError(
                f"node `{stages[-1].name}` does not spike but feeds `{post}`; only the last layer"
                " can be without spikes"
            )
        stages.append(stage)
        n_source, source = len(stage.w_in), post
    if stray := sorted(set(graph.nodes) - visited):
        raise DataError(
            f"node `{stray[0]}` is not on the way from `{min(visited)}` to `{target}`; remove it or"
            " connect it"
        )
    if stages and stages[-1].node is None and len(stages) > 1 and _is_readout(stages[-2].node):
        raise DataError(
            f"node `{stages[-2].name}` does not spike but has weights behind it; let it be the last"
        )
    if not [stage for stage in stages if not _is_readout(stage.node)]:
        raise DataError(
            "the graph has no LIF, CubaLIF or IF node; a network has a layer that spikes"
        )
    return stages


def _is_readout(node: nir.NIRNode | None) -> bool:
    """Whether a node never spikes: by kind, or because no membrane reaches its threshold."""
    if isinstance(node, nir.CubaLIF | nir.LIF | nir.IF):
        return bool(np.all(np.asarray(node.v_threshold) == np.inf))
    return True


def _single(graph: FlatGraph, kind: type) -> str:
    found = [name for name, node in graph.nodes.items() if isinstance(node, kind)]
    if len(found) != 1:
        raise DataError(f"the graph has {len(found)} {kind.__name__} nodes; it needs one")
    return found[0]


def _feeds(graph: FlatGraph, source: str, visited: set[str]) -> tuple[list[str | None], str]:
    """The weights behind a layer, None for one to one, and the next layer or the output."""
    ways: list[tuple[str | None, str]] = []
    for name in graph.after(source):
        if not isinstance(graph.nodes[name], nir.Linear | nir.Affine):
            ways.append((None, name))
            continue
        if graph.before(name) != [source]:
            raise DataError(f"node `{name}` has {len(graph.before(name))} inputs; it may have one")
        for post in graph.after(name):
            if isinstance(graph.nodes[post], nir.Linear | nir.Affine):
                raise DataError(
                    f"node `{name}` feeds `{post}` without neurons in between; multiply their"
                    " weights"
                )
            ways.append((name, post))
        visited.add(name)
    forward = [post for _, post in ways if post != source]
    if len(set(forward)) != 1:
        to = ", ".join(f"`{post}`" for post in dict.fromkeys(forward)) or "nothing"
        raise DataError(f"node `{source}` feeds {to}; a layer feeds one layer and itself")
    post = forward[0]
    if post in visited:
        raise DataError(
            f"node `{source}` feeds `{post}`, which comes before it: a cycle across layers; only a"
            " layer's own spikes may come back to it"
        )
    visited.add(post)
    return [feed for feed, to in ways if to == post], post


def _stage(
    graph: FlatGraph,
    node: nir.NIRNode | None,
    name: str,
    way: tuple[str, list[str | None]],
    n_source: int,
) -> Stage:
    """The layer `name`, which is fed by a source through weights, or one to one without."""
    source, feeds = way
    fed_by = [source if feed is None else feed for feed in feeds]
    w_in, bias = _sum(graph, feeds, n_source)
    n = len(w_in)
    own = [
        pre
        for pre in graph.before(name)
        if pre == name or (pre not in fed_by and graph.before(pre) == [name])
    ]
    others = [pre for pre in graph.before(name) if pre not in own and pre not in fed_by]
    if others:
        raise DataError(f"node `{name}` is fed by `{fed_by[0]}` and `{others[0]}`; one may feed it")
    if node is None:
        return Stage(name, None, w_in, None, bias)
    if own and _is_readout(node):
        raise DataError(f"node `{name}` does not spike but feeds itself; remove that connection")
    w_rec = None
    if own:
        w_rec, more = _sum(graph, [None if pre == name else pre for pre in own], n)
        if w_rec.shape != (n, n):
            raise DataError(f"node `{own[0]}` has weights of shape {w_rec.shape}; {(n, n)} fits")
        bias = bias + more
    return Stage(name, node, w_in, w_rec, bias)


def _sum(graph: FlatGraph, names: list[str | None], n_pre: int) -> tuple[Array, Array]:
    """Weights (post, pre) and bias (post,) of nodes between the same two, whose currents add up."""
    weight, bias = _weights(graph, names[0], n_pre)
    for name in names[1:]:
        more, more_bias = _weights(graph, name, n_pre)
        if more.shape != weight.shape:
            raise DataError(
                f"weights of shapes {weight.shape} and {more.shape} meet at one node"
                f" ({', '.join(f'`{each}`' for each in names if each)}); they are added up, so make"
                " their shapes equal"
            )
        weight, bias = weight + more, bias + more_bias
    return weight, bias


def _weights(graph: FlatGraph, name: str | None, n_pre: int) -> tuple[Array, Array]:
    """Weights (post, pre) and bias (post,) of a node; one to one where there is none."""
    if name is None:
        check_size([(n_pre, n_pre)])
        return np.eye(n_pre), np.zeros(n_pre)
    node = graph.nodes[name]
    weight = finite(name, "weight", getattr(node, "weight", None))
    if weight.ndim != 2 or weight.size == 0 or weight.shape[1] != n_pre:
        raise DataError(
            f"node `{name}` has weights of shape {weight.shape}; (neurons, {n_pre}) is needed"
        )
    bias = np.zeros(len(weight))
    if isinstance(node, nir.Affine):
        bias = spread(name, "bias", node.bias, len(weight))
    return weight, bias


def _size_of_input(name: str, node: nir.NIRNode) -> int:
    shapes = [finite(name, "shape", shape) for shape in (node.input_type or {}).values()]
    if [shape.size for shape in shapes] != [1]:
        raise DataError(f"node `{name}` has no shape (channels,); flatten the input")
    size = float(shapes[0].item())
    if size < 1 or not size.is_integer():
        raise DataError(
            f"node `{name}` has {size:g} channels; at least 1, a whole number, is needed"
        )
    return int(size)


def finite(name: str, key: str, value: object) -> Array:
    """An array of a node as float64.

    Raises:
        DataError: its values are not real numbers, or not finite.
    """
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise DataError(f"node `{name}`: `{key}` holds no real numbers")
    array = array.astype(np.float64)
    if not np.all(np.isfinite(array)):
        raise DataError(f"node `{name}`: `{key}` holds NaN or infinity; every value must be finite")
    return array


def spread(name: str, key: str, value: object, n: int) -> Array:
    """A parameter of a node for each of its n neurons; one value stands for all.

    Raises:
        DataError: as in `finite`, or a different number of values.
    """
    array = finite(name, key, value)
    if array.size == 1:
        return np.full(n, array.reshape(()))
    if array.shape != (n,):
        raise DataError(f"node `{name}`: `{key}` has shape {array.shape}; {(n,)} or one value fits")
    return array
