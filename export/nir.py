"""NIR: the field's exchange graph, with integer weights and the numeric contract as metadata.

The graph says what a float reader can understand: `Linear` nodes with the shifted integer weights,
or `Affine` where there is a bias too, `CubaLIF` and `CubaLI` nodes in units of one weight step,
recurrence as two edges around a `Linear`.
NIR has no time step, no order of updates and no widths, so a graph is exact only for readers of its
metadata entry `rsnnctl`, a JSON text with the contract and every integer that is not a weight.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from rsnnctl.errors import DataError, FileError
from rsnnctl.files import atomic_path, open_hdf5
from sim import kernels
from sim.contract import NumericContract
from sim.network import CubaLI, CubaLIF, IntegerNetwork, Layer
from sim.trace import Trace

SUFFIX = ".nir"
METADATA_KEY = "rsnnctl"
METADATA_VERSION = 1
_MEANING = (
    "The equations of this network are those of `contract`, in integers; the nodes' float"
    " parameters describe the same network to readers that discretize NIR in their own way."
)
_PLAIN = {  # what travels as JSON lists, by layer class
    CubaLIF: ("e_in", "e_rec", "decay_syn", "decay_mem", "threshold"),
    CubaLI: ("decay_syn", "decay_mem", "initial_out", "out_scale"),
}


def export_nir(network: IntegerNetwork, path: Path) -> None:
    """Write a network as a NIR file, atomically; the same network gives the same bytes.

    Raises:
        FileError: the file cannot be written.
    """
    graph = to_graph(network)
    with atomic_path(path) as temporary:
        nir.write(temporary, graph)


def import_nir(path: Path) -> IntegerNetwork:
    """Read a NIR file that carries a numeric contract; the digest is that of the exported network.

    Raises:
        FileError: no such file, not HDF5, truncated, not NIR, a newer version, or edited.
        DataError: the graph carries no contract, or its metadata are incomplete.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        if "node" not in file:
            raise FileError(f"{path}: HDF5, but not a NIR graph; export one with export-nir")
    try:
        graph = nir.read(path)
    except (ValueError, AssertionError, KeyError, TypeError, OSError) as error:
        raise DataError(f"{path}: not a valid NIR graph: {error}") from error
    if not isinstance(graph, nir.NIRGraph) or METADATA_KEY not in graph.metadata:
        raise DataError(
            f"{path}: the graph carries no numeric contract (metadata `{METADATA_KEY}`), so its"
            " integers are not defined; use a file written by `rsnnctl export-nir`"
        )
    network, named = _read_metadata(path, graph)
    found = network.digest()
    if found != named:
        raise FileError(
            f"{path}: digest is {found[:12]}.. but the file names {named[:12]}..; the graph was"
            " edited, export it again"
        )
    _check_same_graph(path, graph, to_graph(network))
    return network


def run_backend(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Export, import again, and run what came back: the trace that `verify` compares."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"network{SUFFIX}"
        export_nir(network, path)
        return kernels.run_backend(import_nir(path), raster)


def to_graph(network: IntegerNetwork) -> nir.NIRGraph:
    """Build the graph; currents are in units of one weight step, time constants in seconds."""
    c = network.contract
    nodes: dict[str, Any] = {"input": nir.Input(np.array([network.n_inputs]))}
    edges = []
    source = "input"
    for i, layer in enumerate(network.hidden):
        name = f"hidden{i}"
        decay_mem, tau_mem = _time_constant(layer.decay_mem, network)
        ones = np.ones(layer.n_neurons)
        nodes[f"{name}_w_in"] = _from_below(layer, _shifted(layer.w_in, layer.e_in), c)
        nodes[name] = nir.CubaLIF(
            tau_mem=tau_mem,
            tau_syn=_time_constant(layer.decay_syn, network)[1],
            r=ones,
            v_leak=0 * ones,
            v_threshold=layer.threshold * (1.0 - decay_mem) / 2.0**c.frac_bits,
            v_reset=0 * ones,
            w_in=ones,
        )
        edges += [(source, f"{name}_w_in"), (f"{name}_w_in", name)]
        if layer.w_rec is not None:
            nodes[f"{name}_w_rec"] = nir.Linear(_shifted(layer.w_rec, layer.e_rec))
            edges += [(name, f"{name}_w_rec"), (f"{name}_w_rec", name)]
        source = name
    readout = network.readout
    decay_mem, tau_mem = _time_constant(readout.decay_mem, network)
    ones = np.ones(readout.n_neurons)
    leak = np.where(decay_mem == 1.0, 1.0, 1.0 - decay_mem)
    nodes["readout_w_out"] = _from_below(readout, readout.w_out, c)
    nodes["readout"] = nir.CubaLI(
        tau_mem=tau_mem,
        tau_syn=_time_constant(readout.decay_syn, network)[1],
        r=readout.out_scale * 2.0**c.frac_bits / leak,
        v_leak=0 * ones,
        w_in=ones,
    )
    edges += [(source, "readout_w_out"), ("readout_w_out", "readout")]
    source = "readout"
    if readout.n_heads > 1:
        mean = np.tile(np.eye(readout.n_outputs), readout.n_heads) / readout.n_heads
        nodes["readout_mean"] = nir.Linear(mean)
        edges.append((source, "readout_mean"))
        source = "readout_mean"
    nodes["output"] = nir.Output(np.array([readout.n_outputs]))
    edges.append((source, "output"))
    metadata = {METADATA_KEY: json.dumps(_metadata(network), sort_keys=True)}
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def _metadata(network: IntegerNetwork) -> dict[str, Any]:
    layers = {}
    for name, layer in zip(network.layer_names, network.layers, strict=True):
        layers[name] = {key: getattr(layer, key).tolist() for key in _PLAIN[type(layer)]}
        if layer.bias is not None:
            layers[name]["bias"] = layer.bias.tolist()
    return {
        "version": METADATA_VERSION,
        "meaning": _MEANING,
        "digest": network.digest(),
        "contract": network.contract.as_dict(),
        "dt": network.dt,
        "n_heads": network.readout.n_heads,
        "layers": layers,
        "provenance": dict(network.metadata),
    }


def _read_metadata(path: Path, graph: nir.NIRGraph) -> tuple[IntegerNetwork, str]:
    """Build the network that the metadata and the weights describe; return it and its digest."""
    try:
        text = graph.metadata[METADATA_KEY]
        metadata = json.loads(text.decode() if isinstance(text, bytes) else text)
        version = int(metadata["version"])
        if version > METADATA_VERSION:
            raise FileError(
                f"{path}: numeric contract version {version} is newer than {METADATA_VERSION}, the"
                " newest that this rsnnctl reads; upgrade rsnnctl"
            )
        layers: list[CubaLIF | CubaLI] = []
        for name, plain in metadata["layers"].items():
            values = {key: np.array(value) for key, value in plain.items()}
            if name == "readout":
                w_out = graph.nodes["readout_w_out"].weight
                layers.append(CubaLI(w_out=w_out, n_heads=int(metadata["n_heads"]), **values))
                continue
            w_rec = None
            if f"{name}_w_rec" in graph.nodes:
                w_rec = graph.nodes[f"{name}_w_rec"].weight >> values["e_rec"][:, None]
            w_in = graph.nodes[f"{name}_w_in"].weight >> values["e_in"][:, None]
            layers.append(CubaLIF(w_in=w_in, w_rec=w_rec, **values))
        contract = NumericContract.from_dict(metadata["contract"])
        network = IntegerNetwork(
            tuple(layers), contract, float(metadata["dt"]), metadata["provenance"]
        )
        return network, str(metadata["digest"])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise DataError(
            f"{path}: the numeric contract in metadata `{METADATA_KEY}` is incomplete: {error};"
            " export the network again"
        ) from error


def _check_same_graph(path: Path, found: nir.NIRGraph, expected: nir.NIRGraph) -> None:
    """Refuse a graph whose nodes or edges say something else than its contract."""
    if set(found.edges) != set(expected.edges) or set(found.nodes) != set(expected.nodes):
        raise FileError(f"{path}: nodes or edges were added or removed; export the network again")
    for name, node in expected.nodes.items():
        other = found.nodes[name]
        for key, value in vars(node).items():
            if isinstance(value, np.ndarray) and not np.array_equal(value, vars(other).get(key)):
                raise FileError(
                    f"{path}: `{key}` of node `{name}` was edited and no longer agrees with the"
                    " numeric contract; export the network again"
                )


def _from_below(layer: Layer, weights: NDArray, c: NumericContract) -> nir.Linear | nir.Affine:
    """The node of what comes from below, with the layer's bias in units of one weight step."""
    if layer.bias is None:
        return nir.Linear(weights)
    return nir.Affine(weights, layer.bias / 2.0**c.frac_bits)


def _shifted(weights: NDArray[np.integer], shift: NDArray[np.integer]) -> NDArray[np.integer]:
    """Weights times 2^shift of their row, in the smallest of int8, int16 and int32."""
    wide = weights.astype(np.int32) << shift.astype(np.int32)[:, None]
    fits = (d for d in (np.int8, np.int16, np.int32) if np.array_equal(wide.astype(d), wide))
    return wide.astype(next(fits))


def _time_constant(
    decay: NDArray[np.integer], network: IntegerNetwork
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Decay factors as floats, and each tau (0 to inf, in s) with exp(-dt / tau) equal to it."""
    factor = decay / 2.0**network.contract.decay_frac
    with np.errstate(divide="ignore"):
        return factor, -network.dt / np.log(factor)
