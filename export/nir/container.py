"""NIR files, read safely: no content of a file decides how long reading takes or what it allocates.

The library reads every dataset whole and follows every link. So links, nesting, sizes and the
number of nodes are checked first; then `nir.read` decides.
"""

from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
from nir.ir.utils import ensure_str
from nir.serialization import hdf2dict

from base.errors import DataError, FileError, RsnnError
from base.hdf5.read import open_hdf5
from export.nir.metadata import one_line

MAX_BYTES = 1 << 30  # bytes of all arrays together
MAX_OBJECTS = 5000  # groups and datasets
MAX_EDGES = 2000
_PER_NEURON = {"tau", "tau_mem", "tau_syn", "r", "v_leak", "v_threshold", "v_reset", "w_in"}


def read_graph(path: Path, *, check_types: bool = True) -> nir.NIRGraph:
    """Read a graph that the NIR library accepts.

    Args:
        path: the file.
        check_types: have the library compare the shapes along every edge. It supports no scalar
            that stands for all neurons, so callers that do compare shapes themselves; without this
            check, one value of a parameter becomes as many as the node's others have.

    Raises:
        FileError: no such file, not HDF5, truncated, not NIR, or larger than any network needs.
        DataError: the library refuses it.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        if not isinstance(file.get("node"), h5py.Group):
            raise FileError(f"{path}: HDF5, but not a NIR graph; export one with export-nir")
        try:
            _check(path, file)
        except RsnnError:
            raise
        except Exception as error:  # and so does h5py for a damaged one
            raise FileError(f"{path}: damaged HDF5 file: {one_line(error)}") from error
    try:
        if check_types:
            graph = nir.read(path)
        else:
            with h5py.File(path, "r", locking=False) as file:
                graph = nir.dict2NIRNode(_unchecked(path, "", hdf2dict(file["node"])))
    except RsnnError:
        raise
    except Exception as error:  # other files make the library raise nearly anything
        raise DataError(f"{path}: not a valid NIR graph: {one_line(error)}") from error
    if not isinstance(graph, nir.NIRGraph):
        raise DataError(
            f"{path}: holds one {type(graph).__name__} node; a graph with input and output is"
            " needed"
        )
    return graph


def _unchecked(path: Path, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Turn off type checks, in nested graphs too, and let one value stand for all neurons."""
    if ensure_str(values["type"]) == "NIRGraph":
        values["type_check"] = False
        for key, node in values["nodes"].items():
            _unchecked(path, f"{name}{key}.", node)
        return values
    arrays = {key: values[key] for key in _PER_NEURON & set(values)}
    shapes = {key: np.shape(array) for key, array in arrays.items() if np.size(array) != 1}
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"`{key}` {shape}" for key, shape in sorted(shapes.items()))
        raise DataError(
            f"{path}: node `{name[:-1]}` has parameters of different shapes: {found}; one shape, or"
            " one value for all, is needed"
        )
    for key in set(arrays) - set(shapes):
        values[key] = np.broadcast_to(np.reshape(arrays[key], ()), next(iter(shapes.values()), 1))
    return values


def _check(path: Path, file: h5py.File) -> None:
    """Refuse what no network needs; links and cycles are refused where the file is opened."""
    total = objects = 0

    def check(name: str, item: h5py.HLObject) -> None:
        nonlocal total, objects
        objects += 1
        key = name.rpartition("/")[2]
        if objects > MAX_OBJECTS:
            raise DataError(f"{path}: holds more than {MAX_OBJECTS} groups and arrays; use fewer")
        if isinstance(item, h5py.Group):
            return
        if not isinstance(item, h5py.Dataset):
            raise DataError(f"{path}: `{key}` is neither a group nor an array")
        total += item.nbytes
        if total > MAX_BYTES:
            raise DataError(
                f"{path}: array `{key}` of shape {item.shape} makes it more than"
                f" {MAX_BYTES >> 20} MiB; no network of this kind is as large"
            )
        if key == "edges" and item.size > 2 * MAX_EDGES:
            raise DataError(f"{path}: has {item.shape[0]} edges; at most {MAX_EDGES} are read")

    file.visititems(check)
