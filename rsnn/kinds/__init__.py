"""One file per kind of neuron that can be trained, named like the integer kind it becomes."""

import sys

from base.checks import check_choice
from base.plugins import plugins
from rsnn.float_kind import FloatKind


def float_kinds() -> dict[str, FloatKind]:
    """Import and return every kind by name. A new one is a new file here and nothing else."""
    return plugins(sys.modules[__name__], "float_kind", FloatKind)


def find_float_kind(name: str) -> FloatKind:
    """Return the kind of that name.

    Raises:
        RangeError: there is none.
    """
    known = float_kinds()
    check_choice("neuron", name, known)
    return known[name]
