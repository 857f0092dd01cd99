"""An integer network as a NIR graph for one reader, and its integer weights read back from it."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError
from export.nir.kinds import check_kinds, decides
from export.nir.readers import Reader
from export.quantization.units import (
    firing_points,
    hidden_units,
    membrane_gain,
    readout_units,
)
from sim.contract import NumericContract
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.layer import OWN, Layer
from sim.network import IntegerNetwork

Nodes = dict[str, Any]
Floats = NDArray[np.floating]


def build_graph(network: IntegerNetwork, reader: Reader, metadata: dict[str, str]) -> nir.NIRGraph:
    """Build the graph; currents are in units of one weight step, time constants in seconds.

    Raises:
        RangeError: the reader cannot express a kind of layer, a threshold or a scale.
    """
    check_kinds(network, reader.name, is_exact=not reader.euler)
    if decides(network.readout):
        return _decision(network, reader, metadata)
    nodes: Nodes = {"input": nir.Input(np.array([network.n_inputs]))}
    edges: list[tuple[str, str]] = []
    source = "input"

    def connect(name: str, node: Any, *, after: str | None = None) -> None:
        nodes[name] = node
        edges.append((after or source, name))

    for i, layer in enumerate(network.hidden):
        name = f"hidden{i}"
        scale = _hidden_scale(name, layer, network.contract, reader)
        neuron = _neuron(layer, network, reader)
        w_rec = None
        if layer.w_rec is not None:
            w_rec = nir.Linear(_scaled(_shifted(layer.w_rec, layer.e_rec), scale))
        below = _shifted(layer.w_in, layer.e_in)
        connect(f"{name}_w_in", _from_below(layer, below, scale, network.contract))
        if w_rec is not None and reader.nested:
            neuron, w_rec = _nest(neuron, w_rec), None
        connect(name, neuron, after=f"{name}_w_in")
        if w_rec is not None:
            connect(f"{name}_w_rec", w_rec, after=name)
            edges.append((f"{name}_w_rec", name))
        for k in layer.connections():
            if k.name not in ("w_in", "w_rec"):
                more = nir.Linear(_shifted(k.weights, k.shifts))
                connect(f"{name}_{k.name}", more, after=name if k.source == OWN else source)
                edges.append((f"{name}_{k.name}", name))
        source = name
    readout = network.readout
    connect(
        "readout_w_out",
        _from_below(
            readout,
            _shifted(readout.w_out, readout.values("e_out")),
            _readout_scale(readout, network, reader),
            network.contract,
        ),
    )
    connect("readout", _readout(readout, network, reader), after="readout_w_out")
    source = "readout"
    n_out = readout.n_neurons if reader.euler else readout.n_outputs
    if readout.n_heads > 1 and not reader.euler:
        mean = np.tile(np.eye(readout.n_outputs), readout.n_heads) / readout.n_heads
        connect("readout_mean", nir.Linear(mean))
        source = "readout_mean"
    connect("output", nir.Output(np.array([n_out])))
    if reader.nested:
        nodes, edges = _in_order(nodes, edges)
    return nir.NIRGraph(nodes=nodes, edges=edges, metadata=metadata)


def _decision(network: IntegerNetwork, reader: Reader, metadata: dict[str, str]) -> nir.NIRGraph:
    """The graph of a layer that decides by first spikes: neurons that integrate and fire.

    A reader that only knows the nodes finds the first spikes of neurons without a leak, if it
    reads no more of each neuron's spikes.
    """
    layer, c = network.readout, network.contract
    threshold = layer.threshold * membrane_gain(layer.decay_mem, c) / 2.0**c.frac_bits
    ones: Floats = np.ones(layer.n_neurons)
    decay = _factor(layer.decay_mem, c)
    neuron: nir.IF | nir.LIF = nir.IF(r=ones, v_threshold=threshold, v_reset=0 * ones)
    if (decay < 1).any():
        neuron = nir.LIF(
            tau=reader.time_constant(decay, network.dt),
            r=ones,
            v_leak=0 * ones,
            v_threshold=threshold,
            v_reset=0 * ones,
        )
    nodes = {
        "input": nir.Input(np.array([network.n_inputs])),
        "readout_w_in": nir.Linear(layer.w_in),
        "readout": neuron,
        "output": nir.Output(np.array([layer.n_neurons])),
    }
    names = list(nodes)
    return nir.NIRGraph(nodes, list(pairwise(names)), metadata=metadata)


def integer_weights(
    graph: nir.NIRGraph,
    name: str,
    plain: Mapping[str, NDArray],
    contract: NumericContract,
    reader: Reader,
) -> dict[str, NDArray | None]:
    """Weights of the layer `name`, as integers; `plain` holds its other arrays.

    Raises:
        KeyError: the graph lacks the node.
        ValueError: the weights are not those of a network.
    """
    found = graph.nodes
    if reader.nested:  # names carry numbers
        found = {key.partition("_")[2]: node for key, node in found.items()}
    scale: Floats | None = None
    if name == "readout" and "readout_w_in" in found:
        return {"w_in": found["readout_w_in"].weight}
    if name == "readout":
        if reader.one_threshold:
            scale = readout_units(plain["out_scale"], contract)
        shift = plain.get("e_out", np.zeros(1, np.int64))
        return {"w_out": _unscaled(found["readout_w_out"].weight, scale) >> shift[:, None]}
    if reader.one_threshold:
        scale = hidden_units(plain["threshold"], contract)
    if reader.nested:
        inner = found[name]
        recurrent = inner.nodes["w_rec"] if isinstance(inner, nir.NIRGraph) else None
    else:
        recurrent = found.get(f"{name}_w_rec")
    weights: dict[str, NDArray | None] = {
        "w_in": _unscaled(found[f"{name}_w_in"].weight, scale) >> plain["e_in"][:, None],
        "w_rec": None,
    }
    if recurrent is not None:
        weights["w_rec"] = _unscaled(recurrent.weight, scale) >> plain["e_rec"][:, None]
    for key, node in found.items():
        matrix = key.removeprefix(f"{name}_")
        if matrix.startswith("w_") and matrix not in weights and key != matrix:
            shift = plain["e_" + matrix.removeprefix("w_")]
            weights[matrix] = np.asarray(node.weight) >> shift[:, None]
    return weights


def _neuron(layer: CubaLIF, network: IntegerNetwork, reader: Reader) -> nir.CubaLIF:
    c = network.contract
    decay_mem, decay_syn = _factor(layer.decay_mem, c), _factor(layer.decay_syn, c)
    ones: Floats = np.ones(layer.n_neurons)
    r = reader.unit_gain(decay_mem)
    if not reader.euler:  # the gain is in the threshold, but where nothing leaks
        r = np.where(decay_mem == 1.0, r, 1.0)
    if reader.one_threshold:
        threshold = ones
    elif reader.euler:
        threshold = firing_points(layer.threshold, c) / 2.0**c.frac_bits
    else:
        threshold = layer.threshold * membrane_gain(layer.decay_mem, c) / 2.0**c.frac_bits
    return nir.CubaLIF(
        tau_mem=reader.time_constant(decay_mem, network.dt),
        tau_syn=reader.time_constant(decay_syn, network.dt),
        r=r,
        v_leak=0 * ones,
        v_threshold=threshold,
        v_reset=0 * ones,
        w_in=reader.unit_gain(decay_syn),
    )


def _readout(layer: CubaLI, network: IntegerNetwork, reader: Reader) -> nir.CubaLI | nir.CubaLIF:
    """The readout; readers without `CubaLI` get a neuron that never fires."""
    c = network.contract
    decay_mem, decay_syn = _factor(layer.decay_mem, c), _factor(layer.decay_syn, c)
    ones = np.ones(layer.n_neurons)
    gain = ones if reader.one_threshold else readout_units(layer.out_scale, c)
    shape: dict[str, Any] = {
        "tau_mem": reader.time_constant(decay_mem, network.dt),
        "tau_syn": reader.time_constant(decay_syn, network.dt),
        "r": gain * reader.unit_gain(decay_mem),
        "v_leak": 0 * ones,
        "w_in": reader.unit_gain(decay_syn),
    }
    if reader.euler:
        return nir.CubaLIF(v_threshold=np.inf * ones, v_reset=0 * ones, **shape)
    return nir.CubaLI(**shape)


def _nest(neuron: nir.CubaLIF, w_rec: nir.Linear) -> nir.NIRGraph:
    n = neuron.v_threshold.shape
    return nir.NIRGraph(
        nodes={
            "input": nir.Input(np.array(n)),
            "lif": neuron,
            "output": nir.Output(np.array(n)),
            "w_rec": w_rec,
        },
        edges=[("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
    )


def _in_order(nodes: Nodes, edges: list[tuple[str, str]]) -> tuple[Nodes, list[tuple[str, str]]]:
    """Number the names: files list nodes by name, and some readers wire them in that order."""
    digits = len(str(len(nodes)))
    new = {name: f"n{i:0{digits}d}_{name}" for i, name in enumerate(nodes)}
    return (
        {new[name]: node for name, node in nodes.items()},
        [(new[a], new[b]) for a, b in edges],
    )


def _hidden_scale(name: str, layer: CubaLIF, c: NumericContract, reader: Reader) -> Floats | None:
    """The factor on each neuron's weights for a reader whose one threshold is 1."""
    if not reader.one_threshold:
        return None
    below = firing_points(layer.threshold, c) < 0
    if below.any():
        neuron = int(np.argmax(below))
        raise RangeError(
            f"{name}: neuron {neuron} has threshold {layer.threshold[neuron]}; {reader.name} has"
            " one positive threshold for a layer. Export with `reader=norse` or `reader=exact`"
        )
    return hidden_units(layer.threshold, c)


def _readout_scale(layer: CubaLI, network: IntegerNetwork, reader: Reader) -> Floats | None:
    if not reader.one_threshold:
        return None
    if not layer.out_scale.all():
        raise RangeError(
            f"readout: row {int(np.argmin(np.abs(layer.out_scale)))} has out_scale 0, which"
            f" {reader.name} can only keep in weights. Export with `reader=norse` or `reader=exact`"
        )
    return readout_units(layer.out_scale, network.contract)


def _factor(decay: NDArray[np.integer], c: NumericContract) -> Floats:
    return c.kept(decay)


def _shifted(weights: NDArray[np.integer], shift: NDArray[np.integer]) -> NDArray[np.integer]:
    """Weights times 2^shift of their row, in the smallest of int8, int16 and int32."""
    wide = weights.astype(np.int32) << shift.astype(np.int32)[:, None]
    fits = (d for d in (np.int8, np.int16, np.int32) if np.array_equal(wide.astype(d), wide))
    return wide.astype(next(fits))


def _from_below(
    layer: Layer, weights: NDArray[np.integer], scale: Floats | None, c: NumericContract
) -> nir.Linear | nir.Affine:
    """The node of the input weights, with the layer's bias in the unit of the weights."""
    if layer.bias is None:
        return nir.Linear(_scaled(weights, scale))
    bias = layer.bias / 2.0**c.frac_bits
    return nir.Affine(_scaled(weights, scale), bias if scale is None else bias * scale)


def _scaled(weights: NDArray[np.integer], scale: Floats | None) -> NDArray:
    return weights if scale is None else weights * scale[:, None]


def _unscaled(weights: NDArray, scale: Floats | None) -> NDArray:
    """The integers that were passed to `_scaled`; rounding removes float error."""
    if scale is None:
        return weights
    whole = np.rint(weights / scale[:, None])
    if not np.all(np.abs(whole) < 2.0**31):  # also refuses NaN
        raise ValueError("a weight is no multiple of its neuron's scale")
    return whole.astype(np.int32)
