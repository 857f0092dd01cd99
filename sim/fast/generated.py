"""A compiled kernel for every kind of layer: Numba source written from its step.

A layer is run over all steps of a block before the next one, since nothing flows back between
layers. Its source depends on the kind and on the contract's choices; widths and constants are
arguments. Sums are taken in 64 bits, where nothing overflows unintentionally.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from sim.arithmetic.exact import number_of
from sim.arithmetic.symbols import (
    Term,
    equations,
    held_in,
    one_by_one,
    simplified,
    statements,
)
from sim.contract import NumericContract
from sim.inputs import first_events
from sim.layer import OWN, SPIKES, Connection, Layer
from sim.network import IntegerNetwork

_WORDS = ("syn", "mem", "fall")
_NOTHING = np.zeros(0, np.int64)
_ATOMS = ("state", "constant", "zero", "number", "scaled")


class Generated:
    """A network's words, from one block of steps to the next."""

    def __init__(self, network: IntegerNetwork) -> None:
        """Start from the initial state."""
        self.network = network
        self._layers = [_Layer(network.contract, layer) for layer in network.layers]
        self._delays = network.contract.delays(len(network.layers))
        self.reset()

    def reset(self) -> None:
        """Go back to the initial state and reset the counts."""
        for layer in self._layers:
            layer.reset()
        sizes = [layer.connections()[0].weights.shape[1] for layer in self.network.layers]
        kinds = [self.network.input_dtype, *[np.dtype(np.uint8)] * len(sizes)]
        self._under_way = [np.zeros((1, n), kind) for n, kind in zip(sizes, kinds, strict=False)]
        self._counts = [np.zeros(n, np.int64) for n in sizes]
        self._seen = np.zeros(self.network.n_inputs, bool)
        self._multiplied = [np.zeros(n, np.int64) for n in sizes]

    @property
    def input_counts(self) -> NDArray[np.int64]:
        """Steps in which something arrived from each input, (n_inputs,): spikes, where it spikes.

        With a delay, what was sent in the last step has not arrived.
        """
        return self._counts[0].copy()

    @property
    def multiplied_counts(self) -> NDArray[np.int64]:
        """Those of `input_counts` of steps in which some input was beyond -1..1, (n_inputs,)."""
        return self._multiplied[0].copy()

    @property
    def sent_multiplied(self) -> NDArray[np.int64]:
        """Those of `sent_counts` of steps in which some neuron sent more than one spike."""
        return np.concatenate([_NOTHING, *self._multiplied[1:]])

    @property
    def sent_counts(self) -> NDArray[np.int64]:
        """Spikes per hidden neuron that arrived above it, layer after layer."""
        return np.concatenate([_NOTHING, *self._counts[1:]])

    @property
    def last_spikes(self) -> NDArray[np.int64]:
        """Spikes of each hidden neuron in the last step."""
        spikes = [x.states["spk"] for x in self._layers[:-1]]
        return np.concatenate([_NOTHING, *spikes]).astype(np.int64)

    def advance(self, words: NDArray[np.uint64], are_bytes: bool, out: NDArray[np.int32]) -> None:
        """Do the steps of checked words of spikes (n_steps, n_words); fill `out`."""
        self._run(words, are_bytes, out, record=False)

    def record(
        self, words: NDArray[np.uint64], are_bytes: bool, out: NDArray[np.int32]
    ) -> list[NDArray[Any]]:
        """The same; return every state (n_steps, n_neurons), in the order of a trace."""
        return self._run(words, are_bytes, out, record=True)

    def _run(
        self, words: NDArray[np.uint64], are_bytes: bool, out: NDArray[np.int32], *, record: bool
    ) -> list[NDArray[Any]]:
        sent: NDArray[Any] = words.view(np.uint8)
        if not are_bytes:
            sent = np.unpackbits(sent, axis=1, bitorder="little")
        sent = sent[:, : self.network.n_inputs].view(self.network.input_dtype)
        if self.network.contract.inputs_once:
            sent, self._seen = first_events(sent, self._seen)
        found: list[NDArray[Any]] = []
        for i, layer in enumerate(self._layers):
            arriving = sent
            if self._delays[i] and len(sent):
                arriving = np.concatenate([self._under_way[i], sent[:-1]])
                self._under_way[i] = sent[-1:].copy()
            self._counts[i] += np.count_nonzero(arriving, axis=0)
            if layer.layer.received != SPIKES:
                large = arriving[(np.abs(arriving.astype(np.int16)) > 1).any(1)]
                self._multiplied[i] += np.count_nonzero(large, axis=0)
            kept = layer.run(arriving, record=record)
            sent = next(iter(kept.values()))  # a hidden layer's spikes
            found += kept.values()
        out[:] = found[-1]
        return found


class _Layer:
    """A layer's constants as its kernel takes them, and its words."""

    def __init__(self, contract: NumericContract, layer: Layer) -> None:
        self.layer = layer
        self.kernel = _kernel(source(layer, contract))
        self.constants: list[Any] = []
        for connection in layer.connections():
            self.constants += [
                np.ascontiguousarray(connection.weights.T),
                connection.shifts + contract.frac_bits,
            ]
        self.constants += [layer.values(name) for name in _constants(layer)]
        self.constants.append(contract.decay_frac)
        for word in _WORDS:
            self.constants += contract.range_of(word)
        self.states: dict[str, NDArray[Any]] = {}

    def reset(self) -> None:
        """Go back to the initial state."""
        self.states = {
            state: self.layer.initial(state).astype(np.int32 if word else np.uint8)
            for state, word in self.layer.STATES.items()
        }

    def run(self, arriving: NDArray[Any], *, record: bool) -> dict[str, NDArray[Any]]:
        """Do the steps of what arrives (n_steps, pre); return the states that are kept.

        Those are all of them or, without `record`, the first and the last: spikes, and `out`.
        """
        first, *_, last = self.states
        kept = {
            state: np.empty(
                (len(arriving) if record or state in (first, last) else 0, len(words)), words.dtype
            )
            for state, words in self.states.items()
        }
        self.kernel(
            np.ascontiguousarray(arriving), *self.constants, *self.states.values(), *kept.values()
        )
        return kept


def _constants(layer: Layer) -> list[str]:
    """The arrays of one integer per neuron that a layer's step reads."""
    shifts = {shift for _, shift, _ in layer.CONNECTIONS}
    starts = set(layer.INITIAL.values())
    return [
        name
        for name, declared in layer.declared().items()
        if declared.content in ("decay", "syn", "mem")
        and name not in starts | shifts
        and getattr(layer, name) is not None
    ]


def source(layer: Layer, contract: NumericContract) -> str:
    """The function `run_layer` of a kind under a contract's choices, as Python for Numba."""
    connections, constants = layer.connections(), _constants(layer)
    named, writer = simplified(equations(layer, contract)), _Writer(contract)
    arguments = ["arriving"]
    for k in connections:
        arguments += [k.name, f"shift_{k.name}"]
    arguments += [*constants, "decay_frac"]
    arguments += [f"{word}_{end}" for word in _WORDS for end in ("low", "high")]
    arguments += [f"words_{state}" for state in layer.STATES]
    arguments += [f"kept_{state}" for state in layer.STATES]
    lines = [f"def run_layer({', '.join(arguments)}):"]
    lines.append(f"    n = np.uint64({connections[0].name}.shape[1])")
    lines += [f"    sum_{k.name} = np.zeros(n, np.int32)" for k in connections]
    held = one_by_one(named)
    lines += [f"    held_{held_in(term)} = np.zeros(n, np.int64)" for term in held]
    lines.append("    for now in range(np.uint64(arriving.shape[0])):")
    for k in connections if contract.delivery == "sum" else ():
        lines += _summing(k.name, _sender(k), graded=k.values != SPIKES)
    for term in held:
        lines += _one_by_one(layer, writer, term)
    lines.append("        for i in range(n):")
    for state in layer.STATES:
        lines.append(f"            old_{state} = np.int64(words_{state}[i])")
    body = list(statements(named, layer.STATES, writer.write))
    lines += [f"            {name} = {text}" for name, text in body]
    known = {term: name for name, term in named.items() if name in {n for n, _ in body}}
    for state in layer.STATES:
        value = known.get(named[state]) or writer.write(named[state], known)
        lines.append(f"            words_{state}[i] = {value}")
    for state in layer.STATES:
        lines.append(f"        if now < kept_{state}.shape[0]:")
        lines.append("            for i in range(n):")
        lines.append(f"                kept_{state}[now, i] = words_{state}[i]")
    return "\n".join(lines) + "\n"


def _summing(name: str, sender: str, *, graded: bool) -> list[str]:
    """Lines that add up the rows of the units that send something, times what they send."""
    factor = " * sent[j]" if graded else ""
    return [
        "        for i in range(n):",
        f"            sum_{name}[i] = 0",
        f"        sent = {sender}",
        "        for j in range(np.uint64(sent.size)):",
        "            if sent[j]:",
        "                for i in range(n):",
        f"                    sum_{name}[i] += {name}[j, i]{factor}",
    ]


def _sender(connection: Connection) -> str:
    """What a connection weights, by its name in the kernel."""
    return "words_spk" if connection.source == OWN else "arriving[now]"


def _one_by_one(layer: Layer, writer: "_Writer", term: Term) -> list[str]:
    """Lines that bring a current into its word after every single spike."""
    held, start, *parts = f"held_{held_in(term)}", term.operands[0], *term.operands[2::2]
    by_name = {k.name: k for k in layer.connections()}
    states = [f"            old_{s} = np.int64(words_{s}[i])" for s in layer.STATES]
    lines = ["        for i in range(n):", *states]
    lines.append(f"            {held}[i] = {writer.write(start, {})}")
    rule = writer.contract.overflow_of("syn")
    for name in parts:
        sign, times = ("", "sent[j]")
        if by_name[name].values[0] < 0:
            sign, times = " * np.sign(sent[j])", "abs(sent[j])"
        lines += [
            f"        sent = {_sender(by_name[name])}",
            "        for j in range(np.uint64(sent.size)):",
            f"            for _ in range({times}):",
            "                for i in range(n):",
            f"                    weight = (np.int64({name}[j, i]) << shift_{name}[i]){sign}",
            f"                    {held}[i] = {rule}({held}[i] + weight, syn_low, syn_high)",
        ]
    return lines


class _Writer:
    """Expressions in Python; sums arrive in the unit of the current already."""

    def __init__(self, contract: NumericContract) -> None:
        self.contract = contract

    def write(self, term: Term, names: Mapping[Term, str]) -> str:
        """A term, in which terms that have a name are called by it."""

        def part(operand: Term) -> str:
            if operand in names:
                return names[operand]
            text = self.write(operand, names)
            return text if operand.op in _ATOMS else f"({text})"

        match term.op, *term.operands:
            case "state", name:
                return f"old_{name}"
            case "constant", name:
                return f"{name}[i]"
            case ("zero",):
                return "0"
            case "delivered", name, _:
                return f"np.int64(sum_{name}[i]) << shift_{name}[i]"
            case "scaled", x:
                return part(x)
            case "decayed", x, name if self.contract.decay == "shift":
                return f"shifted({part(x)}, {name}[i])"
            case "decayed", x, name:
                product = f"{part(x)} * {name}[i]"
                if self.contract.rounding == "floor":
                    return f"({product}) >> decay_frac"
                return f"toward_zero({product}, decay_frac)"
            case "fit", x, word:
                rule = self.contract.overflow_of(word)
                return f"{rule}({part(x)}, {word}_low, {word}_high)"
            case "number", what:
                return str(number_of(self.contract, what))
            case "positive", x:
                return f"{part(x)} > 0"
            case "each", *_:
                return f"held_{held_in(term)}[i]"
            case "count", x, threshold:
                strict = int(self.contract.fires_when == ">")
                most = self.contract.max_spikes
                return f"count({part(x)} - {strict}, {part(threshold)}, {most})"
            case "less", x, n, threshold:
                return f"{part(x)} - {part(n)} * {part(threshold)}"
            case "larger", a, b:
                return f"max({part(a)}, {part(b)})"
            case "over", x, threshold:
                return f"{part(x)} {self.contract.fires_when} {part(threshold)}"
            case "where", mask, a, b:
                return f"{part(a)} if {part(mask)} else {part(b)}"
            case "add", a, b:
                return f"{part(a)} + {part(b)}"
            case "sub", a, b:
                return f"{part(a)} - {part(b)}"
        raise AssertionError(term.op)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def toward_zero(product: Any, decay_frac: Any) -> Any:
    """`product / 2^decay_frac` without its fraction."""
    return (product + ((product >> 63) & ((1 << decay_frac) - 1))) >> decay_frac


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def shifted(x: Any, decay: Any) -> Any:
    """`x` less `x / 2^decay`, at least 1 if `x` is above 0."""
    part = x >> decay
    return x - (1 if part == 0 and x > 0 else part)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def count(x: Any, threshold: Any, most: Any) -> Any:
    """How often the threshold is in `x`, at most `most` times."""
    return min(x // threshold, most) if x > 0 else 0


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def saturate(x: Any, low: Any, high: Any) -> Any:
    """The value in low..high that is nearest to `x`."""
    return min(max(x, low), high)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def wrap(x: Any, low: Any, high: Any) -> Any:
    """What is left of `x` in a word of low..high."""
    return ((x - low) & (high - low)) + low


@cache
def _kernel(text: str) -> Any:
    """Compile a kernel; equal sources are compiled once."""
    scope: dict[str, Any] = {
        "np": np,
        "toward_zero": toward_zero,
        "shifted": shifted,
        "count": count,
        "saturate": saturate,
        "wrap": wrap,
    }
    exec(compile(text, "<written from a layer's step>", "exec"), scope)
    return numba.njit(nogil=True, error_model="numpy")(scope["run_layer"])
