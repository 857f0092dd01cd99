"""A processor that runs the exported C: its limits, and how to build and run for it here."""

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import which

import numpy as np
from numpy.typing import NDArray

from export.c import FLAGS, export_c, replay
from export.firmware.source import replay_source, source
from rsnnctl.errors import ToolError
from rsnnctl.files import write_text
from sim.network import IntegerNetwork
from sim.reference import check_channels
from sim.trace import Trace


@dataclass(frozen=True)
class Target:
    """What is known of a processor.

    Attributes:
        description: in a few words, for people.
        part: a part that has it, whose limits are checked.
        flash, ram: bytes of that part.
        clock: of that part, in Hz.
        cycles_per_instruction: a pessimistic estimate; emulators count instructions only.
        compiler: prefix of the tools' names, `arm-none-eabi-` and so on; "" for this machine's.
        flags: of the compiler.
        emulator: command that runs a program, which is appended; empty for this machine.
        ticks: of the replay program's counter for an instruction; 0 where it counts none.
        packages: Debian's, that bring compiler and emulator.
    """

    description: str
    part: str
    flash: int
    ram: int
    clock: float
    cycles_per_instruction: float
    compiler: str
    flags: tuple[str, ...]
    emulator: tuple[str, ...]
    ticks: float
    packages: tuple[str, ...]

    def missing(self) -> str:
        """What is not installed here and how to get it, in a line; nothing if all is there."""
        wanted = [f"{self.compiler}gcc", *self.emulator[:1]]
        absent = [program for program in wanted if which(program) is None]
        if not absent:
            return ""
        return f"{' and '.join(absent)} not found: apt-get install {' '.join(self.packages)}"


@dataclass(frozen=True)
class Run:
    """What a replay on a target gave.

    Attributes:
        trace: every state word.
        instructions: of each step, (n_steps,); None where they are not counted.
        flash, ram: bytes of the network's code and constants, and of one decoder's state.
    """

    trace: Trace
    instructions: NDArray[np.float64] | None
    flash: int
    ram: int


def run(
    target: Target,
    network: IntegerNetwork,
    raster: NDArray[np.uint8],
    *,
    constants: IntegerNetwork | None = None,
) -> Run:
    """Export, build and replay a raster (n_steps, n_inputs), on the emulated target.

    Args:
        target: where.
        network: the network.
        raster: its first half is given as events, the rest as bitmaps.
        constants: of another network of the same shapes, in the code made for `network`.

    Raises:
        ToolError: a tool is missing, or the program does not end as it should.
        MismatchError: the raster has another number of channels.
    """
    check_channels(network, raster.shape)
    absent = target.missing()
    if absent:
        raise ToolError(absent)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        export_c(network, folder)
        if constants is not None:
            write_text(folder / "rsnn.c", source(network, "rsnn", constants))
        write_text(folder / "replay.c", replay_source(network, "rsnn"))
        for stem in ("rsnn", "replay"):
            _call(folder, f"{target.compiler}gcc", *FLAGS, *target.flags, "-c", f"{stem}.c")
        objects = ("rsnn.o", "replay.o", "-o", "replay")
        _call(folder, f"{target.compiler}gcc", *FLAGS, *target.flags, *objects)
        command = [*target.emulator, str(folder / "replay")]
        trace, counts = replay(network, raster, command, folder)
        sizes = _call(folder, f"{target.compiler}size", "rsnn.o").splitlines()[-1].split()
        symbols = _call(folder, f"{target.compiler}nm", "-S", "replay.o").splitlines()
    state = next(line.split()[1] for line in symbols if line.endswith(" state"))
    instructions = counts / target.ticks if target.ticks else None
    return Run(trace, instructions, int(sizes[0]) + int(sizes[1]), int(state, 16))


def _call(folder: Path, program: str, *arguments: str) -> str:
    done = subprocess.run(
        [program, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ToolError(f"{program} failed: {done.stderr.strip().splitlines()[0]}")
    return done.stdout


@dataclass(frozen=True)
class Cost:
    """What a network costs on a target.

    Attributes:
        flash, ram: bytes.
        instructions: `mean` of a step and `worst_case`, all inputs and neurons firing; empty
            where they are not counted.
        violations: each limit that is broken, in a line that says what would fit.
    """

    flash: int
    ram: int
    instructions: Mapping[str, float] = field(default_factory=dict)
    violations: tuple[str, ...] = ()
