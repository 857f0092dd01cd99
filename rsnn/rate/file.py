"""Rate networks and spiking networks on disk: sealed containers, as all models are.

Each dataclass is its own layout. The digest covers arrays and values, not the provenance.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from base.errors import FileError, RsnnError
from base.hdf5.arrays import parts_of, read_arrays, read_beside, write_arrays
from rsnn.rate.network import RateNetwork
from rsnn.rate.spiking import LIFNetwork

FORMAT = "rsnnctl-rate-network"
LIF_FORMAT = "rsnnctl-lif-network"
_FORMATS = {RateNetwork: FORMAT, LIFNetwork: LIF_FORMAT}
_HISTORY = "history"
N = TypeVar("N", RateNetwork, LIFNetwork)


def save(
    network: RateNetwork | LIFNetwork,
    path: Path,
    provenance: Mapping[str, Any],
    history: Mapping[str, np.ndarray] | None = None,
) -> str:
    """Write a network and return its digest; the same content always gives the same bytes.

    Args:
        network: of either kind, which decides the format.
        path: the file. Replaced atomically.
        provenance: origin of the network, as JSON values.
        history: arrays of its training by the names of the published code, such as `losses`.

    Raises:
        FileError: the file cannot be written.
    """
    arrays, values = parts_of(network)
    beside = {_HISTORY: history} if history else {}
    return write_arrays(path, _FORMATS[type(network)], arrays, values, provenance, beside)


def load_rate(path: Path) -> tuple[RateNetwork, dict[str, Any]]:
    """Read a rate network and its provenance.

    Raises:
        FileError: no such file, another format, damaged, or its digest is not that of its content.
    """
    return _load(path, RateNetwork)


def load_history(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a rate network's training that its file has.

    Raises:
        FileError: as in `load_rate`.
    """
    return read_beside(path, FORMAT, _HISTORY)


def load_lif(path: Path) -> tuple[LIFNetwork, dict[str, Any]]:
    """Read a spiking network and its provenance; errors as in `load_rate`."""
    return _load(path, LIFNetwork)


def _load(path: Path, kind: type[N]) -> tuple[N, dict[str, Any]]:
    arrays, values, provenance = read_arrays(path, _FORMATS[kind])
    try:
        network = kind(**arrays, **_values(values))
    except RsnnError as error:
        raise FileError(f"{path}: {error}") from error
    except (TypeError, ValueError, AttributeError, RecursionError) as error:
        raise FileError(f"{path}: its arrays or values do not fit; make it again") from error
    return network, provenance


def _values(text: str) -> dict[str, Any]:
    values = json.loads(text)
    if "taus" in values:
        low, high = values["taus"]
        values["taus"] = (float(low), float(high))
    return values
