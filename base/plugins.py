"""Things of one kind, one file each: found by listing a package, and in installed packages."""

import pkgutil
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import TypeVar

from base.errors import ToolError

T = TypeVar("T")


def plugins(package: ModuleType, kind: type[T]) -> dict[str, T]:
    """Everything of a kind by name, in alphabetical order.

    A file `<name>.py` of the package defines it under the kind's name in capitals, so `FORMAT` is
    a `Format`. An installed package adds one by an entry point `<name> = <module>:<attribute>` in
    the group `rsnnctl.<kinds>`, such as `rsnnctl.formats`.

    Args:
        package: whose files are listed; folders in it are not.
        kind: class of what is found.

    Raises:
        ToolError: an installed package's entry cannot be loaded, is something else, or has a name
            that is taken.
    """
    files = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg]
    word = kind.__name__
    found = {
        name: getattr(import_module(f"{package.__name__}.{name}"), word.upper()) for name in files
    }
    for entry in entry_points(group=f"rsnnctl.{word.lower()}s"):
        named = f"{word.lower()} `{entry.name}` of an installed package, {entry.value},"
        if entry.name in found:
            raise ToolError(f"{named} has a name that is taken; rename or uninstall it")
        try:
            value = entry.load()
        except (ImportError, AttributeError) as error:
            raise ToolError(f"{named} cannot be loaded: {error}; mend or uninstall it") from error
        if not isinstance(value, kind):
            raise ToolError(f"{named} is no {word}; mend or uninstall it")
        found[entry.name] = value
    return dict(sorted(found.items()))
