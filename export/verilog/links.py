"""What a decoder's events come through beside its own stream: bytes, or a serial port."""

import numpy as np
from numpy.typing import NDArray

from export.firmware.templates import filled, template
from export.verilog.cycles import worst_step
from export.verilog.design import Design
from export.verilog.memories import load_size, load_words
from sim.trace import Trace

_BYTE_CLOCKS = 200  # more than a serial port takes for one
BOARD_HZ = 12_000_000
BAUD = 1_000_000
"""Of the serial port, where the clock has `BOARD_HZ`."""
_ONE_BYTE = """\
assign event_valid = byte_valid;
assign byte_ready = event_ready;
assign event_number = s_axis_tdata;"""
_TWO_BYTES = """\
reg has_low;
reg [7:0] low;
always @(posedge aclk) begin
    if (!aresetn) has_low <= 1'b0;
    else if (byte_valid && byte_ready) has_low <= !has_low;
    if (!has_low) low <= s_axis_tdata;
end
assign event_valid = has_low && byte_valid;
assign byte_ready = !has_low || event_ready;
assign event_number = {s_axis_tdata, low};"""

_FIRST = "// Before, {:,} bytes fill the memory of weights: those of the file of weights."
_LOAD_PINS = """\
.load_tvalid(s_axis_tvalid && !loaded),
.load_tdata(s_axis_tdata),
.loaded(loaded),"""


def link_texts(design: Design, name: str) -> dict[str, str]:
    """The files of a decoder's link by name; none if it is the decoder's own stream."""
    if design.shape.link == "stream":
        return {}
    wide, loads = design.number("DATA_BITS") > 8, bool(design.number("LOADED"))
    parts = {
        "NAME": name,
        "DIGEST": design.network.digest(),
        "DATA_BITS_1": str(design.number("DATA_BITS") - 1),
        "IN": "2 bytes per channel that spikes, its number, the lower first; 255 255 ends a step"
        if wide
        else "a byte per channel that spikes, its number; 255 ends a step",
        "FIRST": _FIRST.format(load_size(design)) if loads else "",
        "LOADED": "" if loads else "assign loaded = 1'b1;",
        "LOAD_PINS": _LOAD_PINS if loads else "",
        "EVENTS": _TWO_BYTES if wide else _ONE_BYTE,
        "DIVIDER": str(BOARD_HZ // BAUD),
    }
    found = {f"{name}_bytes.v": filled("verilog/rsnn_bytes.v", parts)}
    if design.shape.link == "uart":
        found["rsnn_serial.v"] = template("verilog/rsnn_serial.v")
        found[f"{name}_uart.v"] = filled("verilog/rsnn_on_wires.v", parts)
    return found


def top_of(design: Design, name: str) -> str:
    """The module that holds the whole design."""
    return name if design.shape.link == "stream" else f"{name}_{design.shape.link}"


def link_bench(design: Design, name: str) -> str:
    """A test bench that sends bytes to a decoder's link, and writes its answers."""
    rows, inputs = design.network.readout.n_neurons, design.network.n_inputs
    parts = {
        "NAME": name,
        "STEP_BYTES": str(4 * rows),
        "EVENT_BYTES": str(design.number("DATA_BITS") // 8),
        "LOAD_BYTES": str(load_size(design) if design.number("LOADED") else 0),
        "LIMIT": str(_BYTE_CLOCKS * (2 * inputs + 4 * rows + 8) + 4 * worst_step(design)),
    }
    return filled("verilog/rsnn_link_replay.v", parts)


def host_source(design: Design, name: str) -> str:
    """A program that sends a raster to a board with a serial port, and keeps its answers."""
    network = design.network
    parts = {
        "DIGEST": network.digest(),
        "N_INPUTS": str(network.n_inputs),
        "N_ROWS": str(network.readout.n_neurons),
        "NUMBER": _number(design).str.replace("|", ""),
        "LOADS": f"{name}_weights.hex" if design.number("LOADED") else "",
        "BAUD": str(BAUD),
    }
    return filled("verilog/host.txt", parts)


def _number(design: Design) -> np.dtype:
    """How a channel's number is sent."""
    return np.dtype("u1" if design.number("DATA_BITS") == 8 else "<u2")


def sent_bytes(design: Design, raster: NDArray[np.uint8]) -> bytes:
    """What a link is sent for a raster (n_steps, n_inputs): channels, ascending, and step ends.

    Before, the weights, where they are loaded.
    """
    first = bytes(load_words(design)) if design.number("LOADED") else b""
    kind = _number(design)
    end = np.array([np.iinfo(kind).max], kind)
    steps = [part for row in raster for part in (np.flatnonzero(row).astype(kind), end)]
    return first + (np.concatenate(steps).tobytes() if steps else b"")


def answered_bytes(trace: Trace) -> bytes:
    """What a link answers: the words of `out` of each step."""
    return trace.variables["readout.out"].astype("<i4").tobytes()
