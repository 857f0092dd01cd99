"""C of any kind of layer, written from its step: simple and correct, where no tuned code exists.

One table of weights per connection, a row per source, of the weights that are not 0 where those are
few; an array of equal values is a literal. Intervals prove which sums fit into 32 bits,
and which words never overflow; the rest is computed in 64 bits, and fitted into its word.
"""

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from export.firmware import direct, inputs
from export.firmware.direct import is_direct
from export.firmware.events import code as events
from export.firmware.headers import checked
from export.firmware.headers.shared import shared
from export.firmware.tables import element, is_constant, is_sparse, literal, table
from export.firmware.templates import filled, template
from sim.arithmetic.exact import number_of
from sim.arithmetic.intervals import Intervals
from sim.arithmetic.symbols import (
    Term,
    equations,
    held_in,
    one_by_one,
    simplified,
    statements,
)
from sim.bounds.invariant import settled
from sim.contract import NumericContract, signed_range
from sim.layer import OWN, SPIKES, Connection, Layer
from sim.network import IntegerNetwork


def header(network: IntegerNetwork, name: str) -> str:
    """`<name>.h`: sizes, the state struct, the functions."""
    readout = network.readout
    state = [
        f"    {'int32_t' if word else 'uint8_t'} {layer}_{variable}[{each.n_neurons}];"
        for layer, each in network.named_layers()
        for variable, word in each.STATES.items()
    ]
    rows = [
        f"    int32_t {layer}_rows_{k.name}[{each.n_neurons}];"
        for layer, each in network.named_layers()
        for k in each.connections()
    ]
    sizes = [f"{layer.n_neurons} neurons ({layer.kind()})" for layer in network.hidden]
    parts = {
        "SHAPE": ", ".join([*sizes, f"{readout.n_neurons} readout rows"]),
        "STATE": "\n".join(state),
        "HELD": "\n".join(_held(network, name)),
        "OF": "that have come" if is_direct(network) else "of the last two steps",
        "ROWS": "\n".join(rows),
        "CHECKED": checked.of_generated(network),
    }
    return filled("generated.h", parts | shared(network, name))


def source(network: IntegerNetwork, name: str) -> str:
    """`<name>.c`: weights and steps."""
    c = network.contract
    named = list(network.named_layers())
    more = {"label"} if events.has_events(network) else set()
    ends: dict[str, str] = {}
    for word in ("syn", "mem"):
        low, high = c.range_of(word)
        ends |= {f"{word.upper()}_LOW": literal(low), f"{word.upper()}_HIGH": literal(high)}
    adds = direct.add_row(network) + "\n\n" if is_direct(network) else ""
    layers = adds + "\n".join(_layer(network, name, *each) for each in named).rstrip()
    rules = {c.overflow_of(word) for word in ("syn", "mem", "fall")}
    counts = template("generated_count.c").rstrip() if "count(" in layers else ""
    called = [rule for rule in sorted(rules) if f"{rule}(" in layers]  # clang wants no others
    form = "generated_shift.c" if c.decay == "shift" else "generated_decay.c"
    decay = template(form).rstrip() if "decay_of(" in layers else ""
    parts = {
        "DECAY": "\n\n".join(filter(None, (decay, counts))),
        "TABLES": "\n".join(
            line for named_layer in named for line in _tables(*named_layer, c, more)
        ),
        "LAYERS": layers,
        "INIT": "\n".join(line for named_layer in named for line in _init(*named_layer)),
        "ADVANCE": "\n".join(_advance(network)),
        "STEPS": _steps(network) + events.source(network),
        **_arrival(network),
        **inputs.parts(network),
        "NAME": name,
        "DIGEST": network.digest(),
        "DECAY_FRAC": str(c.decay_frac),
        "DECAYED": f"word * decay {_divided(c, 'int64_t')}",
        "RULES": "\n".join(template(f"{rule}.c") for rule in called).rstrip(),
        "READOUT": f"readout_{[*network.readout.STATES][-1]}",
        **ends,
    }
    return filled("generated.c", parts)


def _held(network: IntegerNetwork, name: str) -> Iterator[str]:
    """What the state holds of inputs."""
    if not is_direct(network):
        kind = inputs.parts(network)["CTYPE"]
        yield from (f"{kind} {which}[{name}_N_INPUTS];" for which in ("given", "arriving"))
    if network.contract.inputs_once:
        yield f"uint8_t seen[{name}_N_INPUTS];"


def _steps(network: IntegerNetwork) -> str:
    """The functions of a step."""
    return (
        direct.steps(network) if is_direct(network) else inputs.template_of(network, "steps", "c")
    )


def _arrival(network: IntegerNetwork) -> dict[str, str]:
    """What a step does with all inputs, where not each is added as it arrives."""
    if is_direct(network):
        nothing = {"ONCE": "", "ARRIVED": ""}
        return nothing | {"ADVANCES": "the sums of the spikes that have come"}
    sent = inputs.parts(network)["SENT"]
    return {
        "ONCE": template("generated_once.c").rstrip() if network.contract.inputs_once else "",
        "ARRIVED": "(void)memcpy(state->arriving, state->given, sizeof state->arriving);",
        "ADVANCES": f"the {sent} in `given`, which become those that arrive",
    }


def replay_give(network: IntegerNetwork) -> tuple[str, str]:
    """The part of `replay.c` that writes every state word, and its readout's word of row i."""
    lines = [
        f"{'give' if word else 'give_spikes'}(state.{name}_{state}, {layer.n_neurons}u);"
        for name, layer in network.named_layers()
        for state, word in layer.STATES.items()
    ]
    decoded = [*network.readout.STATES][-1]
    give = filled("replay_arrays.c", {"GIVE": "\n".join(lines)}).rstrip()
    return give, f"state.readout_{decoded}[i]"


def _tables(name: str, layer: Layer, c: NumericContract, more: set[str]) -> Iterator[str]:
    """The arrays that the layer's step reads under a contract, and `more`, by name."""
    named = equations(layer, c)
    terms = [part for term in named.values() for part in (term, *term.below())]
    read = {name for term in terms for name in term.operands if isinstance(name, str)}
    connections = {k.name for k in layer.connections()}
    read |= connections | {shift for k, shift, _ in layer.CONNECTIONS if k in connections} | more
    for key, array in layer.arrays():
        if key in connections and is_sparse(array):
            yield from _sparse(f"{name}_{key}", array.T)
        elif key in connections:
            yield from table(f"{name}_{key}", array.T)
        elif key in read and not is_constant(array):
            yield from table(f"{name}_{key}", array)


def _sparse(name: str, weights: NDArray[np.integer]) -> Iterator[str]:
    """Tables of the weights (pre, post) that are not 0: where each row begins, neurons, weights."""
    senders, receivers = np.nonzero(weights)
    first = np.searchsorted(senders, np.arange(len(weights) + 1))
    yield from table(f"{name}_first", first.astype(np.min_scalar_type(first[-1])))
    yield from table(f"{name}_to", receivers.astype(np.min_scalar_type(weights.shape[1] - 1)))
    yield from table(name, weights[senders, receivers])


def _init(name: str, layer: Layer) -> Iterator[str]:
    for state in layer.INITIAL:
        for i, value in enumerate(layer.initial(state).tolist()):
            if value:
                yield f"state->{name}_{state}[{i}] = {literal(value)};"


def _advance(network: IntegerNetwork) -> Iterator[str]:
    """With a delay, a layer comes before the one below, whose spikes are then those before."""
    delays = network.contract.delays(len(network.layers))
    below = ["arriving" if delays[0] else "given"]
    below += [f"{name}_spk" for name, _ in network.named_layers()][:-1]
    if is_direct(network):
        return iter([f"step_{name}(state);" for name in network.layer_names])
    calls: list[str] = []
    at = 0  # of the layer below
    for name, sender, late in zip(network.layer_names, below, delays, strict=True):
        at = at if late else len(calls)
        calls.insert(at, f"step_{name}(state, state->{sender});")
    return iter(calls)


def _layer(network: IntegerNetwork, name: str, layer_name: str, layer: Layer) -> str:
    """The function that does the step of a layer."""
    c = network.contract
    frac, ranges = c.frac_bits, _Ranges(c, layer)
    writer = _Writer(c, layer, layer_name, ranges)
    named = simplified(equations(layer, c))
    sums, scaled = [], []
    for k in layer.connections() if c.delivery == "sum" else ():
        shift = shift_of(layer, k)
        sender = f"state->{layer_name}_spk" if k.source == OWN else "source"
        own = element(layer_name, shift, k.shift) if k.shift is not None else "0"
        bits = f"({own} + {frac})" if k.shift is not None else f"{frac}"
        parts = {"CONNECTION": k.name, "LAYER": layer_name, "SENDER": sender}
        sizes = {"N": str(layer.n_neurons), "N_SOURCES": str(k.weights.shape[1])}
        form = "generated_sum_sparse.c" if is_sparse(k.weights) else "generated_sum.c"
        form = "generated_sum_direct.c" if is_direct(network) else form
        times = {"TIMES": "" if k.values == SPIKES else f" * (int32_t){sender}[j]"}
        sums.append(filled(form, parts | sizes | times).rstrip())
        kind = ranges.type_of(Term("delivered", (k.name, _sender(k))))
        if k.shifts.max() + frac > _MOST_SHIFT:
            kind = "int64_t"
        scaled.append(f"{kind} sum_{k.name} = rows_{k.name}[i] * (({kind})1 << {bits});")
        scaled.append(f"rows_{k.name}[i] = 0;")
    for term in one_by_one(named):
        sums += _one_by_one(writer, term)
    body = list(statements(named, layer.STATES, writer.write))
    known = {term: key for key, term in named.items() if key in {n for n, _ in body}}
    ends = []
    for state, word in layer.STATES.items():
        value = known.get(named[state]) or writer.write(named[state], known)
        kind = "int32_t" if word else "uint8_t"
        cast = "" if kind == ranges.type_of(named[state]) else f"({kind})"
        ends.append(f"state->{layer_name}_{state}[i] = {cast}{value};")
    update = scaled + [
        f"int32_t old_{state} = state->{layer_name}_{state}[i];" for state in sorted(writer.read)
    ]
    update += [f"{ranges.type_of(named[key])} {key} = {text};" for key, text in body]
    sent = np.dtype(np.int8 if layer.received[0] < 0 else np.uint8)
    parts = {
        "SUMS": "\n".join(sums),
        "UPDATE": "\n".join([*update, *ends]),
        "SOURCE": "" if is_direct(network) else f", const {sent}_t *source",
        "LAYER": layer_name,
        "NAME": name,
        "N": str(layer.n_neurons),
    }
    return filled("generated_layer.c", parts)


def _one_by_one(writer: "_Writer", term: Term) -> Iterator[str]:
    """C that brings a current into its word after every single spike."""
    c, layer, name = writer.contract, writer.layer, writer.name
    writer = _Writer(c, layer, name, writer.ranges)  # with the states that are read here
    held = f"held_{held_in(term)}"
    yield f"int32_t *{held} = state->{name}_rows_{held_in(term)};"
    start = writer.write(term.operands[0], {})
    yield f"for (uint32_t i = 0; i < {layer.n_neurons}u; i++) {{"
    yield from (
        f"    int32_t old_{state} = state->{name}_{state}[i];" for state in sorted(writer.read)
    )
    yield f"    {held}[i] = {start};\n}}"
    by_name = {k.name: k for k in layer.connections()}
    for k in (by_name[part] for part in term.operands[2::2]):
        sent = f"state->{name}_spk[j]" if k.source == OWN else "source[j]"
        own = element(name, shift_of(layer, k), k.shift) if k.shift is not None else "0"
        is_signed = k.values[0] < 0
        parts = {"CONNECTION": k.name, "LAYER": name, "HELD": held, "N": str(layer.n_neurons)}
        parts |= {"TIMES": f"({sent} < 0 ? -{sent} : {sent})" if is_signed else sent}
        parts |= {"SIGN": f"({sent} < 0 ? -1 : 1) * " if is_signed else ""}
        parts |= {"BITS": f"({own} + {c.frac_bits})", "RULE": c.overflow_of("syn")}
        parts |= {"N_SOURCES": str(k.weights.shape[1])}
        form = "generated_each_sparse.c" if is_sparse(k.weights) else "generated_each.c"
        yield filled(form, parts).rstrip()


def shift_of(layer: Layer, connection: Connection) -> str:
    """The name of the array of a connection's shifts."""
    return next(shift for name, shift, _ in layer.CONNECTIONS if name == connection.name)


def _divided(c: NumericContract, kind: str) -> str:
    """What follows a product of a word and a decay, in a C type."""
    return f">> {c.decay_frac}" if c.rounding == "floor" else f"/ (({kind})1 << {c.decay_frac})"


def _sender(connection: Connection) -> Term:
    """What a connection weights, as a term."""
    return Term("state", ("spk",)) if connection.source == OWN else Term("source")


class _Ranges:
    """The C type of each term of a layer's step, and whether a word needs to be fitted."""

    def __init__(self, c: NumericContract, layer: Layer) -> None:
        self._contract = c
        always = np.ones(layer.connections()[0].weights.shape[1], np.int64)
        self._terms = settled(Intervals(c, layer), layer, always).terms

    def type_of(self, term: Term) -> str:
        """`int32_t` where it holds every value of a term, else `int64_t`."""
        return "int32_t" if self._terms.fits(term, *signed_range(32)) else "int64_t"

    def product_fits(self, term: Term, factors: NDArray[np.integer]) -> bool:
        """Whether 32 bits hold every product of a term and its neuron's factor, at least 0."""
        ends = self._terms.of(term)
        largest = np.maximum(-ends.low, ends.high) * factors.astype(np.int64)
        return bool((largest <= signed_range(32)[1]).all())

    def stays(self, term: Term, word: str) -> bool:
        """Whether a term never leaves its word."""
        return self._terms.fits(term, *self._contract.range_of(word))


_MOST_SHIFT = 30  # of a 1 in 32 bits
_ATOMS = {"state", "constant", "zero", "number", "delivered", "scaled", "decayed", "fit", "count"}


class _Writer:
    """Expressions in C of the types in `ranges`; sums are in the unit of the current already."""

    def __init__(self, contract: NumericContract, layer: Layer, name: str, ranges: _Ranges) -> None:
        self.contract, self.layer, self.name, self.ranges = contract, layer, name, ranges
        self.read: set[str] = set()  # old states that some expression needs

    def write(self, term: Term, names: Mapping[Term, str]) -> str:
        """A term, in which terms that have a name are called by it."""

        def part(operand: Term) -> str:
            if operand in names:
                return names[operand]
            text = self.write(operand, names)
            return text if operand.op in _ATOMS else f"({text})"

        def cast(text: str) -> str:
            return f"(int32_t){text}" if kind == "int32_t" else text

        def sum_of(a: Term, sign: str, b: Term) -> str:
            types = {self.ranges.type_of(a), self.ranges.type_of(b)}
            if types == {"int32_t"} and kind == "int64_t":
                return f"(int64_t){part(a)} {sign} {part(b)}"
            text = f"{part(a)} {sign} {part(b)}"
            return text if kind in types and len(types) == 1 else cast(f"({text})")

        kind = self.ranges.type_of(term)
        match term.op, *term.operands:
            case "state", name:
                self.read.add(name)
                return f"old_{name}"
            case "constant", name:
                return element(self.name, name, getattr(self.layer, name))
            case ("zero",):
                return "0"
            case "delivered", name, _:
                return f"sum_{name}"
            case "scaled", x:
                return part(x)
            case "decayed", x, name:
                factors = getattr(self.layer, name)
                decay = element(self.name, name, factors)
                if self.contract.decay == "shift":
                    return cast(f"decay_of({part(x)}, {decay})")
                if self.ranges.product_fits(x, factors):
                    return f"({part(x)} * {decay} {_divided(self.contract, 'int32_t')})"
                return cast(f"decay_of({part(x)}, {decay})")
            case "fit", x, word if self.ranges.stays(x, word):
                return part(x)
            case "fit", x, word:
                ends = f"{word.upper()}_LOW, {word.upper()}_HIGH"
                if word == "fall":
                    ends = ", ".join(map(literal, self.contract.range_of(word)))
                return cast(f"{self.contract.overflow_of(word)}({part(x)}, {ends})")
            case "number", what:
                return str(number_of(self.contract, what))
            case "positive", x:
                return f"{part(x)} > 0"
            case "each", *_:
                return f"held_{held_in(term)}[i]"
            case "count", x, threshold:
                reached = part(x) if self.contract.fires_when == ">=" else f"{part(x)} - 1"
                most = self.contract.max_spikes
                return f"count((int64_t){reached}, {part(threshold)}, {most})"
            case "less", x, n, threshold:
                return cast(f"({part(x)} - (int64_t){part(n)} * {part(threshold)})")
            case "larger", a, b:
                return f"{part(a)} > {part(b)} ? {part(a)} : {part(b)}"
            case "over", x, threshold:
                return f"{part(x)} {self.contract.fires_when} {part(threshold)}"
            case "where", mask, a, b:
                return f"{part(mask)} ? {part(a)} : {part(b)}"
            case "add", a, b:
                return sum_of(a, "+", b)
            case "sub", a, b:
                return sum_of(a, "-", b)
        raise AssertionError(term.op)
