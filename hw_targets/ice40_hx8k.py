"""Lattice iCE40 HX8K: faster than a UP5K, and without multipliers."""

from hw_targets.machines.fpga.part import ice40
from hw_targets.machines.fpga.target import fpga_target
from hw_targets.machines.target import Limits

PART = ice40("hx8k", "ct256", "verilog/boards/ice40_hx8k_b_evn.pcf", multipliers=False)
TARGET = fpga_target(
    "iCE40 HX8K: 7,680 LUTs, 32 block RAMs, no multiplier; bitstream at 12 MHz",
    PART,
    Limits(clock_hz=12e6, lut4=7680, block_rams=32, multipliers=0, spram=0),
)
