"""ONNX: the step of an integer network, alone and with the loop over time, in integer operators.

The step model takes this step's input spikes `x` and every state word, and returns every state word
after the step; the model over time is a `Scan` of the same step. States and rasters have a batch
axis, so one call steps many streams. Words are uint8 (spikes) and int32; between them everything is
computed in int64, where nothing can overflow that the contract does not speak of. The numeric
contract, the digest and the scales of `out` are in the model's metadata.

Operators: https://onnx.ai/onnx/operators. Integer `Div` truncates towards zero; `Mod` of integers
has the sign of its divisor, so that `(x - Mod(x, m)) / m` is the floor.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    numpy_helper,
)
from onnx.checker import check_model

from base.errors import RangeError
from base.extras import extra
from base.files import atomic_path
from sim.contract import NumericContract, signed_range
from sim.network import CubaLI, CubaLIF, IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace, empty_trace, variable_names

SUFFIX = ".onnx"
METADATA_VERSION = 2
OPSET = 17
IR_VERSION = 8
MAX_BYTES = (1 << 31) - 1  # of a protobuf message, and so of a model
ARRIVING = "arriving"  # the input spikes of the step before, which a delay keeps under way


def export_onnx(network: IntegerNetwork, step: Path, scan: Path) -> None:
    """Write the step model and the model over time, each atomically; same network, same bytes.

    Raises:
        FileError: a file cannot be written.
        RangeError: the network is larger than a model can be.
    """
    for path, model in ((step, to_step_model(network)), (scan, to_scan_model(network))):
        with atomic_path(path) as temporary:
            temporary.write_bytes(_bytes(model))


def to_step_model(network: IntegerNetwork) -> ModelProto:
    """A model from `x` (batch, n_inputs) and the states to the states one step later.

    State `hidden0.mem` comes out as `hidden0.mem.next`, and so on; each is (batch, n_neurons).
    """
    words = _words(network)
    graph = _equations(network)
    states = [name for name in words if name != "x"]
    inputs = [_value(name, words[name]) for name in words]
    outputs = [_value(f"{name}.next", words[name]) for name in states]
    return _model(network, graph.proto("step", inputs, outputs))


def to_scan_model(network: IntegerNetwork) -> ModelProto:
    """A model from the states and `raster` (n_steps, batch, n_inputs) to all states of all steps.

    State `hidden0.mem` goes in as it is before the first step and comes out as `hidden0.mem.last`;
    `hidden0.mem.trace` (n_steps, batch, n_neurons) has it after every step.
    """
    words = _words(network)
    states = [name for name in words if name != "x"]
    traced = variable_names(network)
    body = _equations(network)
    for name in traced:
        body.emit("Identity", f"{name}.next", name=f"{name}.now")
    step = body.proto(
        "step",
        [_value(name, words[name]) for name in (*states, "x")],
        [
            *(_value(f"{name}.next", words[name]) for name in states),
            *(_value(f"{name}.now", words[name]) for name in traced),
        ],
    )
    last, traces = [f"{n}.last" for n in states], [f"{n}.trace" for n in traced]
    loop = helper.make_node(
        "Scan", [*states, "raster"], [*last, *traces], body=step, num_scan_inputs=1
    )
    inputs = [_value(name, words[name]) for name in states]
    inputs.append(_value("raster", words["x"], "n_steps"))
    outputs = [_value(f"{name}.last", words[name]) for name in states]
    outputs += [_value(f"{name}.trace", words[name], "n_steps") for name in traced]
    return _model(network, helper.make_graph([loop], "network", inputs, outputs))


def initial_states(network: IntegerNetwork, batch: int = 1) -> dict[str, NDArray]:
    """What to feed as states before the first step, each (batch, n_neurons)."""
    words = _words(network).items()
    found = {name: np.zeros((batch, n), dtype) for name, (dtype, n) in words if name != "x"}
    found["readout.out"] += network.readout.initial_out
    return found


def run_onnxruntime(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Every state word by onnxruntime: the model over time, and its first steps one by one.

    Raises:
        ToolError: onnxruntime cannot be imported.
        MismatchError: the raster has another number of channels.
    """
    return run_models(network, raster, by_onnxruntime)


def run_reference(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """The same by onnx.reference, ONNX's own definition of its operators."""
    return run_models(network, raster, by_reference)


BACKENDS = {"onnxruntime": run_onnxruntime, "onnx-reference": run_reference}

Run = Callable[[Sequence[str], Mapping[str, NDArray]], list[NDArray]]
Engine = Callable[[bytes], Run]


def run_models(network: IntegerNetwork, raster: NDArray[np.uint8], engine: Engine) -> Trace:
    """Trace of the first half of a raster, at most 500 steps, by the step model, and of
    the rest by the model over time.

    Both models are what is exported, so each is compared with the reference on its half.
    """
    check_channels(network, raster.shape)
    if len(raster) == 0:  # which Scan of onnxruntime refuses
        return empty_trace(network, 0)
    names = variable_names(network)
    states = initial_states(network)
    half = min(len(raster) // 2, 500)
    parts: dict[str, list[NDArray]] = {name: [] for name in names}
    run = engine(_bytes(to_step_model(network)))
    wanted = [f"{name}.next" for name in states]
    for x in raster[:half]:
        found = run(wanted, states | {"x": x[None]})
        states = dict(zip(states, found, strict=True))
        for name in names:
            parts[name].append(states[name])
    run = engine(_bytes(to_scan_model(network)))
    rest = run([f"{name}.trace" for name in names], states | {"raster": raster[half:, None]})
    for name, array in zip(names, rest, strict=True):
        parts[name].append(array[:, 0])
    return Trace({name: np.concatenate(arrays) for name, arrays in parts.items()})


def by_onnxruntime(model: bytes) -> Run:
    """Load a model into onnxruntime, on one thread.

    Raises:
        ToolError: onnxruntime cannot be imported.
    """
    onnxruntime = extra("onnxruntime", "onnxruntime", "this backend")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda names, feeds: session.run(list(names), dict(feeds))


def by_reference(model: bytes) -> Run:
    """Load a model into onnx.reference."""
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    return lambda names, feeds: list(evaluator.run(list(names), dict(feeds)))


@dataclass
class _Graph:
    """A graph under construction: nodes in order, constants by value."""

    nodes: list[NodeProto] = field(default_factory=list)
    constants: dict[str, NDArray] = field(default_factory=dict)

    def emit(self, operator: str, *operands: str, name: str = "", **attributes: Any) -> str:
        """Append a node; return the name of its one result."""
        result = name or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, operands, [result], **attributes))
        return result

    def cast(self, word: str, kind: int, name: str = "") -> str:
        """The same value in another type."""
        return self.emit("Cast", word, name=name, to=kind)

    def constant(self, name: str, value: ArrayLike, dtype: Any = np.int64) -> str:
        """Keep an array under a name; return the name."""
        self.constants[name] = np.ascontiguousarray(value, dtype)
        return name

    def number(self, value: int) -> str:
        """An int64 scalar."""
        return self.constant(f"c{value}", value)

    def proto(self, name: str, inputs: Sequence[Any], outputs: Sequence[Any]) -> GraphProto:
        """The finished graph.

        Raises:
            RangeError: its constants are more than a model can hold.
        """
        size = sum(value.nbytes for value in self.constants.values())
        if size > MAX_BYTES:
            raise RangeError(
                f"the network's integers take {size} bytes in ONNX; a model holds at most"
                f" {MAX_BYTES}. Use fewer neurons, or `bits=8`, of which a weight takes 1 byte"
            )
        tensors = [numpy_helper.from_array(value, key) for key, value in self.constants.items()]
        return helper.make_graph(self.nodes, name, inputs, outputs, tensors)


def _words(network: IntegerNetwork) -> dict[str, tuple[Any, int]]:
    """Type and width of the input `x` and of every state, by name."""
    found: dict[str, tuple[Any, int]] = {
        "x": (np.uint8, network.n_inputs),
        ARRIVING: (np.uint8, network.n_inputs),
    }
    sizes = {n: x.n_neurons for n, x in zip(network.layer_names, network.layers, strict=True)}
    for name in variable_names(network):
        layer, kind = name.split(".")
        found[name] = (np.uint8 if kind == "spk" else np.int32, sizes[layer])
    return found


def _value(name: str, word: tuple[Any, int], *axes: str) -> ValueInfoProto:
    dtype, width = word
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, [*axes, "batch", width])


def _model(network: IntegerNetwork, graph: GraphProto) -> ModelProto:
    """Wrap a checked graph with what makes its integers a meaning."""
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="rsnnctl",
        doc_string=f"integer network {network.digest()}",
    )
    metadata = {
        "version": METADATA_VERSION,
        "digest": network.digest(),
        "contract": network.contract.as_dict(),
        "dt": network.dt,
        "n_heads": network.readout.n_heads,
        "layers": {
            name: {
                key: array.tolist()
                for key, array in vars(layer).items()
                if isinstance(array, np.ndarray) and not key.startswith("w_")
            }
            for name, layer in zip(network.layer_names, network.layers, strict=True)
        },
        "provenance": dict(network.metadata),
    }
    helper.set_model_props(model, {"rsnnctl": json.dumps(metadata, sort_keys=True)})
    check_model(model, full_check=True)
    return model


def _bytes(model: ModelProto) -> bytes:
    return model.SerializeToString(deterministic=True)


def _equations(network: IntegerNetwork) -> _Graph:
    """Nodes of one step, from `x` and the states to `<state>.next`: `sim/reference.py`."""
    graph = _Graph()
    graph.emit("Identity", "x", name=f"{ARRIVING}.next")
    delayed = network.contract.delay_steps == 1
    source = ARRIVING if delayed else "x"
    for name, layer in zip(network.layer_names, network.layers, strict=True):
        if isinstance(layer, CubaLIF):
            _hidden(graph, network.contract, name, layer, source)
            source = f"{name}.spk" if delayed else f"{name}.spk.next"
        else:
            _readout(graph, network.contract, name, layer, source)
    return graph


def _hidden(g: _Graph, c: NumericContract, name: str, layer: CubaLIF, source: str) -> None:
    shifts = layer.e_in.astype(np.int64) + c.frac_bits
    acc = _delivered(g, f"{name}.w_in", layer.w_in, source, shifts)
    if layer.w_rec is not None:
        shifts = layer.e_rec.astype(np.int64) + c.frac_bits
        recurrent = _delivered(g, f"{name}.w_rec", layer.w_rec, f"{name}.spk", shifts)
        acc = g.emit("Add", acc, recurrent)
    syn, drive = _current(g, c, name, layer, acc)
    mem = g.cast(f"{name}.mem", TensorProto.INT64)
    kept = _decayed(g, c, mem, g.constant(f"{name}.decay_mem", layer.decay_mem))
    integrated = _fit(g, g.emit("Add", kept, drive), c.mem_bits, c.overflow_mem)
    threshold = g.constant(f"{name}.threshold", layer.threshold)
    after = g.number(0) if c.reset == "zero" else g.emit("Sub", kept, threshold)
    if not c.reset_drops_input:
        after = g.emit("Add", after, drive)
    cleared = _fit(g, after, c.mem_bits, c.overflow_mem)
    over = "Greater" if c.fires_when == ">" else "GreaterOrEqual"
    was_over = g.emit(over, mem, threshold)
    if c.fires_on == "previous_membrane":
        fires = was_over
    elif c.fires_on == "new_membrane":
        fires = g.emit(over, integrated, threshold)
    else:
        fires = g.emit(over, g.emit("Where", was_over, cleared, integrated), threshold)
    g.cast(fires, TensorProto.UINT8, f"{name}.spk.next")
    g.cast(syn, TensorProto.INT32, f"{name}.syn.next")
    new = g.emit("Where", was_over if c.reset_delay else fires, cleared, integrated)
    g.cast(new, TensorProto.INT32, f"{name}.mem.next")


def _readout(g: _Graph, c: NumericContract, name: str, layer: CubaLI, source: str) -> None:
    shifts = np.full(layer.n_neurons, c.frac_bits, np.int64)
    syn, drive = _current(
        g, c, name, layer, _delivered(g, f"{name}.w_out", layer.w_out, source, shifts)
    )
    out = g.cast(f"{name}.out", TensorProto.INT64)
    kept = _decayed(g, c, out, g.constant(f"{name}.decay_mem", layer.decay_mem))
    out = _fit(g, g.emit("Add", kept, drive), c.mem_bits, c.overflow_mem)
    g.cast(syn, TensorProto.INT32, f"{name}.syn.next")
    g.cast(out, TensorProto.INT32, f"{name}.out.next")


def _current(
    g: _Graph, c: NumericContract, name: str, layer: CubaLIF | CubaLI, acc: str
) -> tuple[str, str]:
    """The synaptic current after this step, and the one that the membrane integrates."""
    if layer.bias is not None:
        acc = g.emit("Add", acc, g.constant(f"{name}.bias", layer.bias))
    old = g.cast(f"{name}.syn", TensorProto.INT64)
    kept = _decayed(g, c, old, g.constant(f"{name}.decay_syn", layer.decay_syn))
    syn = _fit(g, g.emit("Add", kept, acc), c.syn_bits, c.overflow_syn)
    return syn, old if c.current == "previous" else syn


def _delivered(
    g: _Graph, name: str, weights: NDArray[np.integer], source: str, shifts: NDArray[np.int64]
) -> str:
    """What arrives through a matrix (post, pre), shifted: `MatMulInteger` where it takes it."""
    if weights.dtype == np.int8:
        acc = g.emit("MatMulInteger", source, g.constant(name, weights.T, np.int8))
    else:
        spikes = g.cast(source, TensorProto.INT32)
        acc = g.emit("MatMul", spikes, g.constant(name, weights.T, np.int32))
    wide = g.cast(acc, TensorProto.INT64)
    return g.emit("Mul", wide, g.constant(f"{name}.shift", 1 << shifts))


def _decayed(g: _Graph, c: NumericContract, word: str, decay: str) -> str:
    unity = g.number(1 << c.decay_frac)
    product = g.emit("Mul", word, decay)
    if c.rounding == "floor":
        product = g.emit("Sub", product, g.emit("Mod", product, unity))
    return g.emit("Div", product, unity)


def _fit(g: _Graph, word: str, bits: int, overflow: str) -> str:
    low, high = signed_range(bits)
    if overflow == "saturate":
        return g.emit("Min", g.emit("Max", word, g.number(low)), g.number(high))
    lifted = g.emit("Sub", word, g.number(low))
    return g.emit("Add", g.emit("Mod", lifted, g.number(1 << bits)), g.number(low))
