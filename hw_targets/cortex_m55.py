"""Cortex-M55: Armv8.1-M; the C does not use its vector unit."""

from hw_targets.machines.c_target import c_target
from hw_targets.machines.emulated import cortex_m
from hw_targets.machines.target import Limits

MEMORY = (0, 0x80000, 0x20000000, 0x40000)  # flash, RAM
MACHINE = cortex_m("cortex-m55+nomve+nofp", "mps3-an547", 32e6, MEMORY, fpu="cortex-m55+nomve")
TARGET = c_target(
    "Cortex-M55, 512 kB flash, 256 kB RAM, 100 MHz",
    MACHINE,
    Limits(flash=512 << 10, ram=256 << 10, clock_hz=100e6, cycles_per_instruction=1.5),
)
