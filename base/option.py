"""Options of a format or target, as data that command line, API and checks derive from.

Each gives a command-line option, a keyword of a Python function and the check of both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from base.checks import check_choice
from base.errors import RangeError


@dataclass(frozen=True)
class Option:
    """One option.

    Attributes:
        name: name of the keyword.
        default: its type is that of every value.
        help: a phrase that stands alone, for the command line.
        choices: the values allowed; empty for any of the type.
        flag: its name on the command line, if different.
    """

    name: str
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    flag: str = ""

    def check(self, value: Any) -> None:
        """Refuse a value of another type, or one that is not a choice.

        Raises:
            RangeError: it is refused.
        """
        if self.choices:
            check_choice(self.name, value, self.choices)
        if type(value) is not type(self.default):
            raise RangeError(f"`{self.name}` is {value!r}; {type(self.default).__name__} is needed")


def chosen(options: Sequence[Option], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every option's value by name: the given one, else the default; None counts as not given.

    Raises:
        RangeError: a value that its option refuses, or a name that is no option.
    """
    names = [option.name for option in options]
    given = {name: value for name, value in given.items() if value is not None}
    for name in given:
        if name not in names:
            raise RangeError(f"there is no option `{name}`; known: {', '.join(names) or 'none'}")
    values = {option.name: given.get(option.name, option.default) for option in options}
    for option in options:
        option.check(values[option.name])
    return values
