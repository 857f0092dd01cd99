"""Hardware: every file here is one target, named like its file; `machines/` is shared code.

An installed package adds one by an entry point in the group `rsnnctl.targets`.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from base.checks import check_choice
from base.errors import ToolError
from base.plugins import plugins
from export.formats import formats
from hw_targets.machines import target as any_target
from hw_targets.machines.target import Target
from sim import artifact
from sim.network import IntegerNetwork


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


def check(
    network: IntegerNetwork,
    target: str,
    *,
    layout: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The cost of a network on a target, and every limit it exceeds, in `violations`.

    `fits` is None where it cannot be checked here, for the reasons in `not_checked`.

    Args:
        network: the network.
        target: a name that `rsnnctl targets` lists.
        layout: layout of the weights in flash, or size of a decoder in Verilog: `fast` or
            `compact`.
        options: other options of the target, by name, such as `{"lanes": "4"}`.

    Raises:
        RangeError: an unknown target or option, or a value that is refused.
    """
    given = {"layout": layout, **(options or {})}
    return any_target.check(find_target(target), network, given)


def build(
    network: IntegerNetwork,
    target: str,
    folder: Path | str,
    *,
    layout: str | None = None,
    float_abi: str | None = None,
    options: Mapping[str, Any] | None = None,
    force: bool = False,
) -> list[Path]:
    """Write a project for a target, with a golden run as self-test; return its files.

    Of the files that are there to be edited, changed ones are kept; `force` overwrites them.

    Args:
        network: the network.
        target: a name that `rsnnctl targets` lists.
        folder: created if missing.
        layout, options: as in `check`.
        float_abi: how calls pass floats, on targets of C.
        force: also overwrite files that were changed, or that `build` did not write.

    Raises:
        RangeError: the target does not compute the network, or refuses an option.
        FileError: a file cannot be written.
        ToolError: a program that the target needs is missing.
    """
    golden = artifact.vector_raster(network)
    found = find_target(target)
    given = {"layout": layout, "float_abi": float_abi, **(options or {})}
    return any_target.build(found, network, golden, Path(folder), given, force=force).files
