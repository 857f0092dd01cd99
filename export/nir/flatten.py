"""Nested graphs as one flat graph of nodes and edges."""

from dataclasses import dataclass, field

import nir

from base.errors import DataError

MAX_NESTS = 8
MAX_EDGES = 4000

Edge = tuple[str, str]


@dataclass
class FlatGraph:
    """Nodes by name, inner ones as `outer.inner`, and edges between them; no graph among them."""

    nodes: dict[str, nir.NIRNode] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def before(self, name: str) -> list[str]:
        """Nodes with an edge to this one."""
        return [a for a, b in self.edges if b == name]

    def after(self, name: str) -> list[str]:
        """Nodes with an edge from this one."""
        return [b for a, b in self.edges if a == name]


def flatten(graph: nir.NIRGraph) -> FlatGraph:
    """Replace inner graphs by their content, connected to what was before and behind them.

    Raises:
        DataError: an edge without a node, nesting too deep, or an inner graph without exactly one
            input and one output.
    """
    flat = FlatGraph()
    passes: list[str] = []
    _add(flat, graph, "", passes, 0)
    for name in passes:
        sources, targets = flat.before(name), flat.after(name)
        if name in sources or len(sources) * len(targets) > MAX_EDGES:
            raise DataError(f"node `{name}` feeds itself or too many; a layer needs neurons")
        kept = [edge for edge in flat.edges if name not in edge]
        flat.edges = kept + [(a, b) for a in sources for b in targets]
        if len(flat.edges) > MAX_EDGES:
            raise DataError(f"the graph has more than {MAX_EDGES} edges; a chain of layers has few")
        del flat.nodes[name]
    return flat


def _add(flat: FlatGraph, graph: nir.NIRGraph, prefix: str, passes: list[str], depth: int) -> None:
    if depth > MAX_NESTS:
        raise DataError(
            f"graphs are nested more than {MAX_NESTS} deep, or in a circle; unfold them"
        )
    ends: dict[str, Edge] = {}  # inner graph -> nodes where edges enter and leave it
    for key, node in graph.nodes.items():
        name = prefix + key
        if isinstance(node, nir.NIRGraph):
            ends[key] = (
                f"{name}.{_only(node, nir.Input, name)}",
                f"{name}.{_only(node, nir.Output, name)}",
            )
            _add(flat, node, f"{name}.", passes, depth + 1)
            continue
        if name in flat.nodes:
            raise DataError(f"node `{name}` exists twice; rename one of them")
        flat.nodes[name] = node
        if prefix and isinstance(node, nir.Input | nir.Output):
            passes.append(name)
    for a, b in graph.edges:
        for end in (a, b):
            if end not in graph.nodes:
                raise DataError(
                    f"edge `{prefix}{a}` to `{prefix}{b}`: there is no node `{prefix}{end}`"
                )
        edge = (ends[a][1] if a in ends else prefix + a, ends[b][0] if b in ends else prefix + b)
        if edge not in flat.edges:
            flat.edges.append(edge)


def _only(graph: nir.NIRGraph, kind: type, name: str) -> str:
    found = [key for key, node in graph.nodes.items() if isinstance(node, kind)]
    if len(found) != 1:
        raise DataError(
            f"graph `{name}` has {len(found)} {kind.__name__} nodes; an inner graph has one"
        )
    return found[0]
