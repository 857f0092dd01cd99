"""One file per format, named like it; each is found by listing this folder.

The `BACKENDS` of a format are the ways to run here what it writes, by name, for `rsnnctl verify`.
"""

import pkgutil
from importlib import import_module
from types import ModuleType

from sim.verify import Backend


def formats() -> dict[str, ModuleType]:
    """Import and return every format by name. A new one is a new file here and nothing else."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    return {name: import_module(f"{__name__}.{name}") for name in names}


def backends() -> dict[str, Backend]:
    """Every way to run here what some format writes, by name."""
    return {name: run for module in formats().values() for name, run in module.BACKENDS.items()}
