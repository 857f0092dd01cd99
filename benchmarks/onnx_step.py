"""A network in ONNX: a step as a graph that is called for every step, or with its loop inside."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

from base.errors import ToolError
from rsnn.model import RSNN
from rsnn.neurons import INITIAL_OUT, V_THRESHOLD

_OPSET = 17
_STATES = ("spk", "syn", "mem", "readout", "out")
_INPUTS = ("x", *_STATES)


Peer = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def onnx_step(model: RSNN) -> Peer:
    """Return a function from a raster (n_steps, batch, n_inputs) to `out` of all heads.

    Raises:
        ToolError: onnxruntime is missing.
    """
    nodes, constants, widths = _equations(model)
    results = [f"next_{name}" for name in _STATES]
    values = [[_value(name, widths, "batch") for name in names] for names in (_INPUTS, results)]
    session = _session(helper.make_graph(nodes, "step", *values, constants))

    def run(raster: NDArray[np.float32]) -> NDArray[np.float32]:
        states = _first(widths, raster.shape[1])
        x = np.zeros_like(raster[0])
        outs = np.empty((*raster.shape[:2], widths["out"]), np.float32)
        for t in range(len(raster)):
            found = session.run(results, states | {"x": x})
            states = dict(zip(_STATES, found, strict=True))
            x, outs[t] = raster[t], states["out"]
        return outs

    return run


def onnx_scan(model: RSNN) -> Peer:
    """Return the same with the loop over time inside the graph, by ONNX's operator Scan."""
    nodes, constants, widths = _equations(model)
    nodes.append(helper.make_node("Identity", ["next_out"], ["decoded"]))
    widths["decoded"] = widths["out"]
    results = [*(f"next_{name}" for name in _STATES), "decoded"]
    inputs = [*_STATES, "x"]
    values = [[_value(name, widths, "batch") for name in names] for names in (inputs, results)]
    body = helper.make_graph(nodes, "step", *values, constants)
    outputs = [*(f"last_{name}" for name in _STATES), "outs"]
    loop = helper.make_node("Scan", [*_STATES, "raster"], outputs, body=body, num_scan_inputs=1)
    widths |= {"raster": widths["x"], "outs": widths["out"]}
    given = [_value(name, widths, "batch") for name in _STATES]
    given.append(_value("raster", widths, "n_steps", "batch"))
    session = _session(
        helper.make_graph([loop], "loop", given, [_value("outs", widths, "n_steps", "batch")])
    )

    def run(raster: NDArray[np.float32]) -> NDArray[np.float32]:
        delayed = np.concatenate((np.zeros_like(raster[:1]), raster[:-1]))
        (outs,) = session.run(["outs"], _first(widths, raster.shape[1]) | {"raster": delayed})
        return outs

    return run


def _equations(model: RSNN) -> tuple[list[NodeProto], list[TensorProto], dict[str, int]]:
    """Nodes of a step, its constants, and the widths of inputs and outputs."""
    (layer,) = model.layers
    with torch.no_grad():
        decays = [
            *layer.tau.decays(),
            *(torch.cat(p) for p in zip(*(h.tau.decays() for h in model.readouts), strict=True)),
        ]
        weights = (layer.w_in, layer.w_rec, torch.cat([h.w_out for h in model.readouts]))
        names = ("dm", "ds", "do", "dr")
        constants = {n: d.numpy() for n, d in zip(names, decays, strict=True)}
        constants |= {f"{n}_gain": 1.0 - constants[n] for n in ("dm", "do")}
        constants |= {
            n: w.T.contiguous().numpy() for n, w in zip(("wi", "wr", "wo"), weights, strict=True)
        }
    constants |= {"threshold": np.float32(V_THRESHOLD), "zero": np.float32(0)}
    equations = (
        ("MatMul", "x", "wi", "a0"),
        ("MatMul", "spk", "wr", "a1"),
        ("Add", "a0", "a1", "acc"),
        ("Mul", "out", "do", "b0"),
        ("Mul", "readout", "do_gain", "b1"),
        ("Add", "b0", "b1", "next_out"),
        ("Mul", "readout", "dr", "c0"),
        ("MatMul", "spk", "wo", "c1"),
        ("Add", "c0", "c1", "next_readout"),
        ("Greater", "mem", "threshold", "fires"),
        ("Mul", "mem", "dm", "d0"),
        ("Mul", "syn", "dm_gain", "d1"),
        ("Add", "d0", "d1", "d2"),
        ("Mul", "syn", "ds", "e0"),
        ("Add", "e0", "acc", "next_syn"),
    )
    nodes = [helper.make_node(kind, [a, b], [result]) for kind, a, b, result in equations]
    nodes.append(helper.make_node("Cast", ["fires"], ["next_spk"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Where", ["fires", "zero", "d2"], ["next_mem"]))
    n_hidden, n_inputs = weights[0].shape
    widths = dict.fromkeys(_STATES, n_hidden) | {"x": n_inputs}
    widths |= dict.fromkeys(("readout", "out"), len(constants["do"]))
    tensors = [numpy_helper.from_array(np.asarray(c, np.float32), n) for n, c in constants.items()]
    return nodes, tensors, widths


def _value(name: str, widths: dict[str, int], *axes: str) -> ValueInfoProto:
    width = widths[name.removeprefix("next_")]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [*axes, width])


def _first(widths: dict[str, int], batch: int) -> dict[str, NDArray[np.float32]]:
    """States before the first step."""
    states = {n: np.zeros((batch, widths[n]), np.float32) for n in _STATES}
    states["out"] += np.float32(INITIAL_OUT)
    return states


def _session(graph: GraphProto):
    try:
        import onnxruntime
    except ImportError as error:
        raise ToolError("onnxruntime is not installed: pip install onnxruntime") from error
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
