"""Hardware targets: one file each, named like its file, with a `TARGET`."""

import pkgutil
from importlib import import_module

from hw_targets.firmware.target import Target


def targets() -> dict[str, Target]:
    """Every target by name. A new one is a new file here and nothing else."""
    names = sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.ispkg)
    return {name: import_module(f"hw_targets.{name}").TARGET for name in names}
