"""Checks of arguments: each error names the parameter in backticks, its value and the limit."""

from collections.abc import Iterable

from base.errors import RangeError

LARGEST_SEED = 2**63 - 1  # what all generators of random numbers take


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value that is not one of the known ones.

    Raises:
        RangeError: it is not one of them.
    """
    if value not in (names := list(known)):
        raise RangeError(f"`{name}` is {value}; known: {', '.join(names)}")


def check_count(name: str, value: int, most: int) -> None:
    """Refuse a count below 1, or so large that the work would not end or not fit into memory.

    Raises:
        RangeError: it is below 1 or above `most`.
    """
    if value < 1:
        raise RangeError(f"`{name}` is {value}; at least 1 is needed")
    check_at_most(name, value, most)


def check_seed(seed: int) -> None:
    """Refuse a number that no generator of random numbers takes.

    Raises:
        RangeError: it is below 0 or too large.
    """
    if not 0 <= seed <= LARGEST_SEED:
        raise RangeError(f"`seed` is {seed}; 0 to {LARGEST_SEED} is possible")


def check_at_most(name: str, value: float, most: float) -> None:
    """Refuse a number above the largest one that is possible.

    Raises:
        RangeError: it is above `most`.
    """
    if value > most:
        raise RangeError(f"`{name}` is {value}; at most {most} is possible")
