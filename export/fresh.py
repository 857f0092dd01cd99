"""Text files that were exported, beside what exporting again gives."""

import math
from itertools import zip_longest


def first_line(found: bytes, right: str) -> float:
    """The number of the first line that differs, from 1; infinite if none does."""
    lines = zip_longest(found.split(b"\n"), right.encode().split(b"\n"))
    return next((n for n, (one, other) in enumerate(lines, 1) if one != other), math.inf)
