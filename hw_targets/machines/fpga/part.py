"""The definition of a part: its tools, its memories, and what its cells are called."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from export.verilog.design import Design


@dataclass(frozen=True)
class Part:
    """An FPGA that designs are synthesized for, placed and routed here.

    Attributes:
        rules: template of the Makefile's rules from sources to the bitstream.
        synthesis: the command of yosys for it, without the top.
        multiplying: its option for designs with products, if the part has multipliers.
        place: the command that places and routes, without its files.
        board: template of the constraints of one board, for the design with a serial port.
        board_option: option of `place` that names them.
        bitstream: the ending of the bitstream's name.
        cells: beginning of the name of its cells, by what `build` reports.
        ram_shapes: depths of a block RAM, each with the width that it then has.
        ram_cost: what synthesis weighs one of them as, where a bit of a multiplexer's input is 1/2.
        spram_shape: words and bits of its large memories.
        factor_bits: bits of a multiplier's factor, without the sign.
        models: Verilog models of its cells, below yosys's shared files.
        defines: macros that these need.
        tools: programs, each with its Debian package.
    """

    rules: str
    synthesis: str
    multiplying: str
    place: str
    board: str
    board_option: str
    bitstream: str
    cells: Mapping[str, str]
    ram_shapes: tuple[tuple[int, int], ...]
    ram_cost: float
    spram_shape: tuple[int, int]
    factor_bits: int
    models: str
    defines: tuple[str, ...] = ()
    tools: Mapping[str, str] = field(default_factory=dict)


def ice40(size: str, package: str, board: str, *, multipliers: bool) -> Part:
    """A part of Lattice's family iCE40.

    Args:
        size: its option of nextpnr, such as `up5k`.
        package: its package.
        board: template of the constraints of a board that has it.
        multipliers: whether it has any.
    """
    return Part(
        rules="verilog/ice40.mk",
        synthesis="synth_ice40",
        multiplying="-dsp" if multipliers else "",
        place=f"nextpnr-ice40 --{size} --package {package}",
        board=board,
        board_option="--pcf",
        bitstream="bin",
        cells={
            "lut4": "SB_LUT4",
            "flip_flops": "SB_DFF",
            "block_rams": "SB_RAM40",
            "spram": "SB_SPRAM",
            "multipliers": "SB_MAC16",
        },
        ram_shapes=((256, 16), (512, 8), (1024, 4), (2048, 2)),
        ram_cost=64,
        spram_shape=(16384, 16),
        factor_bits=15,
        models="ice40/cells_sim.v",
        defines=("-DNO_ICE40_DEFAULT_ASSIGNMENTS",),
        tools={
            "yosys": "yosys",
            "nextpnr-ice40": "nextpnr-ice40",
            "icepack": "fpga-icestorm",
            "make": "make",
        },
    )


def synthesis_command(part: Part, design: Design, top: str) -> str:
    """The command of yosys that synthesizes a decoder for a part, with this top."""
    option = f" {part.multiplying}" if part.multiplying and design.number("MULTIPLIER") else ""
    return f"{part.synthesis}{option} -top {top}"
