"""One file per package, named like it and with its `PACKAGE`; each is found by listing this folder.

An installed package adds one by an entry point in the group `rsnnctl.packages`.
"""

import sys

from base.plugins import plugins
from export.package import Package


def packages() -> dict[str, Package]:
    """Every package by name, with `-` for `_`. A new one is a new file here and nothing else.

    Raises:
        ToolError: an installed package's package cannot be used.
    """
    found = plugins(sys.modules[__name__], "package", Package)
    return {name.replace("_", "-"): package for name, package in found.items()}
