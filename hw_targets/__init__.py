"""Hardware: every file here is one target, named like its file; `machines/` is shared code.

An installed package adds one by an entry point in the group `rsnnctl.targets`.
"""

import sys
from dataclasses import replace

from base.checks import check_choice
from base.errors import ToolError
from base.plugins import plugins
from export.formats import formats
from hw_targets.machines.target import Target


def targets() -> dict[str, Target]:
    """Every target by name. A new one is a new file here and nothing else.

    Raises:
        ToolError: an installed package's target cannot be used, or its format is missing.
    """
    found, known = plugins(sys.modules[__name__], "target", Target), formats()
    for name, target in found.items():
        if target.format not in known:
            raise ToolError(
                f"target `{name}` needs the format `{target.format}`; known: {', '.join(known)}."
                " Install what writes it"
            )
    return {name: replace(target, name=name) for name, target in found.items()}


def find_target(name: str) -> Target:
    """Return the target of that name.

    Raises:
        RangeError: there is none.
    """
    known = targets()
    check_choice("target", name, known)
    return known[name]
