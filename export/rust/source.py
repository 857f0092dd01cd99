"""The text of `lib.rs`: a template, filled with a network's constants and its layers' order."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from export.firmware.arithmetic import arithmetic_of
from export.firmware.headers.scales import in_q_format, scales_of
from export.firmware.steps import index_type
from export.firmware.storage import Storage, store, sum_bits, weight_bits
from export.firmware.templates import filled, template
from export.rust.tables import kind_of, table
from sim.contract import NumericContract
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork


def source(network: IntegerNetwork, layout: str) -> str:
    """`lib.rs` of a network that hand-written code computes, in a layout of its weights."""
    c, chosen, stored = network.contract, arithmetic_of(network), store(network, layout)
    readout = network.readout
    sizes = ", ".join(f"{layer.n_neurons} neurons" for layer in network.hidden)
    biased = any(layer.bias is not None for layer in network.layers)
    parts = _choices(c) | {
        "SCALES": "\n".join(_scales(network)),
        "STATE": "\n".join(f"{name}: {of}," for name, of, _ in _state(network, stored)),
        "ZEROS": "\n".join(
            f"{name.removeprefix('pub ')}: {zero}," for name, _, zero in _state(network, stored)
        ),
        "INIT": "\n".join(
            f"state.readout[{i}].mem = {value};"
            for i, value in enumerate(readout.initial_out.tolist())
            if value
        ),
        "TABLES": "\n".join(_tables(network, stored, biased)),
        "FORMS": "\n".join(_forms(stored, weight_bits(network, layout))).rstrip(),
        "ADDING": _delivered(stored["w_in0"]),
        "ADVANCE": _advance(network, stored),
        "BIAS_FIELD": "bias: i32," if biased else "",
        "BIAS": " + Wide::from(constant.bias)" if biased else "",
        "DIGEST": network.digest(),
        "SHAPE": f"{sizes}, {readout.n_neurons} readout rows",
        "DT": repr(network.dt),
        "N_INPUTS": str(network.n_inputs),
        "N_ROWS": str(readout.n_neurons),
        "N_HEADS": str(readout.n_heads),
        "N_OUTPUTS": str(readout.n_outputs),
        "CURRENT_IS_PREVIOUS": _truth(c.current == "previous"),
        "FIRES_ON": c.fires_on.removesuffix("_membrane").capitalize(),
        "FIRES_AT_EQUAL": _truth(c.fires_when == ">="),
        "RESET_TO_ZERO": _truth(c.reset == "zero"),
        "ROUND_TO_ZERO": _truth(c.rounding == "toward_zero"),
        "OVERFLOW_SYN": "Never" if chosen.syn_fits else c.overflow_syn.capitalize(),
        "OVERFLOW_MEM": "Never" if chosen.mem_fits else c.overflow_mem.capitalize(),
        "SUM_BITS": str(sum_bits(network, layout)),
        "WIDE": "i32" if chosen.words else "i64",
        "STORED": "u8" if weight_bits(network, layout) == 4 else f"i{weight_bits(network, layout)}",
        "DECAY_TYPE": "u32" if c.decay_frac == 16 else "u16",
    }
    return filled("rust/lib.rs", parts)


def _choices(c: NumericContract) -> dict[str, str]:
    """Every field of a contract as Rust has it: truths, whole numbers, names."""
    return {
        name.upper(): _truth(value) if isinstance(value, bool) else str(value)
        for name, value in c.as_dict().items()
    }


def _truth(claim: bool) -> str:
    return "true" if claim else "false"


def _scales(network: IntegerNetwork) -> Iterator[str]:
    scales = scales_of(network)
    if not scales:
        return
    yield "/// Row h * N_OUTPUTS + o is output o of head h; a word times its scale is its value,"
    yield "/// and the decoded value is the mean of those over heads."
    yield f"pub const SCALES: [f64; N_ROWS] = [{', '.join(map(repr, scales))}];"
    found = in_q_format(scales, network.readout.n_heads)
    if found is not None:
        words, bits = found
        yield "/// The same in units of 2^-SCALE_Q_BITS; an i64 holds the sum of those over heads."
        yield f"pub const SCALES_Q: [i32; N_ROWS] = [{', '.join(map(str, words))}];"
        yield f"pub const SCALE_Q_BITS: u32 = {bits};"


def _state(
    network: IntegerNetwork, stored: Mapping[str, Storage]
) -> Iterator[tuple[str, str, str]]:
    """Fields of the state: name, type, value before the first step."""
    no_words = "Words { syn: 0, mem: 0 }"
    for i, layer in enumerate(network.hidden):
        n = layer.n_neurons
        yield f"pub hidden{i}", f"[Words; {n}]", f"[{no_words}; {n}]"
        for kind in ("in", "rec"):
            matrix = stored.get(f"w_{kind}{i}")
            if matrix is not None and matrix.in_lanes:
                words = -(-n // 4)
                yield f"sum_{kind}{i}", f"[[u32; 2]; {words}]", f"[[0; 2]; {words}]"
            elif matrix is not None:
                yield f"sum_{kind}{i}", f"[Sum; {n}]", f"[0; {n}]"
        yield f"pub fired{i}", _list(n), f"[0; {n}]"
        yield f"pub n_fired{i}", "usize", "0"
    if stored["w_in0"].in_lanes:
        yield "given", f"[u8; {network.n_inputs}]", f"[0; {network.n_inputs}]"
        yield "n_given", "usize", "0"
    rows = network.readout.n_neurons
    yield "pub readout", f"[Words; {rows}]", f"[{no_words}; {rows}]"
    yield "sum_out", f"[Sum; {rows}]", f"[0; {rows}]"


def _index(n: int) -> str:
    return "u8" if index_type(n) == "uint8_t" else "u16"


def _list(n: int) -> str:
    return f"[{_index(n)}; {n}]"


def _tables(network: IntegerNetwork, stored: Mapping[str, Storage], biased: bool) -> Iterator[str]:
    for storage in stored.values():
        for suffix, values in storage.tables.items():
            yield from table((storage.name + suffix).upper(), values)
    for i, layer in enumerate(network.hidden):
        yield from _neurons(f"NEURONS{i}", layer, layer.threshold.tolist(), biased)
        for kind, shifts in (("in", layer.e_in), ("rec", layer.e_rec)):
            if f"w_{kind}{i}" in stored and shifts.any():
                yield from table(f"E_{kind.upper()}{i}", shifts)
    yield from _neurons("ROWS", network.readout, [0] * network.readout.n_neurons, biased)


def _neurons(name: str, layer: CubaLIF, thresholds: list[int], biased: bool) -> Iterator[str]:
    yield f"static {name}: [Neuron; {len(thresholds)}] = ["
    columns = layer.values("bias").tolist(), layer.decay_syn.tolist(), layer.decay_mem.tolist()
    for threshold, bias, syn, mem in zip(thresholds, *columns, strict=True):
        own = f"bias: {bias}, " if biased else ""
        yield f"    Neuron {{ threshold: {threshold}, {own}decay_syn: {syn}, decay_mem: {mem} }},"
    yield "];"


def _forms(stored: Mapping[str, Storage], bits: int) -> Iterator[str]:
    """The functions that add rows, only those needed."""
    forms = {storage.form for storage in stored.values()}
    if forms - {"lanes"}:
        yield template(f"rust/weights_{'packed' if bits == 4 else 'whole'}.rs")
    for form in sorted(forms):
        yield template(f"rust/add_{form}.rs")


def _delivered(first: Storage) -> str:
    """What an input's spike does: it is listed, or its row added."""
    if first.in_lanes:
        return "self.given[self.n_given] = channel as u8;\nself.n_given += 1;"
    return _adding(first, "sum_in0", "channel")


def _adding(storage: Storage, sums: str, row: str) -> str:
    (_, n), name = storage.shape, storage.name.upper()
    if storage.form == "plain":
        return f"add_plain(&mut self.{sums}, &{name}, {n} * {row});"
    start = f"usize::from({name}_START[{row}])"
    if kind_of(storage.tables["_start"]) == "u32":
        start = f"{name}_START[{row}] as usize"
    if storage.form == "nonzero":
        bits = f"{name}_NONZERO[{row}]"
        return f"add_nonzero(&mut self.{sums}, &{bits}, &{name}, {start});"
    end = start.replace(f"[{row}]", f"[{row} + 1]")
    return f"add_gaps(&mut self.{sums}, &{name}_GAP, &{name}, {start}..{end});"


def _advance(network: IntegerNetwork, stored: Mapping[str, Storage]) -> str:
    """The step without the input's spikes, layer by layer in the order of exported C."""
    hidden = range(len(network.hidden))
    steps = [_hidden(network.hidden[i], stored, i) for i in hidden]
    sends = [_send(network, stored, i) for i in hidden]
    readout = template("rust/readout.rs")
    if network.contract.delay_steps:
        return "".join([*reversed(steps), readout, *sends])
    return "".join([*chain.from_iterable(zip(steps, sends, strict=True)), readout])


def _send(network: IntegerNetwork, stored: Mapping[str, Storage], i: int) -> str:
    reached = (
        (f"w_rec{i}", f"sum_rec{i}"),
        (f"w_in{i + 1}", f"sum_in{i + 1}"),
        ("w_out" if i + 1 == len(network.hidden) else "", "sum_out"),
    )
    adding = [
        _adding(stored[name], sums, "sender")
        for name, sums in reached
        if name in stored and not stored[name].in_lanes
    ]
    return filled("rust/send.rs", {"I": str(i), "ADDING": "\n".join(adding)}) if adding else ""


@dataclass(frozen=True)
class _Arriving:
    """The sums that arrive at a hidden layer through one of its matrices."""

    kind: str
    layer: int
    stored: Storage
    is_shifted: bool

    @property
    def sums(self) -> str:
        return f"self.sum_{self.kind}{self.layer}"

    @property
    def gathered(self) -> str:
        """The statement that adds up the rows of those whose spikes arrive."""
        i = self.layer if self.kind == "rec" else self.layer - 1
        listed = f"fired{i}" if i >= 0 else "given"
        senders = f"&self.{listed}[..self.n_{listed}]"
        emptied = "\nself.n_given = 0;" if i < 0 else ""
        return f"gather(&mut {self.sums}, &{self.stored.name.upper()}, {senders});{emptied}"

    @property
    def term(self) -> str:
        """Neuron i's sum, shifted."""
        value = f"lane(&{self.sums}, i)" if self.stored.in_lanes else f"{self.sums}[i]"
        shift = f" * (1 << E_{self.kind.upper()}{self.layer}[i])" if self.is_shifted else ""
        return f"Wide::from({value}){shift}"


def _hidden(layer: CubaLIF, stored: Mapping[str, Storage], i: int) -> str:
    arriving = [
        _Arriving(kind, i, stored[f"w_{kind}{i}"], bool(np.any(shifts)))
        for kind, shifts in (("in", layer.e_in), ("rec", layer.e_rec))
        if f"w_{kind}{i}" in stored
    ]
    parts = {
        "I": str(i),
        "N": str(layer.n_neurons),
        "INDEX": _index(layer.n_neurons),
        "GATHER": "\n".join(sums.gathered for sums in arriving if sums.stored.in_lanes),
        "TERMS": " + ".join(sums.term for sums in arriving),
        "CLEAR": "\n".join(f"{s.sums}[i] = 0;" for s in arriving if not s.stored.in_lanes),
    }
    return filled("rust/hidden.rs", parts)
