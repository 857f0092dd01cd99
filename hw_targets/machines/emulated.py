"""Microcontrollers in QEMU: cross-compile, replay through semihosting, count instructions.

Under `-icount shift=7` an instruction takes 128 ns of the machine's time, so SysTick, which runs at
`clock_hz` of the machine, counts instructions exactly; every 4 million or so, when its 24 bits
wrap around, a handler of a few instructions counts that.
"""

from export.firmware.options import FLOAT_ABI
from export.firmware.templates import filled, template
from hw_targets.machines.c_machine import Machine
from hw_targets.machines.stack import GRAPH

_NS = 128e-9  # s per instruction, 2^7 ns
_LIBRARY = ("--specs=picolibc.specs",)
_PROGRAM = ("startup.c", "-nostartfiles", "-T", "machine.ld", "--oslib=semihost")
_SEMIHOSTING = ("-semihosting-config", "enable=on,target=native")
_QUIET = ("-nographic", "-monitor", "none", "-serial", "none")


def cortex_m(
    cpu: str,
    machine: str,
    clock_hz: float,
    memory: tuple[int, int, int, int],
    *,
    fpu: str | None = None,
) -> Machine:
    """A Cortex-M.

    Args:
        cpu: the compiler's name of it, without FPU.
        machine: QEMU's name of a machine that has it.
        clock_hz: clock of SysTick on that machine.
        memory: address and size of its flash, address and size of its RAM.
        fpu: the compiler's name of it with an FPU; None if it has none.
    """
    emulator = ("qemu-system-arm", "-M", machine, *_QUIET, *_SEMIHOSTING)
    abis = {
        abi: (f"-mcpu={fpu}", "-mthumb", f"-mfloat-abi={abi}")
        for abi in FLOAT_ABI.choices
        if fpu is not None and abi != FLOAT_ABI.default
    }
    return Machine(
        compiler="arm-none-eabi-gcc",
        packages={
            "arm-none-eabi-gcc": "gcc-arm-none-eabi and picolibc-arm-none-eabi",
            "qemu-system-arm": "qemu-system-arm",
        },
        processor=(f"-mcpu={cpu}", "-mthumb"),
        library=_LIBRARY,
        program=_PROGRAM,
        files=_files(machine, memory),
        launcher=(*emulator, "-icount", "shift=7,align=off,sleep=off", "-kernel"),
        size="arm-none-eabi-size",
        ticks=clock_hz * _NS,
        abis=abis,
        graph=GRAPH,
    )


def riscv(march: str) -> Machine:
    """A 32-bit RISC-V without floating point."""
    emulator = ("qemu-system-riscv32", "-M", "virt", "-bios", "none", *_QUIET, *_SEMIHOSTING)
    return Machine(
        compiler="riscv64-unknown-elf-gcc",
        packages={
            "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf and picolibc-riscv64-unknown-elf",
            "qemu-system-riscv32": "qemu-system-misc",
        },
        processor=(f"-march={march}", "-mabi=ilp32", "-misa-spec=2.2"),
        library=_LIBRARY,
        program=_PROGRAM,
        files=_files("virt", (0x80000000, 0x200000, 0x80200000, 0x200000)),
        launcher=(*emulator, "-icount", "shift=0", "-kernel"),
        size="riscv64-unknown-elf-size",
        ticks=1.0,
        graph=GRAPH,
    )


def _files(machine: str, memory: tuple[int, int, int, int]) -> dict[str, str]:
    """The start-up code, and the linker script of a machine's memory."""
    names = ("FLASH", "FLASH_SIZE", "RAM", "RAM_SIZE")
    parts = {name: f"{value:#x}" for name, value in zip(names, memory, strict=True)}
    return {
        "startup.c": template("bare/startup.c"),
        "machine.ld": filled("bare/machine.ld", {"MACHINE": machine} | parts),
    }
