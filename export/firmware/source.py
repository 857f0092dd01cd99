"""The text of the C sources: templates, filled with a network's constants and its layers' order."""

from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from export.firmware.arithmetic import fits_in_words, has_headroom, never_overflows
from sim.network import IntegerNetwork
from sim.reference import bias_of

_LANE_ROWS = 257  # of weights plus 128 that a sum of 16 bits holds


def header(network: IntegerNetwork, name: str) -> str:
    """`<name>.h`: sizes, the state struct, the functions."""
    readout = network.readout
    scales = [f"row {i}: {scale.hex()}" for i, scale in enumerate(readout.out_scale.tolist())]
    sizes = ", ".join(f"{layer.n_neurons} neurons" for layer in network.hidden)
    parts = {
        "NAME": name,
        "GUARD": f"{name.upper()}_H",
        "DIGEST": network.digest(),
        "SHAPE": f"{sizes}, {readout.n_neurons} readout rows",
        "N_INPUTS": str(network.n_inputs),
        "N_ROWS": str(readout.n_neurons),
        "N_HEADS": str(readout.n_heads),
        "N_OUTPUTS": str(readout.n_outputs),
        "DT": repr(network.dt),
        "STATE": "\n".join(f"    {line}" for line in _state(network, name)),
        "SCALES": "\n".join(f" * {line}" for line in scales),
    }
    return _filled("network.h", parts)


def _state(network: IntegerNetwork, name: str) -> Iterator[str]:
    for i, layer in enumerate(network.hidden):
        n = layer.n_neurons
        yield f"{name}_words hidden{i}[{n}];"
        yield _sums(f"sum_in{i}", network, i)
        if layer.w_rec is not None:
            yield _sums(f"sum_rec{i}", network, i, recurrent=True)
        for kind in ("in",) if layer.w_rec is None else ("in", "rec"):
            if _in_lanes(network, i, recurrent=kind == "rec"):
                yield f"uint16_t n_{kind}{i}; /* rows in it */"
        yield f"{_index_type(n)} fired{i}[{n}]; /* who fired in the last step */"
        yield f"uint16_t n_fired{i};"
    rows = network.readout.n_neurons
    yield f"{name}_words readout[{rows}];"
    yield f"int32_t sum_out[{rows}];"


def _sums(name: str, network: IntegerNetwork, i: int, *, recurrent: bool = False) -> str:
    n = network.hidden[i].n_neurons
    if _in_lanes(network, i, recurrent=recurrent):
        return f"uint32_t {name}[{2 * -(-n // 4)}];"
    return f"int32_t {name}[{n}];"


def _in_lanes(network: IntegerNetwork, i: int, *, recurrent: bool = False) -> bool:
    layer = network.hidden[i]
    weights = layer.w_rec if recurrent else layer.w_in
    return weights is not None and weights.dtype == np.int8 and weights.shape[1] <= _LANE_ROWS


def _index_type(n: int) -> str:
    return "uint8_t" if n <= 256 else "uint16_t"


def source(network: IntegerNetwork, name: str) -> str:
    """`<name>.c`: weights and steps."""
    c = network.contract
    never = never_overflows(network)
    lanes = [
        _in_lanes(network, i, recurrent=recurrent)
        for i, layer in enumerate(network.hidden)
        for recurrent in ((False,) if layer.w_rec is None else (False, True))
    ]
    wide = c.decay_frac == 16
    parts = {
        "TABLES": "\n".join(_tables(network)),
        "INIT": "\n".join(_init(network)),
        "ADVANCE": "\n".join(_advance(network, name)),
        "DELIVER": "\n".join(_deliver(network, name)),
        "NAME": name,
        "DIGEST": network.digest(),
        "CURRENT_IS_PREVIOUS": str(int(c.current == "previous")),
        "FIRES_ON": c.fires_on.upper(),
        "FIRES_AT_EQUAL": str(int(c.fires_when == ">=")),
        "RESET_TO_ZERO": str(int(c.reset == "zero")),
        "RESET_DROPS_INPUT": str(int(c.reset_drops_input)),
        "RESET_DELAY": str(int(c.reset_delay)),
        "DELAY_STEPS": str(c.delay_steps),
        "ROUND_TO_ZERO": str(int(c.rounding == "toward_zero")),
        "HAS_BIAS": str(int(_has_bias(network))),
        "DECAY_FRAC": str(c.decay_frac),
        "FRAC_BITS": str(c.frac_bits),
        "SYN_BITS": str(c.syn_bits),
        "MEM_BITS": str(c.mem_bits),
        "OVERFLOW_SYN": "NEVER" if never[0] else c.overflow_syn.upper(),
        "OVERFLOW_MEM": "NEVER" if never[1] else c.overflow_mem.upper(),
        "SUM_TYPE": "int32_t" if fits_in_words(network) else "int64_t",
        "DECAY_TYPE": "uint32_t" if wide else "uint16_t",
        "WEIGHT_TYPE": "int8_t" if network.readout.w_out.dtype == np.int8 else "int16_t",
        "HAS_HEADROOM": str(int(has_headroom(network))),
        "HAS_LANES": str(int(any(lanes))),
    }
    return _filled("network.c", parts)


def _tables(network: IntegerNetwork) -> Iterator[str]:
    for i, layer in enumerate(network.hidden):
        yield from _weights(f"w_in{i}", layer.w_in, _in_lanes(network, i))
        if layer.w_rec is not None:
            yield from _weights(f"w_rec{i}", layer.w_rec, _in_lanes(network, i, recurrent=True))
        first = (layer.threshold, bias_of(layer)) if _has_bias(network) else (layer.threshold,)
        columns = (*first, layer.decay_syn, layer.decay_mem, layer.e_in, layer.e_rec)
        yield from _neurons(f"neurons{i}", columns)
    readout = network.readout
    none = np.zeros(readout.n_neurons, np.int64)
    yield from _weights("w_out", readout.w_out, lanes=False)
    first = (none, bias_of(readout)) if _has_bias(network) else (none,)
    yield from _neurons("rows", (*first, readout.decay_syn, readout.decay_mem, none, none))


def _has_bias(network: IntegerNetwork) -> bool:
    return any(layer.bias is not None for layer in network.layers)


def _weights(name: str, weights: NDArray[np.integer], lanes: bool) -> Iterator[str]:
    """One row for each that spikes: (pre, post)."""
    rows = weights.T
    kind = "int16_t" if weights.dtype == np.int16 else "int8_t"
    if lanes:
        kind, rows = "uint32_t", _lanes(rows)
    yield f"static const {kind} {name}[{len(rows)}][{rows.shape[1]}] = {{"
    for row in rows.tolist():
        words = [f"0x{word:08x}u" if lanes else str(word) for word in row]
        yield from _wrapped("    {", words, "},")
    yield "};"


def _lanes(rows: NDArray[np.integer]) -> NDArray[np.uint32]:
    """Four weights plus 128 in a word, the second and third exchanged: see `add_lanes`."""
    n_pre, n = rows.shape
    padded = np.zeros((n_pre, -(-n // 4) * 4), np.int64)
    padded[:, :n] = rows
    quads = (padded + 128).reshape(n_pre, -1, 4)[:, :, [0, 2, 1, 3]]
    return (quads << np.array([0, 8, 16, 24])).sum(2).astype(np.uint32)


def _neurons(name: str, columns: Sequence[NDArray[np.integer]]) -> Iterator[str]:
    yield f"static const neuron {name}[{len(columns[0])}] = {{"
    for values in zip(*(column.tolist() for column in columns), strict=True):
        yield f"    {{{', '.join(_literal(value) for value in values)}}},"
    yield "};"


def _literal(value: int) -> str:
    return str(value) if value > -(1 << 31) else "-2147483647 - 1"


def _wrapped(start: str, words: Sequence[str], end: str) -> Iterator[str]:
    line = start
    for i, word in enumerate(words):
        piece = word + (", " if i + 1 < len(words) else end)
        if len(line) + len(piece) > 100:
            yield line.rstrip()
            line = "     "
        line += piece
    yield line


def _init(network: IntegerNetwork) -> Iterator[str]:
    for i, value in enumerate(network.readout.initial_out.tolist()):
        if value:
            yield f"    state->readout[{i}].mem = {_literal(value)};"


def _add(network: IntegerNetwork, i: int, row: str, *, recurrent: bool = False) -> Iterator[str]:
    """Lines that add the row of a spike to the sums of hidden layer i."""
    n = network.hidden[i].n_neurons
    kind = "rec" if recurrent else "in"
    if _in_lanes(network, i, recurrent=recurrent):
        yield f"add_lanes(state->sum_{kind}{i}, w_{kind}{i}[{row}], {-(-n // 4)}u);"
        yield f"state->n_{kind}{i}++;"
    else:
        yield f"add_plain(state->sum_{kind}{i}, w_{kind}{i}[{row}], {n}u);"


def _deliver(network: IntegerNetwork, name: str) -> Iterator[str]:
    yield f"static inline void deliver_input({name}_state *state, uint32_t channel)"
    yield "{"
    yield from (f"    {line}" for line in _add(network, 0, "channel"))
    yield "}"


def _advance(network: IntegerNetwork, name: str) -> Iterator[str]:
    """Lines of a step: every layer's neurons on what has arrived, and what their spikes send.

    With a delay of spikes all neurons come first; without one a layer needs what the last one sent.
    """
    updates = [_update(network, name, i) for i in range(len(network.hidden))]
    sends = [_send(network, i) for i in range(len(network.hidden))]
    if network.contract.delay_steps:
        parts = [*updates, _rows(network), *sends]
    else:
        parts = [*chain.from_iterable(zip(updates, sends, strict=True)), _rows(network)]
    for lines in parts:
        yield from (f"    {line}" for line in lines)


def _rows(network: IntegerNetwork) -> Iterator[str]:
    """Lines of the readout's step."""
    yield f"for (uint32_t i = 0; i < {network.readout.n_neurons}u; i++) {{"
    yield "    out[i] = step_row(&state->readout[i], &rows[i], state->sum_out[i]);"
    yield "    state->sum_out[i] = 0;"
    yield "}"


def _send(network: IntegerNetwork, i: int) -> Iterator[str]:
    """Lines that add what the spikes of hidden layer i weigh to the sums that they reach."""
    yield f"for (uint32_t k = 0; k < state->n_fired{i}; k++) {{"
    yield f"    uint32_t sender = state->fired{i}[k];"
    if network.hidden[i].w_rec is not None:
        yield from (f"    {line}" for line in _add(network, i, "sender", recurrent=True))
    if i + 1 < len(network.hidden):
        yield from (f"    {line}" for line in _add(network, i + 1, "sender"))
    else:
        yield f"    add_plain(state->sum_out, w_out[sender], {network.readout.n_neurons}u);"
    yield "}"


def _update(network: IntegerNetwork, name: str, i: int) -> Iterator[str]:
    """Lines of a hidden layer's step, four neurons a turn, since four sums share two words."""
    layer = network.hidden[i]
    n, index = layer.n_neurons, _index_type(layer.n_neurons)
    kinds = ("in",) if layer.w_rec is None else ("in", "rec")
    lanes = [kind for kind in kinds if _in_lanes(network, i, recurrent=kind == "rec")]
    yield "{"
    yield f"    {name}_words *words = state->hidden{i};"
    yield f"    const neuron *constant = neurons{i};"
    yield f"    {index} *fired = state->fired{i};"
    for kind in lanes:
        yield f"    uint32_t *{kind}_sums = state->sum_{kind}{i};"
        yield f"    int32_t n_{kind} = 128 * state->n_{kind}{i};"
    yield f"    for (uint32_t i = 0; i < {n}u; i += 4u, words += 4, constant += 4) {{"
    for kind in lanes:
        yield f"        uint32_t {kind}_odd = {kind}_sums[1];"
        yield f"        uint32_t {kind}_even = {kind}_sums[0] - ({kind}_odd << 8u);"
        yield f"        {kind}_sums[0] = 0;"
        yield f"        {kind}_sums[1] = 0;"
        yield f"        {kind}_sums += 2;"
    for k in range(4):
        if k and n % 4 == k:
            yield f"        if (i + {k}u == {n}u)"
            yield "            break;"
        terms = []
        for kind in kinds:
            value = f"state->sum_{kind}{i}[i + {k}u]"
            if kind in lanes:
                pair = f"{kind}_{'odd' if k >= 2 else 'even'}"
                half = f"{pair} >> 16u" if k % 2 else f"{pair} & 0xffffu"
                value = f"((int32_t)({half}) - n_{kind})"
            terms.append(f"(sum_t){value} * (sum_t)(1 << constant[{k}].e_{kind})")
        yield f"        if (step_neuron(&words[{k}], &constant[{k}], {terms[0]}"
        for term in terms[1:]:
            yield f"                        + {term}"
        yield "                        ))"
        yield f"            *fired++ = ({index})(i + {k}u);"
    yield "    }"
    yield f"    state->n_fired{i} = (uint16_t)(fired - state->fired{i});"
    for kind in lanes:
        yield f"    state->n_{kind}{i} = 0;"
    for kind in kinds:
        if kind not in lanes:
            yield f"    memset(state->sum_{kind}{i}, 0, sizeof state->sum_{kind}{i});"
    yield "}"


def replay_source(network: IntegerNetwork, name: str) -> str:
    """`replay.c`: a program that runs a raster from a file and writes every word to another."""
    lines = []
    for i, layer in enumerate(network.hidden):
        lines.append(f"    give_layer(state.hidden{i}, {layer.n_neurons}u);")
        spikes = f"for (uint32_t k = 0; k < state.n_fired{i}; k++)"
        lines.insert(
            len(lines) - 1,
            f"    memset(spk, 0, sizeof spk);\n    {spikes}\n        spk[state.fired{i}[k]] = 1;"
            f"\n    give(spk, {layer.n_neurons}u);",
        )
    lines.append(f"    give_layer(state.readout, {network.readout.n_neurons}u);")
    largest = max(layer.n_neurons for layer in network.layers)
    parts = {"NAME": name, "LARGEST": str(largest), "GIVE": "\n".join(lines)}
    return _filled("replay.c", parts)


def _filled(template: str, parts: dict[str, str]) -> str:
    text = (files("export") / "templates" / template).read_text(encoding="utf-8")
    for key, value in parts.items():
        text = text.replace(f"/* @{key}@ */", value).replace(f"@{key}@", value)
    return text
