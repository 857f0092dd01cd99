"""Things of one kind, one file each: found by listing a package, and in installed packages."""

import pkgutil
from importlib import import_module
from importlib.metadata import entry_points
from types import ModuleType
from typing import TypeVar

from base.errors import ToolError

T = TypeVar("T")


def plugins(package: ModuleType, word: str, kind: type[T]) -> dict[str, T]:
    """Everything of one kind by name, in alphabetical order.

    A file `<name>.py` of the package defines it as `<WORD>`, such as `FORMAT` in a file of
    `export/formats/`. An installed package adds one by an entry point
    `<name> = <module>:<attribute>` in the group `rsnnctl.<word>s`, such as `rsnnctl.formats`.

    Args:
        package: package whose files are listed; its folders are not.
        word: name of the kind, such as `format`.
        kind: class of each thing found; or `type`, if these are classes themselves.

    Raises:
        ToolError: an installed package's entry cannot be loaded, is something else, or has a name
            that is taken.
    """
    files = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg]
    found = {
        name: getattr(import_module(f"{package.__name__}.{name}"), word.upper()) for name in files
    }
    for entry in entry_points(group=f"rsnnctl.{word}s"):
        named = f"{word} `{entry.name}` of an installed package, {entry.value},"
        if entry.name in found:
            raise ToolError(f"{named} has a name that is taken; rename or uninstall it")
        try:
            value = entry.load()
        except (ImportError, AttributeError) as error:
            raise ToolError(f"{named} cannot be loaded: {error}; fix or uninstall it") from error
        if not isinstance(value, kind):
            raise ToolError(f"{named} is no {kind.__name__}; fix or uninstall it")
        found[entry.name] = value
    return dict(sorted(found.items()))
