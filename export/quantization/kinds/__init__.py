"""One file per kind of layer that floats can fold into, named like the kind."""

import sys

from base.checks import check_choice
from base.plugins import plugins
from export.quantization.fold import Fold


def find_fold(name: str) -> Fold:
    """Return the quantization of a kind.

    Raises:
        RangeError: there is none.
    """
    known = plugins(sys.modules[__name__], "fold", Fold)
    check_choice("kind", name, known)
    return known[name]
