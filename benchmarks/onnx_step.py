"""One step of a network as an ONNX graph, called once a step, as a streaming user would."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from rsnn.model import RSNN
from rsnn.neurons import INITIAL_OUT, V_THRESHOLD
from rsnnctl.errors import ToolError

_OPSET = 17
_STATES = ("x", "spk", "syn", "mem", "readout", "out")


def onnx_step(model: RSNN) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return a function from a raster (n_steps, batch, n_inputs) to `out` of all heads.

    Raises:
        ToolError: onnxruntime is missing.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ToolError("onnxruntime is not installed: pip install onnxruntime") from error
    (layer,) = model.hidden
    with torch.no_grad():
        decays = [
            *layer.tau.decays(),
            *(torch.cat(p) for p in zip(*(h.tau.decays() for h in model.heads), strict=True)),
        ]
        weights = (layer.w_in, layer.w_rec, torch.cat([h.w_out for h in model.heads]))
        names = ("dm", "ds", "do", "dr")
        constants = {n: d.numpy() for n, d in zip(names, decays, strict=True)}
        constants |= {f"{n}_gain": 1.0 - constants[n] for n in ("dm", "do")}
        constants |= {
            n: w.T.contiguous().numpy() for n, w in zip(("wi", "wr", "wo"), weights, strict=True)
        }
    constants["threshold"] = np.float32(V_THRESHOLD)
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
    constants["zero"] = np.float32(0)
    n_inputs, n_hidden = weights[0].shape[1], weights[0].shape[0]
    widths = dict.fromkeys(_STATES, n_hidden) | {"x": n_inputs}
    widths |= dict.fromkeys(("readout", "out"), len(constants["do"]))
    results = [f"next_{name}" for name in _STATES[1:]]

    def value(name: str):
        width = widths[name.removeprefix("next_")]
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", width])

    graph = helper.make_graph(
        nodes,
        "step",
        [value(name) for name in _STATES],
        [value(name) for name in results],
        [numpy_helper.from_array(np.asarray(c, np.float32), n) for n, c in constants.items()],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=9)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def run(raster: NDArray[np.float32]) -> NDArray[np.float32]:
        batch = raster.shape[1]
        states = {n: np.zeros((batch, widths[n]), np.float32) for n in _STATES}
        states["out"] += np.float32(INITIAL_OUT)
        outs = np.empty((len(raster), batch, widths["out"]), np.float32)
        for t, x in enumerate(raster):
            found = session.run(results, states)
            states = dict(zip(_STATES, (x, *found), strict=True))
            outs[t] = states["out"]
        return outs

    return run
