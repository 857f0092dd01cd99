"""C of a step: every layer's neurons on what has arrived, and what their spikes send."""

from collections.abc import Iterator
from itertools import chain

from export.firmware.storage import Storage
from sim.network import IntegerNetwork


def deliver(stored: dict[str, Storage], name: str, layout: str) -> Iterator[str]:
    """Lines of the function that adds the row of an input's spike."""
    kind = "static inline" if layout == "fast" else "APART static"
    yield f"{kind} void deliver_input({name}_state *state, uint32_t channel)"
    yield "{"
    yield from (f"    {line}" for line in _adding(stored["w_in0"], "sum_in0", "channel"))
    yield "}"


def advance(network: IntegerNetwork, stored: dict[str, Storage], name: str) -> Iterator[str]:
    """Lines of the step but for the input's spikes.

    With a delay of spikes all neurons come first; without one a layer needs what the last one sent.
    """
    updates = [_update(network, stored, name, i) for i in range(len(network.hidden))]
    sends = [_send(network, stored, i) for i in range(len(network.hidden))]
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


def _send(network: IntegerNetwork, stored: dict[str, Storage], i: int) -> Iterator[str]:
    """Lines that add what the spikes of hidden layer i weigh to the sums that they reach."""
    yield f"for (uint32_t k = 0; k < state->n_fired{i}; k++) {{"
    yield f"    uint32_t sender = state->fired{i}[k];"
    for matrix, sums in (
        (f"w_rec{i}", f"sum_rec{i}"),
        (f"w_in{i + 1}", f"sum_in{i + 1}"),
        ("w_out" if i + 1 == len(network.hidden) else "", "sum_out"),
    ):
        if matrix in stored:
            yield from (f"    {line}" for line in _adding(stored[matrix], sums, "sender"))
    yield "}"


def _adding(storage: Storage, sums: str, row: str) -> Iterator[str]:
    yield storage.adding(f"state->{sums}", row)
    if storage.form == "lanes":
        yield f"state->n_{sums[4:]}++;"


def _update(
    network: IntegerNetwork, stored: dict[str, Storage], name: str, i: int
) -> Iterator[str]:
    """Lines of a hidden layer's step; four neurons a turn, where four sums share two words."""
    layer = network.hidden[i]
    n, index = layer.n_neurons, index_type(layer.n_neurons)
    shifts = {"in": layer.e_in, "rec": layer.e_rec}
    kinds = [kind for kind in shifts if f"w_{kind}{i}" in stored]
    lanes = [kind for kind in kinds if stored[f"w_{kind}{i}"].form == "lanes"]
    turn, turns = (4, "i += 4u") if lanes else (1, "i++")
    yield "{"
    yield f"    {name}_words *words = state->hidden{i};"
    yield f"    {index} *fired = state->fired{i};"
    for kind in lanes:
        yield f"    uint32_t *{kind}_sums = state->sum_{kind}{i};"
        yield f"    uint32_t {kind}_excess = EXCESS * state->n_{kind}{i};"
    yield f"    for (uint32_t i = 0; i < {n}u; {turns}) {{"
    for kind in lanes:
        yield f"        uint32_t {kind}_odd = {kind}_sums[1];"
        yield f"        uint32_t {kind}_even = {kind}_sums[0] - ({kind}_odd << 8u) - {kind}_excess;"
        yield f"        {kind}_odd -= {kind}_excess;"
        yield f"        {kind}_sums[0] = 0;"
        yield f"        {kind}_sums[1] = 0;"
        yield f"        {kind}_sums += 2;"
    for k in range(turn):
        if k and n % 4 == k:
            yield f"        if (i + {k}u == {n}u)"
            yield "            break;"
        at = f"i + {k}u" if k else "i"
        terms = []
        for kind in kinds:
            value = f"state->sum_{kind}{i}[{at}]"
            if kind in lanes:
                half = "upper" if k % 2 else "lower"
                value = f"{half}({kind}_{'odd' if k >= 2 else 'even'})"
            shifted = f" * (sum_t)(1 << e_{kind}{i}[{at}])" if shifts[kind].any() else ""
            terms.append(f"(sum_t){value}{shifted}")
        yield f"        {'acc' if k else 'sum_t acc'} = {(chr(10) + ' ' * 16 + '+ ').join(terms)};"
        for kind in kinds:
            if kind not in lanes:
                yield f"        state->sum_{kind}{i}[{at}] = 0;"
        yield f"        if (step_neuron(&words[{at}], &neurons{i}[{at}], acc))"
        yield f"            *fired++ = ({index}){f'({at})' if k else at};"
    yield "    }"
    yield f"    state->n_fired{i} = (uint16_t)(fired - state->fired{i});"
    for kind in lanes:
        yield f"    state->n_{kind}{i} = 0;"
    yield "}"


def index_type(n: int) -> str:
    """The C type that holds the number of one of n neurons."""
    return "uint8_t" if n <= 256 else "uint16_t"
