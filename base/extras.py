"""Optional packages: each is an extra of the installation, imported where it is needed."""

from importlib import import_module
from typing import Any

from base.errors import ToolError


def extra(module: str, name: str, user: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: its full name.
        name: of the extra that installs it.
        user: the code that needs it, for the error.

    Raises:
        ToolError: it cannot be imported; the text names the extra.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ToolError(
            f"{user} needs {module.split('.')[0]}; install it with pip install 'rsnnctl[{name}]'"
        ) from error
