"""The origin of a file: command, inputs and versions that made it. No dates."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from sim.network import IntegerNetwork

_PACKAGES = ("numba", "numpy", "torch")
_ON_RECORDINGS = ("train", "prune", "import-weights")  # commands whose models decode recordings
_OF_OTHERS = ("import-nir", "import-snntorch")  # commands whose models another tool trained


def provenance(command: str, **inputs: Any) -> dict[str, Any]:
    """Describe one step, for the `/provenance` group of the file it writes.

    Args:
        command: the sub-command or function.
        inputs: everything that decides the result, as JSON values.
    """
    from rsnnctl import __version__

    versions = {"rsnnctl": __version__} | {name: version(name) for name in _PACKAGES}
    return {"command": command, "inputs": inputs, "versions": versions}


def decoded_unit(network: IntegerNetwork) -> str:
    """The unit of what a network decodes, as far as its origin tells."""
    if network.readout.ALONE:
        return "class"
    history = network.metadata.get("history")
    trained = history.get("command") if isinstance(history, Mapping) else None
    return "mm per step" if trained in _ON_RECORDINGS else "the unit of the training target"


def is_imported(history: Mapping[str, Any]) -> bool:
    """Whether a float model comes from another tool, untouched: its time constants are meant."""
    return history.get("command") in _OF_OTHERS
