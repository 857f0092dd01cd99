"""Arrays and a text of JSON in a sealed container, with a digest that covers both.

A frozen dataclass is its own layout: arrays become datasets, all other fields the text. Nothing is
ever pickled.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from base.container import create_container, open_container, read_provenance
from base.errors import FileError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_DTYPES = ("<f4", "<f8", "<i4", "<i8", "|i1", "|b1")


def write_arrays(
    path: Path,
    format: str,
    arrays: Mapping[str, np.ndarray],
    values: str,
    provenance: Mapping[str, Any],
    beside: Mapping[str, Mapping[str, np.ndarray]] | None = None,
) -> str:
    """Write arrays and a text of JSON as a container, atomically; return its digest.

    Args:
        path: the file.
        format: of the container.
        arrays, values: what the digest covers.
        provenance: origin, as JSON values.
        beside: further arrays by the name of their group, which the digest leaves out.

    Raises:
        FileError: the file cannot be written.
    """
    digest = _digest(format, arrays, values)
    with create_container(path, format=format, digest=digest, provenance=provenance) as file:
        file.attrs["values"] = values
        for group, content in {"arrays": arrays, **(beside or {})}.items():
            for name, array in sorted(content.items()):
                file.create_dataset(f"{group}/{name}", data=array)
    return digest


def read_arrays(path: Path, format: str) -> tuple[dict[str, Any], str, dict[str, Any]]:
    """The arrays, the text of JSON and the provenance of a container.

    Raises:
        FileError: no such file, another format, damaged, or its digest is not that of its content.
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


def read_beside(path: Path, format: str, group: str) -> dict[str, Any]:
    """The arrays of a group beside those that the digest covers; none if there is no such group.

    Raises:
        FileError: as in `read_arrays`.
    """
    with open_container(path, format=format) as file:
        found = file.get(group)
        return _arrays(path, found) if isinstance(found, h5py.Group) else {}


def parts_of(content: "DataclassInstance") -> tuple[dict[str, np.ndarray], str]:
    """The arrays of a dataclass by field, and all its other fields as a text of JSON."""
    every = {field.name: getattr(content, field.name) for field in fields(content)}
    arrays = {k: v for k, v in sorted(every.items()) if isinstance(v, np.ndarray)}
    values = {k: v for k, v in every.items() if k not in arrays}
    return arrays, json.dumps(values, sort_keys=True)


def _arrays(path: Path, group: h5py.Group) -> dict[str, Any]:
    arrays = {}
    for name, data in sorted(group.items()):
        if not isinstance(data, h5py.Dataset) or data.dtype.str not in _DTYPES:
            raise FileError(f"{path}: `{name}` is no array of numbers; make the file again")
        arrays[name] = data[()]
    return arrays


def _digest(format: str, arrays: Mapping[str, np.ndarray], values: str) -> str:
    """SHA-256 of a line of JSON that describes arrays and values, then the arrays' bytes."""
    listing = [[name, a.dtype.str, list(a.shape)] for name, a in sorted(arrays.items())]
    header = {"format": format, "values": json.loads(values), "arrays": listing}
    total = hashlib.sha256(json.dumps(header, sort_keys=True).encode() + b"\n")
    for _, array in sorted(arrays.items()):
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
