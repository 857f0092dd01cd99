"""Machines that compile and run exported C here: a compiler, and an emulator if needed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import which
from subprocess import run as call

import numpy as np
from numpy.typing import NDArray

from base.errors import RangeError, ToolError
from base.files import write_text
from export.firmware.arithmetic import Arithmetic
from export.firmware.code import replay_source
from export.firmware.decoder import FLAGS, Main, compile_replay, export_c, run_compiler
from export.firmware.events.replay import Replayed, replay_samples
from export.firmware.options import FLOAT_ABI
from export.firmware.replay import Ends, replay
from hw_targets.machines.stack import deepest
from sim.network import IntegerNetwork
from sim.trace import Trace


@dataclass(frozen=True)
class Sizes:
    """Bytes of the decoder alone, without start-up code and library.

    `stack` is what a call of one of its functions takes at most; None if the compiler cannot say.
    """

    flash: int
    ram: int
    stack: int | None = None


@dataclass(frozen=True)
class Run:
    """A trace, and the instructions of each step (n_steps,), None if they are not counted."""

    trace: Trace
    instructions: NDArray[np.int64] | None


@dataclass(frozen=True)
class Machine:
    """A compiler and the command that runs its programs.

    Attributes:
        compiler: command of the compiler.
        packages: every program needed, the compiler first, with its Debian package.
        processor: flags that choose the processor.
        library: flags that choose its C library.
        program: further flags and sources of a whole program.
        files: text of each file that stands beside a program, by name: start-up code, linker
            script. Other words name it, or its folder, as it is called here.
        launcher: command that runs a program, without the program; empty if it runs by itself.
        size: command that lists the sizes of an object file's sections.
        ticks: ticks of the program's counter per instruction; None if it does not count.
        abis: flags that choose the processor with its FPU, by float ABI; empty if it has none.
        graph: flags with which the compiler writes call graph and frames; empty if it cannot.
    """

    compiler: str
    packages: dict[str, str]
    processor: tuple[str, ...] = ()
    library: tuple[str, ...] = ()
    program: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    launcher: tuple[str, ...] = ()
    size: str = "size"
    ticks: float | None = None
    abis: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    graph: tuple[str, ...] = ()

    def with_abi(self, abi: str) -> "Machine":
        """The machine whose programs keep to a float ABI, one of `abis`.

        Raises:
            RangeError: it has no such ABI, since it has no FPU.
        """
        if abi == FLOAT_ABI.default:
            return self
        if abi not in self.abis:
            raise RangeError(
                f"`float_abi` is {abi}; {FLOAT_ABI.default} is all that the target has, which is"
                " without an FPU here. Leave it out, or name another target"
            )
        return replace(self, processor=self.abis[abi])

    def placed(self, words: Iterable[str], folder: str) -> list[str]:
        """Words of a command, of which those that name one of `files` name it in a folder."""
        names = {parent for file in self.files for parent in (file, file.rpartition("/")[0])}
        return [f"{folder}/{word}" if word and word in names else word for word in words]

    def build(
        self,
        network: IntegerNetwork,
        folder: Path,
        layout: str = "fast",
        arithmetic: Arithmetic | None = None,
        *,
        main: Main = replay_source,
    ) -> Path:
        """Compile a program that replays input on this machine.

        Raises:
            ToolError: a program is missing, or the compiler refuses the sources.
            RangeError: no such layout.
        """
        self.need(*(name for name in self.packages if name not in self.launcher))
        words = self._beside((*self.library, *self.program), folder)
        flags = (*FLAGS, *self.processor, *words)
        return compile_replay(
            network, folder, layout, arithmetic, flags=flags, compiler=self.compiler, main=main
        )

    def command(self, program: Path) -> list[str]:
        """The command that runs a program that was built here.

        Raises:
            ToolError: a program is missing.
        """
        self.need(*self.launcher[:1])
        return [*self.placed(self.launcher, str(program.parent)), str(program)]

    def run(
        self,
        network: IntegerNetwork,
        raster: NDArray[np.uint8],
        program: Path,
        folder: Path,
        ends: Ends | None = None,
    ) -> Run:
        """Replay a raster (n_steps, n_inputs); `ends` as in `export.firmware.replay.replay`.

        Raises:
            ToolError: a program is missing, or the program fails.
        """
        trace, counts = replay(network, raster, self.command(program), folder, ends)
        if self.ticks is None:
            return Run(trace, None)
        return Run(trace, np.rint(counts / self.ticks).astype(np.int64))

    def run_samples(
        self,
        network: IntegerNetwork,
        rasters: Sequence[NDArray[np.uint8]],
        program: Path,
        folder: Path,
    ) -> list[Replayed]:
        """Replay samples (n_steps, n_inputs) event by event; counts are instructions.

        Raises:
            ToolError: a program is missing, or the program fails.
            RangeError: the machine counts nothing.
        """
        ticks = self.need_counter()
        found = replay_samples(network, rasters, self.command(program), folder)
        return [each.counted(ticks) for each in found]

    def measure(self, network: IntegerNetwork, folder: Path, layout: str = "fast") -> Sizes:
        """Sizes of the decoder's object file, code and constants, and of one state struct.

        Raises:
            ToolError: a program is missing, or the compiler refuses the sources.
            RangeError: no such layout.
        """
        self.need(self.compiler, self.size)
        export_c(network, folder, "decoder", layout)
        library = self._beside(self.library, folder)
        (folder / "state.c").write_text('#include "decoder.h"\ndecoder_state state;\n')
        sizes = {}
        for name in ("decoder", "state"):
            source, target = (str(folder / f"{name}.{suffix}") for suffix in "co")
            command = [self.compiler, *FLAGS, *self.processor, *library, *self.graph, "-c", source]
            try:
                run_compiler([*command, "-o", target])
            except ToolError as error:
                package = self.packages[self.compiler]
                raise ToolError(f"{error}; it needs Debian's {package}") from None
            listing = call([self.size, target], check=True, capture_output=True)
            sizes[name] = [int(word) for word in listing.stdout.split(b"\n")[1].split()[:3]]
        text, data, bss = sizes["decoder"]
        stack = deepest((folder / "decoder.ci").read_text(encoding="utf-8")) if self.graph else None
        return Sizes(text + data, sum(sizes["state"][1:]) + data + bss, stack)

    def _beside(self, words: Iterable[str], folder: Path) -> list[str]:
        """Write the files that stand beside a program; return words that name them there."""
        for name, text in self.files.items():
            write_text(folder / name, text)
        return self.placed(words, str(folder))

    def need_counter(self) -> float:
        """Ticks per instruction of a machine that counts, and has all its programs.

        Raises:
            RangeError: it counts nothing.
            ToolError: a program is missing.
        """
        if self.ticks is None:
            raise RangeError(f"what {self.compiler} makes counts no instructions; name an emulator")
        self.need(*self.packages)
        return self.ticks

    def need(self, *programs: str) -> None:
        """Refuse to continue without programs.

        Raises:
            ToolError: some are missing; the text names them and their packages.
        """
        missing = [program for program in programs if which(program) is None]
        if missing:
            own = self.packages[self.compiler]
            packages = dict.fromkeys(self.packages.get(program, own) for program in missing)
            raise ToolError(
                f"there is no {', '.join(f'`{program}`' for program in missing)}: install Debian's"
                f" {' and '.join(packages)}"
            )
