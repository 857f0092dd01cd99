"""The numeric contract as JSON text, the metadata entry `rsnnctl` of a graph.

docs/numeric-contract.md describes every field for implementations without this code.
"""

import json
from pathlib import Path
from typing import Any

import nir
import numpy as np

from base.errors import DataError, FileError
from export.nir.graph import integer_weights
from export.nir.readers import Reader, reader_named
from sim.contract import NumericContract
from sim.kinds import find_kind
from sim.layer import Layer
from sim.network import IntegerNetwork

KEY = "rsnnctl"
VERSION = 4
VERSION_WITHOUT_KINDS = 3  # version that an older reader understands
_MEANING = (
    "The equations of this network are those of `contract`, in integers; the nodes' float"
    " parameters describe the same network to readers that discretize NIR in their own way."
)
_UNNAMED = {True: "cuba_lif", False: "cuba_li"}  # by whether the layer is hidden


def describe(network: IntegerNetwork, reader: Reader) -> dict[str, str]:
    """The metadata of a network's graph for a reader."""
    layers = {}
    for name, layer in network.named_layers():
        declared = layer.declared()
        layers[name] = {
            key: array.tolist()
            for key, array in layer.arrays()
            if declared[key].content != "weight"
        }
    kinds = network.kinds()
    described = {
        "version": VERSION if kinds else VERSION_WITHOUT_KINDS,
        "meaning": _MEANING,
        "digest": network.digest(),
        "contract": network.contract.written(),
        "dt": network.dt,
        "n_heads": network.readout.n_heads,
        "layers": layers,
        "provenance": dict(network.metadata),
        "for": reader.name,
        "read_with": reader.how.format(dt=network.dt),
        "reader_differs": reader.differs(network),
    }
    if kinds:
        described["kinds"] = kinds
    return {KEY: json.dumps(described, sort_keys=True)}


def restore(path: Path, graph: nir.NIRGraph) -> tuple[IntegerNetwork, str, Reader]:
    """Build the network that metadata and weights describe; return also its digest and reader.

    Raises:
        FileError: a newer version.
        DataError: the metadata are incomplete.
        RangeError, MismatchError: they describe no network.
    """
    try:
        text = graph.metadata[KEY]
        metadata = json.loads(text.decode() if isinstance(text, bytes) else text)
        version = int(metadata["version"])
        if version > VERSION:
            raise FileError(
                f"{path}: numeric contract version {version} is newer than {VERSION}, the"
                " newest that this rsnnctl reads; upgrade rsnnctl"
            )
        reader = reader_named(str(metadata.get("for", "exact")))
        contract = NumericContract.from_dict(metadata["contract"])
        plain = metadata["layers"]  # in the order of JSON's sorted keys, hidden10 before hidden2
        names = [*(f"hidden{i}" for i in range(len(plain) - 1)), "readout"]
        layers = [_layer(graph, name, plain[name], metadata, contract, reader) for name in names]
        network = IntegerNetwork(
            tuple(layers), contract, float(metadata["dt"]), dict(metadata["provenance"])
        )
        return network, str(metadata["digest"]), reader
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        OverflowError,
        RecursionError,
    ) as error:
        raise DataError(
            f"{path}: the numeric contract in metadata `{KEY}` is incomplete:"
            f" {one_line(error)}; export the network again"
        ) from error


def digest_of(graph: nir.NIRGraph) -> str | None:
    """The digest that a graph's metadata name, or None."""
    text = graph.metadata.get(KEY, "{}")
    try:
        named = json.loads(text.decode() if isinstance(text, bytes) else text).get("digest")
    except (ValueError, AttributeError, RecursionError):
        return None
    return named if isinstance(named, str) else None


def one_line(error: BaseException) -> str:
    """The first line of an error's text, or its kind if it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _layer(
    graph: nir.NIRGraph,
    name: str,
    plain: dict[str, Any],
    metadata: dict[str, Any],
    contract: NumericContract,
    reader: Reader,
) -> Layer:
    values: dict[str, Any] = {key: np.array(value) for key, value in plain.items()}
    weights: dict[str, Any] = integer_weights(graph, name, values, contract, reader)
    kind = find_kind(metadata.get("kinds", {}).get(name, _UNNAMED[name != "readout"]))
    if name == "readout":
        weights["n_heads"] = int(metadata["n_heads"])
    return kind(**weights, **values)
