"""One file per kind of neuron, named like it; each is found by listing this folder.

A kind is a class derived from `sim.layer.Layer`, and `KIND` of its file. An installed package adds
kinds by entry points `rsnnctl.kinds`.
"""

import sys
from functools import lru_cache

from base.checks import check_choice
from base.errors import ToolError
from base.plugins import plugins
from sim.layer import Layer


def kinds() -> dict[str, type[Layer]]:
    """Import and return every kind by name. A new one is a new file here and nothing else.

    Raises:
        ToolError: a kind of an installed package cannot be used.
    """
    return _found_in((*__path__, *sys.path))


@lru_cache(maxsize=1)
def _found_in(folders: tuple[str, ...]) -> dict[str, type[Layer]]:
    """Every kind; `folders` are those in which files and installed packages are looked for."""
    found = plugins(sys.modules[__name__], "kind", type)
    for name, kind in found.items():
        if not issubclass(kind, Layer):
            raise ToolError(f"kind `{name}` is {kind.__name__}, which is no Layer; derive it")
        if kind.kind() != name:  # files name a kind by its module
            raise ToolError(f"kind `{name}` lies in {kind.__module__}; name it `{kind.kind()}`")
    return found


def find_kind(name: str) -> type[Layer]:
    """Return the kind of that name.

    Raises:
        RangeError: there is none.
    """
    check_choice("kind", name, kinds())
    return kinds()[name]
