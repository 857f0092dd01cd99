"""Integer networks on disk: `*.int.h5`, with a golden run inside, so that a file checks itself."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from base.container import create_container, open_container, read_provenance
from base.errors import DataError, FileError, RsnnError
from sim import reference
from sim.contract import NumericContract
from sim.kinds import find_kind
from sim.layer import SPIKES, Layer
from sim.network import IntegerNetwork
from sim.trace import Trace, empty_trace

FORMAT = "rsnnctl-integer-network"
_VECTOR_STEPS = 100


def save_network(network: IntegerNetwork, path: Path) -> str:
    """Write a network with its golden vectors; return its digest.

    Its metadata become the file's provenance. The same network gives the same bytes.

    Raises:
        FileError: the file cannot be written; nothing is left behind.
    """
    digest = network.digest()
    raster = vector_raster(network)
    trace = reference.run(network, raster)
    with create_container(
        path,
        format=FORMAT,
        digest=digest,
        provenance=network.metadata,
    ) as file:
        group = file.create_group("network")
        group.attrs["contract"] = json.dumps(network.contract.written(), sort_keys=True)
        group.attrs["dt"] = float(network.dt)
        group.attrs["n_heads"] = network.readout.n_heads
        for name, array in network.arrays():
            _write(group, name.replace(".", "/"), array)
        for name, kind in network.kinds().items():
            group[name].attrs["kind"] = kind
        vectors = file.create_group("vectors")
        _write(vectors, "raster", raster)
        for name, array in trace.variables.items():
            _write(vectors, name.replace(".", "/"), array)
    return digest


def load_network(path: Path) -> IntegerNetwork:
    """Read a network and check it against its digest.

    Raises:
        FileError: no such file, not HDF5, truncated, another format, a newer version, edited.
        DataError: the content cannot be a network.
    """
    with open_container(path, format=FORMAT) as file:
        network = _read_network(path, file)
        named = str(file.attrs["digest"])
    found = network.digest()
    if found != named:
        raise FileError(
            f"{path}: digest is {found[:12]}.. but the file names {named[:12]}..; the network was"
            " edited, quantize it again"
        )
    return network


def load_vectors(path: Path) -> tuple[NDArray[np.uint8], Trace]:
    """Read a file's golden run: its raster (n_steps, n_inputs) and every state word."""
    with open_container(path, format=FORMAT) as file:
        network = _read_network(path, file)
        try:
            vectors = file["vectors"]
            raster = np.asarray(vectors["raster"][()])
            trace = empty_trace(network, len(raster))
            words = {n: np.asarray(vectors[n.replace(".", "/")][()]) for n in trace.variables}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(
                f"{path}: not a whole golden run: {error}; quantize it again"
            ) from error
    for name, array in {"raster": raster, **words}.items():
        right = trace.variables.get(
            name, np.empty((len(raster), network.n_inputs), network.input_dtype)
        )
        if array.dtype != right.dtype or array.shape != right.shape:
            raise DataError(
                f"{path}: `{name}` of its golden run is {array.dtype} {array.shape}; {right.dtype}"
                f" {right.shape} is needed, quantize it again"
            )
    return raster, Trace(words)


def vector_raster(network: IntegerNetwork) -> NDArray[np.uint8]:
    """The golden run's input (100, n_inputs): sparse, then a burst, silence and all inputs.

    Inputs other than spikes take values of their whole range, and then its ends in turn. It depends
    on nothing but the network's digest.
    """
    generator = np.random.default_rng(int(network.digest()[:16], 16))
    density = np.full((_VECTOR_STEPS, 1), 0.08)
    density[60:70] = 0.5
    density[70:85] = 0.0
    density[85:90] = 1.0
    sent = generator.random((_VECTOR_STEPS, network.n_inputs)) < density
    low, high = network.input_values
    values = np.ones(sent.shape, np.int64)
    if network.input_values != SPIKES:
        values = generator.integers(low, high + 1, sent.shape)
        values[85:90:2], values[86:90:2] = high, low
    return (sent * values).astype(network.input_dtype)


def _write(group: h5py.Group, name: str, array: NDArray[Any]) -> None:
    group.create_dataset(name, data=array, compression="gzip", shuffle=True, track_times=False)


def _arrays(group: h5py.Group) -> dict[str, NDArray[Any]]:
    """Every array of a layer by name.

    Raises:
        TypeError: one holds no numbers, or nothing.
    """
    arrays = {}
    for name, data in group.items():
        if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "iuf" or not data.shape:
            raise TypeError(f"`{name}` is no array of numbers")
        arrays[name] = data[()]
    return arrays


def _read_layer(group: h5py.Group, unnamed: str, plain: Mapping[str, int] | None = None) -> Layer:
    """A layer of the kind that its group names, or of the kind that files leave unnamed."""
    kind = find_kind(str(group.attrs.get("kind", unnamed)))
    missing = {name: None for name, declared in kind.declared().items() if declared.optional}
    values: dict[str, Any] = {**missing, **_arrays(group), **(plain or {})}
    return kind(**values)


def _read_network(path: Path, file: h5py.File) -> IntegerNetwork:
    provenance = read_provenance(file)
    try:
        group = file["network"]
        contract = NumericContract.from_dict(json.loads(group.attrs["contract"]))
        n_hidden = sum(name.startswith("hidden") for name in group)
        layers = [_read_layer(group[f"hidden{i}"], "cuba_lif") for i in range(n_hidden)]
        heads = {"n_heads": int(group.attrs["n_heads"])}
        layers.append(_read_layer(group["readout"], "cuba_li", heads))
        dt = float(group.attrs["dt"])
        return IntegerNetwork(tuple(layers), contract, dt, provenance)
    except RsnnError as error:
        raise DataError(f"{path}: {error}") from error
    except (
        *(KeyError, TypeError, ValueError, AttributeError),
        *(OverflowError, RecursionError),  # of numbers and of JSON
    ) as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a complete network: {reason}; quantize it again") from error
