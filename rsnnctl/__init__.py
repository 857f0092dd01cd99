"""What both worlds stand on: errors, files and run folders. It imports neither torch nor numba.

`rsnn` (float) and `sim` (integers) know nothing of each other; both import from here. `rsnnctl.api`
is for Python programs, and loaded only when it is asked for.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "api":
        return import_module("rsnnctl.steps.api")
    raise AttributeError(f"module `rsnnctl` has no attribute `{name}`")
