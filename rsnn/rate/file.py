"""Rate networks and spiking networks on disk: sealed containers, as all models are.

Each dataclass is its own layout: arrays become datasets, all other fields one text of JSON. The
digest covers both, not the provenance. Nothing is ever pickled.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np

from base.container import create_container, open_container, read_provenance
from base.errors import FileError, RsnnError
from rsnn.rate.network import RateNetwork
from rsnn.rate.spiking import LIFNetwork

FORMAT = "rsnnctl-rate-network"
LIF_FORMAT = "rsnnctl-lif-network"
_FORMATS = {RateNetwork: FORMAT, LIFNetwork: LIF_FORMAT}
_HISTORY = "history"
_DTYPES = ("<f4", "<f8", "|i1", "|b1")
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
    arrays, values = _parts(network)
    return write_arrays(path, _FORMATS[type(network)], arrays, values, provenance, history)


def write_arrays(
    path: Path,
    format: str,
    arrays: Mapping[str, np.ndarray],
    values: str,
    provenance: Mapping[str, Any],
    history: Mapping[str, np.ndarray] | None = None,
) -> str:
    """Write arrays and a text of JSON as a container, atomically; return its digest."""
    digest = _digest(format, arrays, values)
    with create_container(path, format=format, digest=digest, provenance=provenance) as file:
        file.attrs["values"] = values
        for name, array in sorted(arrays.items()):
            file.create_dataset(f"arrays/{name}", data=array)
        for name, array in sorted((history or {}).items()):
            file.create_dataset(f"{_HISTORY}/{name}", data=array)
    return digest


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
    with open_container(path, format=FORMAT) as file:
        group = file.get(_HISTORY)
        return _arrays(path, group) if isinstance(group, h5py.Group) else {}


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


def read_arrays(path: Path, format: str) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """The arrays, the text of JSON and the provenance of a container.

    Raises:
        FileError: as in `load_rate`.
    """
    with open_container(path, format=format) as file:
        values, group = file.attrs.get("values"), file.get("arrays")
        if not isinstance(values, str) or not isinstance(group, h5py.Group):
            raise FileError(f"{path}: holds no arrays or no values; make the file again")
        arrays = _arrays(path, group)
        digest, provenance = file.attrs["digest"], read_provenance(file)
    try:
        found = _digest(format, arrays, values)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path}: its values cannot be read; make the file again") from error
    if found != digest:
        raise FileError(
            f"{path}: its digest says {str(digest)[:12]}, its content {found[:12]}; the file was"
            " edited, make it again"
        )
    return arrays, values, provenance


def _arrays(path: Path, group: h5py.Group) -> dict[str, Any]:
    arrays = {}
    for name, data in sorted(group.items()):
        if not isinstance(data, h5py.Dataset) or data.dtype.str not in _DTYPES:
            raise FileError(f"{path}: `{name}` is no array of numbers; make the file again")
        arrays[name] = data[()]
    return arrays


def _parts(network: RateNetwork | LIFNetwork) -> tuple[dict[str, np.ndarray], str]:
    content = {field.name: getattr(network, field.name) for field in fields(network)}
    arrays = {k: v for k, v in sorted(content.items()) if isinstance(v, np.ndarray)}
    values = {k: v for k, v in content.items() if k not in arrays}
    return arrays, json.dumps(values, sort_keys=True)


def _values(text: str) -> dict[str, Any]:
    values = json.loads(text)
    if "taus" in values:
        low, high = values["taus"]
        values["taus"] = (float(low), float(high))
    return values


def _digest(format: str, arrays: Mapping[str, np.ndarray], values: str) -> str:
    """SHA-256 of a line of JSON that describes arrays and values, then the arrays' bytes."""
    listing = [[name, a.dtype.str, list(a.shape)] for name, a in sorted(arrays.items())]
    header = {"format": format, "values": json.loads(values), "arrays": listing}
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode() + b"\n")
    for _, array in sorted(arrays.items()):
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
