"""One file per kind of neuron, named like it; each is found by listing this folder.

A kind is a class derived from `sim.layer.Layer`, and `KIND` of its file.
"""

import pkgutil
from functools import cache
from importlib import import_module

from base.errors import RangeError
from sim.layer import Layer


@cache
def kinds() -> dict[str, type[Layer]]:
    """Import and return every kind by name. A new one is a new file here and nothing else."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    return {name: import_module(f"{__name__}.{name}").KIND for name in names}


def find_kind(name: str) -> type[Layer]:
    """The kind of that name.

    Raises:
        RangeError: there is none.
    """
    known = kinds()
    if name not in known:
        raise RangeError(f"kind is {name!r}; known: {', '.join(known)}")
    return known[name]
