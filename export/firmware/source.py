"""The text of the C sources: templates, filled with a network's constants and its layers' order."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from export.firmware.arithmetic import Arithmetic, arithmetic_of
from export.firmware.headers import checked
from export.firmware.headers.shared import shared
from export.firmware.steps import advance, deliver, index_type
from export.firmware.storage import CONSTANT, Storage, store, sum_bits, weight_bits
from export.firmware.tables import literal, table
from export.firmware.templates import filled, template
from sim.contract import NumericContract
from sim.network import IntegerNetwork


def header(network: IntegerNetwork, name: str, layout: str = "fast") -> str:
    """`<name>.h`: sizes, the state struct, the functions."""
    sizes = ", ".join(f"{layer.n_neurons} neurons" for layer in network.hidden)
    parts = {
        "SHAPE": f"{sizes}, {network.readout.n_neurons} readout rows",
        "SUM_BITS": str(sum_bits(network, layout)),
        "STATE": "\n".join(_state(network, name, layout)),
        "CHECKED": checked.of_tuned(network, store(network, layout), layout == CONSTANT),
    }
    return filled("network.h", parts | shared(network, name))


def _state(network: IntegerNetwork, name: str, layout: str) -> Iterator[str]:
    stored = store(network, layout)
    for i, layer in enumerate(network.hidden):
        n = layer.n_neurons
        yield f"{name}_words hidden{i}[{n}];"
        for kind in ("in", "rec"):
            matrix = stored.get(f"w_{kind}{i}")
            if matrix is None:
                continue
            if matrix.in_lanes:
                yield f"uint32_t sum_{kind}{i}[{2 * -(-n // 4)}]; /* of a step */"
            else:
                yield f"{name}_sum sum_{kind}{i}[{n}];"
        yield f"{index_type(n)} fired{i}[{n}]; /* neurons that fired in the last step */"
        yield f"uint16_t n_fired{i};"
    if stored["w_in0"].in_lanes:
        yield f"uint8_t given[{network.n_inputs}]; /* inputs that spiked */"
        yield "uint16_t n_given;"
    rows = network.readout.n_neurons
    yield f"{name}_words readout[{rows}];"
    yield f"{name}_sum sum_out[{rows}];"


def source(
    network: IntegerNetwork,
    name: str,
    layout: str = "fast",
    arithmetic: Arithmetic | None = None,
) -> str:
    """`<name>.c`: weights and steps.

    Args:
        network: the network.
        name: prefix of every public name.
        layout: layout of the weights, `fast` or `compact`.
        arithmetic: None for the narrowest that worst cases of the network allow.
    """
    c = network.contract
    chosen = arithmetic or arithmetic_of(network)
    stored = store(network, layout)
    constant = layout == CONSTANT
    parts = _choices(c) | {
        "ROWS": "\n".join(_rows(stored)).rstrip(),
        "STORED": "\n".join(_stored(weight_bits(network, layout), layout)).rstrip(),
        "TABLES": "\n".join(_tables(network, stored)),
        "INIT": "\n".join([*_init(network), *(_padded(network) if constant else ())]),
        "ADVANCE": advance(network, stored, name, constant=constant),
        "DELIVER": "" if constant else deliver(stored, name, layout),
        "STEPS": template(f"steps_{'constant' if constant else 'listed'}.c").rstrip(),
        "FITTING": template(f"fit_{'masks' if constant else 'branches'}.c").rstrip(),
        "CONSTANT_TIME": str(int(constant)),
        "NAME": name,
        "DIGEST": network.digest(),
        "CURRENT_IS_PREVIOUS": str(int(c.current == "previous")),
        "FIRES_AT_EQUAL": str(int(c.fires_when == ">=")),
        "RESET_TO_ZERO": str(int(c.reset == "zero")),
        "ROUND_TO_ZERO": str(int(c.rounding == "toward_zero")),
        "HAS_BIAS": str(int(_has_bias(network))),
        "OVERFLOW_SYN": "NEVER" if chosen.syn_fits else c.overflow_syn.upper(),
        "OVERFLOW_MEM": "NEVER" if chosen.mem_fits else c.overflow_mem.upper(),
        "SUM_TYPE": "int32_t" if chosen.words else "int64_t",
        "DECAY_TYPE": "uint32_t" if c.decay_frac == 16 else "uint16_t",
        "STORED_BITS": str(weight_bits(network, layout)),
        "HAS_HEADROOM": str(int(chosen.headroom)),
    }
    return filled("network.c", parts)


def _choices(c: NumericContract) -> dict[str, str]:
    """Every field of a contract as C has it: whole numbers, and names in capitals."""
    return {
        name.upper(): value.upper() if isinstance(value, str) else str(int(value))
        for name, value in c.as_dict().items()
    }


def _stored(bits: int, layout: str) -> Iterator[str]:
    """The C type of a weight in flash."""
    if layout == "compact":
        yield template("apart.c")
    yield template("weights_packed.c" if bits == 4 else "weights_whole.c")


def _rows(stored: dict[str, Storage]) -> Iterator[str]:
    """The functions that add rows, only those needed."""
    for form in sorted({storage.form for storage in stored.values()}):
        yield template(f"add_{form}.c")


def _tables(network: IntegerNetwork, stored: dict[str, Storage]) -> Iterator[str]:
    for storage in stored.values():
        for suffix, values in storage.tables.items():
            yield from table(storage.name + suffix, values)
    for i, layer in enumerate(network.hidden):
        first = (
            (layer.threshold, layer.values("bias")) if _has_bias(network) else (layer.threshold,)
        )
        yield from _neurons(f"neurons{i}", (*first, layer.decay_syn, layer.decay_mem))
        for kind, shifts in (("in", layer.e_in), ("rec", layer.e_rec)):
            if f"w_{kind}{i}" in stored and shifts.any():
                yield from table(f"e_{kind}{i}", shifts)
    readout = network.readout
    none = np.zeros(readout.n_neurons, np.int64)
    first = (none, readout.values("bias")) if _has_bias(network) else (none,)
    yield from _neurons("rows", (*first, readout.decay_syn, readout.decay_mem))


def _has_bias(network: IntegerNetwork) -> bool:
    return any(layer.bias is not None for layer in network.layers)


def _neurons(name: str, columns: Sequence[NDArray[np.integer]]) -> Iterator[str]:
    yield f"static const neuron {name}[{len(columns[0])}] = {{"
    for values in zip(*(column.tolist() for column in columns), strict=True):
        yield f"    {{{', '.join(literal(value) for value in values)}}},"
    yield "};"


def _init(network: IntegerNetwork) -> Iterator[str]:
    for i, value in enumerate(network.readout.initial_out.tolist()):
        if value:
            yield f"    state->readout[{i}].mem = {literal(value)};"


def _padded(network: IntegerNetwork) -> Iterator[str]:
    """Lists that no one has fired in."""
    lists = [(f"fired{i}", layer.n_neurons) for i, layer in enumerate(network.hidden)]
    for name, n in [("given", network.n_inputs), *lists]:
        yield f"    (void)memset(state->{name}, {n}, sizeof state->{name});"


def replay_give(network: IntegerNetwork) -> tuple[str, str]:
    """The part of `replay.c` that writes every state word, and its readout's word of row i."""
    hidden = [
        filled("replay_hidden.c", {"I": str(i), "N": str(layer.n_neurons)})
        for i, layer in enumerate(network.hidden)
    ]
    parts = {
        "NAME": "@NAME@",
        "LARGEST": str(max(layer.n_neurons for layer in network.layers)),
        "N_ROWS": str(network.readout.n_neurons),
        "HIDDEN": "".join(hidden),
    }
    return filled("replay_words.c", parts).rstrip(), "state.readout[i].mem"
