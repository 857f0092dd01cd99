"""Checks of arguments: each error names the parameter in backticks, its value and the limit."""

from collections.abc import Iterable

from base.errors import RangeError


def check_choice(name: str, value: str, known: Iterable[str]) -> None:
    """Refuse a value that is not one of the known ones.

    Raises:
        RangeError: it is not one of them.
    """
    if value not in (names := list(known)):
        raise RangeError(f"`{name}` is {value}; known: {', '.join(names)}")


def check_at_least_one(name: str, value: int) -> None:
    """Refuse a count below 1.

    Raises:
        RangeError: it is below 1.
    """
    if value < 1:
        raise RangeError(f"`{name}` is {value}; at least 1 is needed")
