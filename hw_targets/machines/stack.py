"""The stack that functions take at most, from the call graph that a compiler writes."""

import re
from functools import cache

from base.errors import ToolError

GRAPH = ("-fcallgraph-info=su",)
"""Flags with which GCC writes frames and calls of functions beside an object."""
_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"]*)"')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
_FRAME = re.compile(r"(\d+) bytes \((\w+)")


def deepest(graph: str) -> int:
    """Bytes of stack that any function of an object takes at most, with those it calls.

    Functions of other objects, such as a libc's `memset`, count as 0.

    Args:
        graph: text of GCC's `.ci` file, with frames.

    Raises:
        ToolError: a function calls itself, if through others, or the size of a frame varies.
    """
    nodes: dict[str, str] = dict(_NODE.findall(graph))
    called: dict[str, set[str]] = {}
    for caller, callee in _EDGE.findall(graph):
        called.setdefault(caller, set()).add(callee)
    frames = {name: _frame(name, label) for name, label in nodes.items()}
    path: list[str] = []

    @cache
    def depth(name: str) -> int:
        if name in path:
            raise ToolError(f"{name} calls itself, so its stack has no bound")
        path.append(name)
        below = max((depth(callee) for callee in sorted(called.get(name, ()))), default=0)
        path.pop()
        return frames.get(name, 0) + below

    return max(map(depth, nodes), default=0)


def _frame(name: str, label: str) -> int:
    """Bytes of a function's own frame; 0 of one that the object only calls."""
    found = _FRAME.search(label)
    if found is None:
        return 0
    if found[2] != "static":
        raise ToolError(f"the frame of {name} varies in size, so its stack has no bound")
    return int(found[1])
