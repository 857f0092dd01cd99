"""NIR files of integer networks, read back as the same integers.

The graph says what a float reader can understand: `Linear` nodes with the shifted weights,
`Affine` where there is a bias too, `CubaLIF` and `CubaLI` nodes, recurrence as two edges around a
`Linear` or as a nested graph. NIR has no time step, no order of updates and no widths, so a
graph is exact only for readers of its metadata entry `rsnnctl`, a JSON text with the contract and
every integer that is not a weight. For others, `export_nir` chooses constants that give their
discretization the network's decays.
"""

import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nir
import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, FileError, MismatchError
from base.files import write_bytes
from export.nir.container import read_graph
from export.nir.graph import build_graph
from export.nir.metadata import KEY as METADATA_KEY
from export.nir.metadata import describe, restore
from export.nir.readers import reader_named
from sim.fast import runs
from sim.network import IntegerNetwork
from sim.trace import Trace

if TYPE_CHECKING:
    from sim.verify import Backend


def export_nir(network: IntegerNetwork, path: Path, reader: str = "exact") -> None:
    """Write a network as a NIR file, atomically; the same network gives the same bytes.

    Args:
        network: the network.
        path: the file.
        reader: `exact`, `norse` or `snntorch`; all carry the contract.

    Raises:
        RangeError: no such reader, or it cannot express the network.
        FileError: the file cannot be written.
    """
    content = io.BytesIO()  # since HDF5 swallows errors while it closes a file
    nir.write(content, to_graph(network, reader))
    write_bytes(Path(path), content.getvalue())


def import_nir(path: Path) -> IntegerNetwork:
    """Read a NIR file that carries a numeric contract; the digest is that of the exported network.

    Raises:
        FileError: no such file, not HDF5, truncated, not NIR, a newer version, or edited.
        DataError: the graph carries no contract, or its metadata are incomplete.
    """
    path = Path(path)
    graph = read_graph(path)
    if not carries_contract(graph):
        raise DataError(
            f"{path}: the graph carries no numeric contract (metadata `{METADATA_KEY}`), so its"
            " integers are not defined; use a file written by `rsnnctl export-nir`"
        )
    network, named, reader = restore(path, graph)
    found = network.digest()
    if found != named:
        raise FileError(
            f"{path}: digest is {found[:12]}.. but the file names {named[:12]}..; the graph was"
            " edited, export it again"
        )
    _check_same_graph(path, graph, to_graph(network, reader.name))
    return network


def carries_contract(graph: nir.NIRGraph) -> bool:
    """Whether a graph was written with a numeric contract, so that its integers are defined."""
    return METADATA_KEY in graph.metadata


def run_backend(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Export, import again, and run the imported network; `verify` compares the trace."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.nir"
        export_nir(network, path)
        return runs.run_backend(import_nir(path), raster)


def open_written(path: Path, network: IntegerNetwork) -> "Backend":
    """The way to run a NIR file that says what exporting a network says.

    Args:
        path: the file.
        network: the network it was exported of.

    Raises:
        FileError, DataError: as in `import_nir`.
        MismatchError: its metadata are not those of an export of the network.
    """
    found = import_nir(path)
    said = _metadata(read_graph(path))
    right = _metadata(to_graph(network, said["for"]))
    for key in sorted({*said, *right}):
        if said.get(key) != right.get(key):
            raise MismatchError(
                f"{path}: {key!r} of its metadata is not what exporting the network gives; export"
                " it again"
            )
    return lambda _, raster: runs.run_backend(found, raster)


def _metadata(graph: nir.NIRGraph) -> dict[str, Any]:
    text = graph.metadata[METADATA_KEY]
    return {"for": "exact", **json.loads(text)}


def to_graph(network: IntegerNetwork, reader: str = "exact") -> nir.NIRGraph:
    """Build the graph of a network for a reader.

    Raises:
        RangeError: no such reader, or it cannot express the network.
    """
    known = reader_named(reader)
    return build_graph(network, known, describe(network, known))


def _check_same_graph(path: Path, found: nir.NIRGraph, expected: nir.NIRGraph) -> None:
    """Refuse a graph whose nodes or edges contradict its contract."""
    if set(found.edges) != set(expected.edges) or set(found.nodes) != set(expected.nodes):
        raise FileError(f"{path}: nodes or edges were added or removed; export the network again")
    for name, node in expected.nodes.items():
        other = found.nodes[name]
        if type(other) is not type(node):
            raise FileError(
                f"{path}: node `{name}` became a {type(other).__name__}; export the network again"
            )
        if isinstance(node, nir.NIRGraph):
            _check_same_graph(path, other, node)
            continue
        for key, value in vars(node).items():
            if isinstance(value, np.ndarray) and not np.array_equal(value, vars(other).get(key)):
                raise FileError(
                    f"{path}: `{key}` of node `{name}` was edited and no longer agrees with the"
                    " numeric contract; export the network again"
                )
