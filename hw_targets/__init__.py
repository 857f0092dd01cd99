"""Hardware: every file here is one target, named like its file; `machines/` is what they share."""

import pkgutil
from importlib import import_module

from base.checks import check_choice
from hw_targets.machines.target import Target


def targets() -> dict[str, Target]:
    """Import and return every target by name. A new one is a new file here and nothing else."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    return {name: import_module(f"hw_targets.{name}").TARGET for name in names}


def find_target(name: str) -> Target:
    """The target of that name.

    Raises:
        RangeError: there is none.
    """
    known = targets()
    check_choice("target", name, known)
    return known[name]
