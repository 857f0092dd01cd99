"""One file per kind of neuron, named like it; each is found by listing this folder.

A kind is a class derived from `sim.layer.Layer`, and `KIND` of its file. An installed package adds
kinds by entry points `rsnnctl.kinds`.
"""

import sys
from functools import cache

from base.checks import check_choice
from base.plugins import plugins
from sim.layer import Layer


@cache
def kinds() -> dict[str, type[Layer]]:
    """Import and return every kind by name. A new one is a new file here and nothing else.

    Raises:
        ToolError: a kind of an installed package cannot be used.
    """
    return plugins(sys.modules[__name__], "kind", type)


def find_kind(name: str) -> type[Layer]:
    """Return the kind of that name.

    Raises:
        RangeError: there is none.
    """
    check_choice("kind", name, kinds())
    return kinds()[name]
