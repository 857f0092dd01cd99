"""The files of a decoder: fixed Verilog, its top with the network's parameters, its memories."""

from collections.abc import Iterator, Mapping

from export.firmware.templates import filled, template
from export.verilog.cycles import worst_step
from export.verilog.design import Design, Shape
from export.verilog.links import link_texts
from export.verilog.memories import (
    hexadecimal,
    load_size,
    load_words,
    map_words,
    neuron_words,
    weight_words,
)

FIXED = (
    "rsnn_acc.v",
    "rsnn_block.v",
    "rsnn_constants.v",
    "rsnn_core.v",
    "rsnn_current.v",
    "rsnn_decay_serial.v",
    "rsnn_decay_single.v",
    "rsnn_events.v",
    "rsnn_fit.v",
    "rsnn_gather.v",
    "rsnn_loaded.v",
    "rsnn_membrane.v",
    "rsnn_over.v",
    "rsnn_ram.v",
    "rsnn_rom.v",
    "rsnn_round.v",
    "rsnn_rows.v",
    "rsnn_scatter.v",
    "rsnn_shift_serial.v",
    "rsnn_turn.v",
    "rsnn_update.v",
    "rsnn_update_pipelined.v",
    "rsnn_walk.v",
    "rsnn_words.v",
)
"""The same for every network."""


def texts(design: Design, name: str) -> dict[str, str]:
    """Every file by name; the top, `<name>.v`, comes first."""
    digest = design.network.digest()
    weights, constants = f"{name}_weights.hex", f"{name}_constants.hex"
    words, bits = weight_words(design), design.shape.lanes * design.number("WEIGHT_BITS")
    if design.number("LOADED"):
        words, bits = load_words(design), 8
    maps = {}
    if design.number("BITMAP"):
        maps[f"{name}_maps.hex"] = hexadecimal(map_words(design), design.number("MAP_BITS"), digest)
    return {
        f"{name}.v": filled("verilog/rsnn.v", _parts(design, name, weights, constants)),
        weights: hexadecimal(words, bits, digest),
        constants: hexadecimal(*neuron_words(design), digest),
        **maps,
        **{file: template(f"verilog/{file}") for file in FIXED},
        **link_texts(design, name),
    }


def replay_source(design: Design, name: str) -> str:
    """The test bench that replays a raster from a file and writes every word to another."""
    network, rows = design.network, design.network.readout.n_neurons
    put = [
        f"put_hidden({design.first[i]}, {layer.n_neurons});"
        for i, layer in enumerate(network.hidden)
    ]
    put.append(f"put_readout({design.first[-1]});")
    limit = 4 * worst_step(design) + 10 * network.n_inputs + 64 * rows + 1000
    if design.number("LOADED"):
        limit += 2 * load_size(design)
    parts = _sizes(design, name) | {
        "N_INPUTS": str(network.n_inputs),
        "N_NEURONS": str(design.number("N_NEURONS")),
        "N_ROWS": str(rows),
        "IN_ORDER": str(int(design.shape.unique_inputs)),
        "LIMIT": str(limit),
        "PUT": "\n".join(put),
        "LOAD_PINS": "",
        "LOAD_BYTES": "",
    }
    if design.number("LOADED"):
        loading = {"N": str(load_size(design)), "FILE": f"{name}_weights.hex"}
        parts["LOAD_PINS"] = _BENCH_PINS
        parts["LOAD_BYTES"] = filled("verilog/replay_load.v", loading).rstrip()
    return filled("verilog/rsnn_replay.v", parts)


def proof_source(design: Design) -> str:
    """A neuron's arithmetic beside the equations of the contract, for a solver."""
    c, number = design.network.contract, design.number
    fits = {
        "FITS_SYN": int(not number("SATURATE_SYN") and number("SYN_BITS") < c.syn_bits),
        "FITS_MEM": int(not number("SATURATE_MEM") and number("MEM_BITS") < c.mem_bits),
    }
    values = {k: v for k, v in design.parameters.items() if isinstance(v, int)} | fits
    products = max(number("SYN_BITS"), number("MEM_BITS"), number("LEVEL_BITS")) + c.decay_frac
    shifted = number("SUM_BITS") + (1 << max(number("BELOW_SHIFT_BITS"), number("OWN_SHIFT_BITS")))
    of_turn = {name: number(name) for name in _OF_TURN}
    of_turn["X_BITS"] = max(number("SYN_BITS"), number("MEM_BITS"))
    parts = {
        "DIGEST": design.network.digest(),
        "PARAMETERS": _declared(values),
        "TURN_PARAMETERS": _declared(of_turn),
        "ALL_BITS": str(max(products, shifted + c.frac_bits, number("BIAS_BITS")) + 4),
    }
    return filled("verilog/rsnn_proof.v", parts)


_OF_TURN = ("TURN_BITS", "DECAY_BITS", "DECAY_FRAC", "ROUND_TO_ZERO")


def _declared(values: Mapping[str, int]) -> str:
    return ",\n".join(f"parameter {name} = {value}" for name, value in values.items())


def _sizes(design: Design, name: str) -> dict[str, str]:
    """Parts of the top and of the test bench: highest bits of ports."""
    widths = ("DATA_BITS", "NEURON_BITS", "SYN_BITS", "MEM_BITS")
    highest = {f"{width}_1": str(design.number(width) - 1) for width in widths}
    return {"NAME": name, "DIGEST": design.network.digest(), **highest}


def _parts(design: Design, name: str, weights: str, constants: str) -> dict[str, str]:
    network, mem = design.network, design.number("MEM_BITS")
    loads = bool(design.number("LOADED"))
    hidden = ", ".join(f"{layer.n_neurons} neurons" for layer in network.hidden)
    sign = f"{{{{{32 - mem}{{out_word[{mem - 1}]}}}}, out_word}}" if mem < 32 else "out_word"
    lines = [*_parameters(design), f'.WEIGHTS("{weights}")', f'.CONSTANTS("{constants}")']
    if design.number("BITMAP"):
        lines.append(f'.MAPS("{name}_maps.hex")')
    return _sizes(design, name) | {
        "SHAPE": f"{network.n_inputs} inputs, {hidden}, {network.readout.n_neurons} readout rows",
        "OPTIONS": f"Options: {options_line(design.shape)}",
        "ERRORS": "a number out of order, or of no channel,"
        if design.shape.unique_inputs
        else "a number of no channel",
        "ORDER": _ORDER if design.shape.unique_inputs else "",
        "LOAD_PORTS": _LOAD_PORTS if loads else "",
        "LOAD_WIRES": "" if loads else "wire unused;",
        "LOAD_PINS": _LOAD_PINS if loads else _NO_LOAD_PINS,
        "READING": "\n".join(f"// {line}" for line in network.readout.reading()),
        "OUT_WORD": sign,
        "PARAMETERS": ",\n".join(lines),
    }


_LOAD_PORTS = """\
// bytes that fill the memory of weights, one per clock, those of the file of weights; a step waits
// until all are there, and a reset keeps them
input wire load_tvalid,
input wire [7:0] load_tdata,
output wire loaded,"""
_LOAD_PINS = """\
.load_valid(load_tvalid),
.load_byte(load_tdata),
.loaded(loaded),"""
_NO_LOAD_PINS = """\
.load_valid(1'b0),
.load_byte(8'd0),
.loaded(unused),"""
_BENCH_PINS = """\
.load_tvalid(load_valid),
.load_tdata(load_byte),
.loaded(loaded),"""
_ORDER = "// Each comes once, in ascending order."


def options_line(shape: Shape) -> str:
    """The options that give a decoder of this shape, as the top of its files has them."""
    unique = " --unique-inputs" if shape.unique_inputs else ""
    pack = " --pack" if shape.packed else ""
    storage = f" --storage {shape.storage}" if shape.storage != "dense" else ""
    link = f" --link {shape.link}" if shape.link != "stream" else ""
    return f"--lanes {shape.lanes} --update {shape.update}{unique}{pack}{storage}{link}"


def _parameters(design: Design) -> Iterator[str]:
    for name, value in design.parameters.items():
        if isinstance(value, int):
            yield f".{name}({value})"
        else:
            width, values = value
            bits = design.number(width)
            sized = ", ".join(f"{bits}'d{number % (1 << bits)}" for number in reversed(values))
            yield f".{name}({{{sized}}})"
