"""One file per format, named like it and with its `FORMAT`; each is found by listing this folder.

An installed package adds one by an entry point in the group `rsnnctl.formats`.
"""

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from base.errors import ToolError
from base.plugins import plugins
from export.format import Format

if TYPE_CHECKING:
    from sim.verify import Backend


def formats() -> dict[str, Format]:
    """Every format by name. A new one is a new file here and nothing else.

    Raises:
        ToolError: an installed package's format cannot be used.
    """
    found = plugins(sys.modules[__name__], "format", Format)
    return {name: replace(format, name=name) for name, format in found.items()}


def backends() -> "dict[str, Backend]":
    """Every way to run a format's files here, by name.

    Raises:
        ToolError: an installed package's format cannot be used, or two have a backend of one name.
    """
    found: dict[str, Backend] = {}
    for format in formats().values():
        for name, run in format.backends.items():
            if name in found:
                raise ToolError(
                    f"format `{format.name}` has a backend `{name}`, and so has another format;"
                    " rename it"
                )
            found[name] = run
    return found
