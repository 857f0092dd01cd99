"""RV32IMC: a small RISC-V with multiplier."""

from hw_targets.machines.c_target import c_target
from hw_targets.machines.emulated import riscv
from hw_targets.machines.target import Limits

MACHINE = riscv("rv32imc")
TARGET = c_target(
    "RV32IMC, 256 kB flash, 32 kB RAM, 48 MHz",
    MACHINE,
    Limits(flash=256 << 10, ram=32 << 10, clock_hz=48e6, cycles_per_instruction=1.5),
)
