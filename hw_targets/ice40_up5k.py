"""Lattice iCE40 UP5K: a small part with multipliers, in packages of 30 and 48 pins."""

from hw_targets.machines.fpga.part import ice40
from hw_targets.machines.fpga.target import fpga_target
from hw_targets.machines.target import Limits

PART = ice40("up5k", "sg48", "verilog/boards/icebreaker.pcf", multipliers=True)
TARGET = fpga_target(
    "iCE40 UP5K: 5,280 LUTs, 30 block RAMs, 8 multipliers; bitstream at 12 MHz",
    PART,
    Limits(clock_hz=12e6, lut4=5280, block_rams=30, multipliers=8, spram=4),
)
