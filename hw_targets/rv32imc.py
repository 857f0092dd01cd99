"""RV32IMC: a small RISC-V with multiplier."""

from hw_targets.machines.emulated import emulated_target, riscv
from hw_targets.machines.target import Limits

TARGET = emulated_target(
    "rv32imc",
    "RV32IMC, 256 kB flash, 32 kB RAM, 48 MHz",
    Limits(flash=256 << 10, ram=32 << 10, clock_hz=48e6, cycles_per_instruction=1.5),
    riscv("rv32imc"),
)
