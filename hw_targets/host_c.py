"""This machine: the exported C by its own compiler, without a count of instructions."""

from hw_targets.firmware.target import Target

TARGET = Target(
    description="this machine",
    part="this machine",
    flash=1 << 30,
    ram=1 << 30,
    clock=1e9,
    cycles_per_instruction=1.0,
    compiler="",
    flags=(),
    emulator=(),
    ticks=0.0,
    packages=("gcc", "libc6-dev"),
)
