"""Microcontrollers in QEMU: cross-compile, replay through semihosting, count instructions.

Under `-icount shift=7` an instruction takes 128 ns of the machine's time, so SysTick, which runs at
`clock_hz` of the machine, tells instructions exactly; every 4 million or so, where its 24 bits
wrap around, a handler of a few instructions counts that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from subprocess import run as call

import numpy as np
from numpy.typing import NDArray

from base.errors import ToolError
from export.firmware.arithmetic import Arithmetic
from export.firmware.decoder import FLAGS, compile_replay, export_c
from export.firmware.replay import replay
from hw_targets.machines.target import Limits, Run, Sizes, Target
from sim.network import IntegerNetwork

_NS = 128e-9  # s an instruction, 2^7 ns
_HOSTED = ("--specs=picolibc.specs", "--oslib=semihost", "--crt0=hosted")
_SEMIHOSTING = ("-semihosting-config", "enable=on,target=native")
_QUIET = ("-nographic", "-monitor", "none", "-serial", "none")


@dataclass(frozen=True)
class Machine:
    """A machine of QEMU and the compiler for it.

    Attributes:
        prefix: of the compiler's programs.
        flags: that choose the processor.
        emulator: the command but for the program.
        memory: address and size of flash, address and size of RAM.
        ticks: of the counter for each instruction.
        packages: Debian packages of compiler, library and emulator.
    """

    prefix: str
    flags: tuple[str, ...]
    emulator: tuple[str, ...]
    memory: tuple[int, int, int, int]
    ticks: float
    packages: dict[str, str]

    def link(self) -> Sequence[str]:
        """Flags that place a program in the machine's memory."""
        names = ("__flash", "__flash_size", "__ram", "__ram_size")
        pairs = zip(names, self.memory, strict=True)
        return [*_HOSTED, *(f"-Wl,--defsym={name}={value:#x}" for name, value in pairs)]

    def build(
        self,
        network: IntegerNetwork,
        folder: Path,
        layout: str = "fast",
        arithmetic: Arithmetic | None = None,
    ) -> Path:
        """Compile the program that replays a raster on this machine."""
        self.need(f"{self.prefix}gcc")
        flags = (*FLAGS, *self.flags, *self.link())
        compiler = f"{self.prefix}gcc"
        return compile_replay(network, folder, layout, arithmetic, flags=flags, compiler=compiler)

    def command(self, program: Path) -> list[str]:
        """The emulator with a program."""
        self.need(self.emulator[0])
        return [*self.emulator, str(program)]

    def run(
        self, network: IntegerNetwork, raster: NDArray[np.uint8], program: Path, folder: Path
    ) -> Run:
        """Replay a raster under QEMU."""
        trace, counts = replay(network, raster, self.command(program), folder)
        return Run(trace, np.rint(counts / self.ticks).astype(np.int64))

    def measure(self, network: IntegerNetwork, folder: Path, layout: str = "fast") -> Sizes:
        """Sizes of the decoder's object file: code and constants; and of one state struct."""
        for tool in ("gcc", "size"):
            self.need(f"{self.prefix}{tool}")
        export_c(network, folder, "decoder", layout)
        (folder / "state.c").write_text('#include "decoder.h"\ndecoder_state state;\n')
        sizes = {}
        for name in ("decoder", "state"):
            source, target = (str(folder / f"{name}.{suffix}") for suffix in "co")
            command = [f"{self.prefix}gcc", *FLAGS, *self.flags, *_HOSTED[:1], "-c", source]
            call([*command, "-o", target], check=True, capture_output=True)
            listing = call([f"{self.prefix}size", target], check=True, capture_output=True)
            sizes[name] = [int(word) for word in listing.stdout.split(b"\n")[1].split()[:3]]
        text, data, bss = sizes["decoder"]
        return Sizes(text + data, sum(sizes["state"][1:]) + data + bss)

    def need(self, program: str) -> None:
        """Raise ToolError unless a program is there."""
        if which(program) is None:
            package = self.packages.get(program, self.packages[f"{self.prefix}gcc"])
            raise ToolError(f"there is no `{program}`: install Debian's {package}")


def cortex_m(cpu: str, machine: str, clock_hz: float, memory: tuple[int, int, int, int]) -> Machine:
    """A Cortex-M; `clock_hz` is that of SysTick on QEMU's machine."""
    emulator = ("qemu-system-arm", "-M", machine, *_QUIET, *_SEMIHOSTING)
    return Machine(
        "arm-none-eabi-",
        (f"-mcpu={cpu}", "-mthumb"),
        (*emulator, "-icount", "shift=7,align=off,sleep=off", "-kernel"),
        memory,
        clock_hz * _NS,
        {
            "arm-none-eabi-gcc": "gcc-arm-none-eabi and picolibc-arm-none-eabi",
            "qemu-system-arm": "qemu-system-arm",
        },
    )


def riscv(march: str) -> Machine:
    """A 32-bit RISC-V without floating point."""
    emulator = ("qemu-system-riscv32", "-M", "virt", "-bios", "none", *_QUIET, *_SEMIHOSTING)
    return Machine(
        "riscv64-unknown-elf-",
        (f"-march={march}", "-mabi=ilp32", "-misa-spec=2.2"),
        (*emulator, "-icount", "shift=0", "-kernel"),
        (0x80000000, 0x200000, 0x80200000, 0x200000),
        1.0,
        {
            "riscv64-unknown-elf-gcc": "gcc-riscv64-unknown-elf and picolibc-riscv64-unknown-elf",
            "qemu-system-riscv32": "qemu-system-misc",
        },
    )


def emulated_target(name: str, description: str, limits: Limits, machine: Machine) -> Target:
    """The target that a machine of QEMU stands for."""
    return Target(
        name=name,
        description=description,
        limits=limits,
        contract="any",
        format="c",
        tools=machine.packages,
        energy="Horowitz, ISSCC 2014 (45 nm)",
        build=machine.build,
        command=machine.command,
        run=machine.run,
        flags=(*machine.flags, *_HOSTED[:1]),
        measure=machine.measure,
    )
