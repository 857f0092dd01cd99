"""Cortex-M4: long multiplies and DSP instructions."""

from hw_targets.machines.c_target import c_target
from hw_targets.machines.emulated import cortex_m
from hw_targets.machines.target import Limits

MEMORY = (0, 0x400000, 0x20000000, 0x10000)  # flash, RAM
MACHINE = cortex_m("cortex-m4", "mps2-an386", 25e6, MEMORY, fpu="cortex-m4")
TARGET = c_target(
    "Cortex-M4, 512 kB flash, 64 kB RAM, 64 MHz",
    MACHINE,
    Limits(flash=512 << 10, ram=64 << 10, clock_hz=64e6, cycles_per_instruction=1.5),
)
