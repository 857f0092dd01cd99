"""The origin of a file: command, inputs and versions that made it. No dates."""

from importlib.metadata import version
from typing import Any

_PACKAGES = ("numba", "numpy", "torch")


def provenance(command: str, **inputs: Any) -> dict[str, Any]:
    """Describe one step, for the `/provenance` group of the file it writes.

    Args:
        command: the sub-command or function.
        inputs: everything that decides the result, as JSON values.
    """
    from rsnnctl import __version__

    versions = {"rsnnctl": __version__} | {name: version(name) for name in _PACKAGES}
    return {"command": command, "inputs": inputs, "versions": versions}
