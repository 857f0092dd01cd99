"""Cortex-M33: like the Cortex-M4, but Armv8-M."""

from hw_targets.machines.c_target import c_target
from hw_targets.machines.emulated import cortex_m
from hw_targets.machines.target import Limits

MEMORY = (0x10000000, 0x400000, 0x38000000, 0x10000)  # flash, RAM
MACHINE = cortex_m("cortex-m33", "mps2-an505", 20e6, MEMORY, fpu="cortex-m33")
TARGET = c_target(
    "Cortex-M33, 1 MB flash, 256 kB RAM, 64 MHz",
    MACHINE,
    Limits(flash=1 << 20, ram=256 << 10, clock_hz=64e6, cycles_per_instruction=1.5),
)
