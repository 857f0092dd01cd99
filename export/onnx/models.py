"""The step of an integer network, alone and with the loop over time, in integer operators.

The step model takes this step's inputs `x` and every state word, and returns every state word
after the step; the model over time is a `Scan` of the same step. States and rasters have a batch
axis, so one call steps many streams. Words are uint8 (spikes and inputs; int8 for signed inputs)
and int32; between them everything is computed in int64, where nothing overflows except as the
contract says. The numeric contract, the digest and the scales of `out` are in the model's metadata.

Operators: https://onnx.ai/onnx/operators. Integer `Div` truncates towards zero; `Mod` of integers
has the sign of its divisor, so that `(x - Mod(x, m)) / m` is the floor.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import ArrayLike, NDArray
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    ValueInfoProto,
    helper,
    load,
    numpy_helper,
)
from onnx.checker import check_model

from base.errors import FileError, MismatchError, RangeError, UnsupportedError
from base.files import read_bytes, write_bytes
from export.onnx.differences import first_difference
from sim.arithmetic.exact import number_of
from sim.arithmetic.symbols import Term, equations, simplified
from sim.contract import NumericContract
from sim.layer import SPIKES, Layer
from sim.network import IntegerNetwork
from sim.trace import variable_names, word_dtype

METADATA_VERSION = 2
OPSET = 17
IR_VERSION = 8
MAX_BYTES = (1 << 31) - 1  # bytes of a protobuf message, and so of a model
SEEN = "seen"  # the inputs that have had an event, where only the first one counts
ARRIVING = "arriving"  # the inputs of the step before, in transit where there is a delay


def export_onnx(network: IntegerNetwork, step: Path, scan: Path) -> None:
    """Write the step model and the model over time, each atomically; same network, same bytes.

    Raises:
        FileError: a file cannot be written.
        RangeError: the network is larger than a model can be.
    """
    for path, model in ((step, to_step_model(network)), (scan, to_scan_model(network))):
        write_bytes(path, serialized(model))


def read_digest(path: Path) -> str | None:
    """The digest of the network that a model's metadata name, or None."""
    try:
        props = {
            each.key: each.value for each in load(path, load_external_data=False).metadata_props
        }
        named = json.loads(props["rsnnctl"])["digest"]
    except (OSError, DecodeError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return named if isinstance(named, str) else None


def check_written(path: Path, right: ModelProto) -> bytes:
    """The content of a model's file, which must be the model that is exported now.

    Raises:
        FileError: it cannot be read, or is no ONNX model.
        MismatchError: an array, a node or anything else in it is another.
    """
    content = read_bytes(path, MAX_BYTES)
    try:
        found = ModelProto.FromString(content)
    except (DecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: is no ONNX model; export it again") from error
    difference = first_difference(found, right)
    if difference is not None:
        raise MismatchError(
            f"{path}: {difference}, as exporting the network gives it; export it again"
        )
    return content


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
    """The states to feed before the first step, each (batch, n_neurons)."""
    words = _words(network).items()
    found = {name: np.zeros((batch, n), dtype) for name, (dtype, n) in words if name != "x"}
    for name, layer in network.named_layers():
        for state in layer.INITIAL:
            found[f"{name}.{state}"][:] = layer.initial(state)
    return found


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
        """Cast a value to another type; return the name."""
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
        "x": (network.input_dtype, network.n_inputs),
        ARRIVING: (network.input_dtype, network.n_inputs),
    }
    if network.contract.inputs_once:
        found[SEEN] = (np.uint8, network.n_inputs)
    for name, layer in network.named_layers():
        for state, word in layer.STATES.items():
            found[f"{name}.{state}"] = (word_dtype(word), layer.n_neurons)
    return found


def _value(name: str, word: tuple[Any, int], *axes: str) -> ValueInfoProto:
    dtype, width = word
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, kind, [*axes, "batch", width])


def _model(network: IntegerNetwork, graph: GraphProto) -> ModelProto:
    """Wrap a checked graph with the metadata that give its integers a meaning."""
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
        "contract": network.contract.written(),
        "dt": network.dt,
        "n_heads": network.readout.n_heads,
        "layers": {
            name: {
                key: array.tolist()
                for key, array in layer.arrays()
                if layer.declared()[key].content != "weight"
            }
            for name, layer in network.named_layers()
        },
        "provenance": dict(network.metadata),
    }
    helper.set_model_props(model, {"rsnnctl": json.dumps(metadata, sort_keys=True)})
    check_model(model, full_check=True)
    return model


def serialized(model: ModelProto) -> bytes:
    """The bytes of a model, the same for the same model."""
    return model.SerializeToString(deterministic=True)


def _equations(network: IntegerNetwork) -> _Graph:
    """Nodes of one step, from `x` and the states to `<state>.next`: each layer's `step`."""
    if network.contract.delivery != "sum":
        raise UnsupportedError(
            "ONNX has no operator that adds spikes one by one, as the contract's `delivery` is"
            f" {network.contract.delivery}; use C, NIR or a simulation"
        )
    graph, x = _Graph(), "x"
    if network.contract.inputs_once:
        seen = graph.cast(SEEN, TensorProto.BOOL)
        x = graph.emit("Where", seen, graph.constant("nothing", 0, network.input_dtype), "x")
        had = graph.emit("Or", seen, graph.cast("x", TensorProto.BOOL))
        graph.cast(had, TensorProto.UINT8, f"{SEEN}.next")
    graph.emit("Identity", x, name=f"{ARRIVING}.next")
    sent = (ARRIVING, x)
    delays = network.contract.delays(len(network.layers))
    for (name, layer), late in zip(network.named_layers(), delays, strict=True):
        nodes = _Nodes(graph, network.contract, name, layer, sent[0] if late else sent[1])
        terms = simplified(equations(layer, network.contract))
        for state, word in layer.STATES.items():
            kind = TensorProto.INT32 if word else TensorProto.UINT8
            graph.cast(nodes.of(terms[state]), kind, f"{name}.{state}.next")
        sent = (f"{name}.spk", f"{name}.spk.next")
    return graph


class _Nodes:
    """The nodes of a layer's terms; each term becomes one when first used."""

    def __init__(
        self, graph: _Graph, contract: NumericContract, name: str, layer: Layer, source: str
    ) -> None:
        self.graph, self.contract, self.name, self.layer = graph, contract, name, layer
        self.source = source
        self.connections = {k.name: k for k in layer.connections()}
        self.found: dict[Term, str] = {}

    def of(self, term: Term) -> str:
        """The name of a term's result."""
        if term not in self.found:
            write = getattr(self, f"_{term.op}")
            self.found[term] = write(*term.operands)
        return self.found[term]

    def _state(self, name: str) -> str:
        return self.graph.cast(f"{self.name}.{name}", TensorProto.INT64)

    def _constant(self, name: str) -> str:
        return self.graph.constant(f"{self.name}.{name}", getattr(self.layer, name))

    def _zero(self) -> str:
        return self.graph.number(0)

    def _number(self, what: int | str) -> str:
        return self.graph.number(number_of(self.contract, what))

    def _positive(self, x: Term) -> str:
        return self.graph.emit("Greater", self.of(x), self.graph.number(0))

    def _larger(self, a: Term, b: Term) -> str:
        return self.graph.emit("Max", self.of(a), self.of(b))

    def _count(self, x: Term, threshold: Term) -> str:
        g, c = self.graph, self.contract
        reached = self.of(x) if c.fires_when == ">=" else g.emit("Sub", self.of(x), g.number(1))
        times = g.emit("Div", g.emit("Max", reached, g.number(0)), self.of(threshold))
        return g.emit("Min", times, g.number(c.max_spikes))

    def _less(self, x: Term, n: Term, threshold: Term) -> str:
        taken = self.graph.emit("Mul", self.of(n), self.of(threshold))
        return self.graph.emit("Sub", self.of(x), taken)

    def _add(self, a: Term, b: Term) -> str:
        return self.graph.emit("Add", self.of(a), self.of(b))

    def _sub(self, a: Term, b: Term) -> str:
        return self.graph.emit("Sub", self.of(a), self.of(b))

    def _where(self, mask: Term, a: Term, b: Term) -> str:
        return self.graph.emit("Where", self.of(mask), self.of(a), self.of(b))

    def _over(self, x: Term, threshold: Term) -> str:
        operator = "Greater" if self.contract.fires_when == ">" else "GreaterOrEqual"
        return self.graph.emit(operator, self.of(x), self.of(threshold))

    def _delivered(self, name: str, source: Term) -> str:
        """What arrives through a matrix, in the unit of the current already.

        `MatMulInteger` where it takes the weights, and spikes come in: of other values, engines add
        products up in 16 bits, which saturate, on processors without better instructions.
        Multiplied once by the shifts of the rows and 2^frac_bits together.
        """
        g, connection = self.graph, self.connections[name]
        spikes = self.source if source.op == "source" else f"{self.name}.{source.operands[0]}"
        if connection.weights.dtype == np.int8 and connection.values == SPIKES:
            weights = g.constant(f"{self.name}.{name}", connection.weights.T, np.int8)
            acc = g.emit("MatMulInteger", spikes, weights)
        else:
            weights = g.constant(f"{self.name}.{name}", connection.weights.T, np.int32)
            acc = g.emit("MatMul", g.cast(spikes, TensorProto.INT32), weights)
        factors = 1 << (connection.shifts + self.contract.frac_bits)
        wide = g.cast(acc, TensorProto.INT64)
        return g.emit("Mul", wide, g.constant(f"{self.name}.{name}.shift", factors))

    def _scaled(self, acc: Term) -> str:
        return self.of(acc)

    def _decayed(self, x: Term, name: str) -> str:
        g, c = self.graph, self.contract
        if c.decay == "shift":
            return self._shifted(self.of(x), name)
        unity = g.number(1 << c.decay_frac)
        product = g.emit("Mul", self.of(x), self._constant(name))
        if c.rounding == "floor":
            product = g.emit("Sub", product, g.emit("Mod", product, unity))
        return g.emit("Div", product, unity)

    def _shifted(self, x: str, name: str) -> str:
        """`x` less its part, which is at least 1 where `x` is above 0."""
        g = self.graph
        divisors = g.constant(f"{self.name}.{name}.divisor", 1 << self.layer.values(name))
        part = g.emit("Div", g.emit("Sub", x, g.emit("Mod", x, divisors)), divisors)
        some = g.emit("Max", part, g.number(1))
        taken = g.emit("Where", g.emit("Greater", x, g.number(0)), some, part)
        return g.emit("Sub", x, taken)

    def _fit(self, x: Term, word: str) -> str:
        g, c = self.graph, self.contract
        low, high = c.range_of(word)
        if c.overflow_of(word) == "saturate":
            return g.emit("Min", g.emit("Max", self.of(x), g.number(low)), g.number(high))
        lifted = g.emit("Sub", self.of(x), g.number(low))
        return g.emit("Add", g.emit("Mod", lifted, g.number(high - low + 1)), g.number(low))
