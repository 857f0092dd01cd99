"""The bridge: floating point to integers, and integers to the formats that others read.

Every file here but `quantize.py` and `qat.py` is one format, named like its file. Its `BACKENDS`
are the ways to run here what it writes, by name, for `rsnnctl verify`.
"""

import pkgutil
from importlib import import_module
from types import ModuleType

from sim.verify import Backend

_FROM_FLOAT = {"quantize", "qat"}  # they make integer networks, and they alone need torch


def formats() -> dict[str, ModuleType]:
    """Import and return every format by name. A new one is a new file here and nothing else."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    return {name: import_module(f"export.{name}") for name in names if name not in _FROM_FLOAT}


def backends() -> dict[str, Backend]:
    """Every way to run here what some format writes, by name."""
    return {name: run for module in formats().values() for name, run in module.BACKENDS.items()}
