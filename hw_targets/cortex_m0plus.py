"""Cortex-M0+: no product of 64 bits, no DSP instructions."""

from hw_targets.machines.c_target import c_target
from hw_targets.machines.emulated import cortex_m
from hw_targets.machines.target import Limits

MACHINE = cortex_m("cortex-m0plus", "microbit", 16e6, (0, 0x40000, 0x20000000, 0x4000))
TARGET = c_target(
    "Cortex-M0+, 128 kB flash, 16 kB RAM, 48 MHz",
    MACHINE,
    Limits(flash=128 << 10, ram=16 << 10, clock_hz=48e6, cycles_per_instruction=1.5),
)
