"""Simulators of the exported Verilog: Icarus compiles at once, Verilator's programs run fast."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from base.errors import ToolError
from base.files import write_text
from export.firmware.templates import template
from export.verilog.design import Design
from export.verilog.source import replay_source

TOP = "rsnn_replay"
_MAIN = f"{TOP}.cpp"


@dataclass(frozen=True)
class Simulator:
    """A program that compiles Verilog, and the command that runs what it made.

    Attributes:
        tools: programs that it needs, each with its Debian package.
        compile: command that compiles the Verilog files appended to it.
        run: command that then runs the test bench.
    """

    tools: dict[str, str]
    compile: tuple[str, ...]
    run: tuple[str, ...]

    def build(
        self, design: Design, folder: Path, sources: Mapping[str, str], name: str
    ) -> list[str]:
        """Write a decoder and its test bench, and compile them; return the command that runs them.

        Args:
            design: the decoder.
            folder: for all files; where the command has to run.
            sources: the decoder's files by name.
            name: its top module.

        Raises:
            ToolError: a program is missing, or refuses the sources.
        """
        self.need()
        written = {**sources, **bench(design, name)}
        for file, text in written.items():
            write_text(folder / file, text)
        modules = [file for file in written if file.endswith(".v")]
        done = subprocess.run(
            [*self.compile, *modules], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            said = next((line for line in lines if "rror" in line), f"status {done.returncode}")
            raise ToolError(f"{self.compile[0]} refuses the exported Verilog: {said}")
        program, *rest = self.run
        return [program if which(program) else str(folder.absolute() / program), *rest]

    def missing(self) -> dict[str, str]:
        """The programs that are missing here, each with its Debian package."""
        return {tool: package for tool, package in self.tools.items() if which(tool) is None}

    def need(self) -> None:
        """Refuse to continue without the programs.

        Raises:
            ToolError: some are missing; the text names them and their packages.
        """
        if missing := self.missing():
            packages = " and ".join(dict.fromkeys(missing.values()))
            raise ToolError(
                f"there is no {', '.join(f'`{tool}`' for tool in missing)}: install Debian's"
                f" {packages}"
            )


def bench(design: Design, name: str) -> dict[str, str]:
    """The files of a test bench by name: for any simulator, and the program of Verilator's."""
    return {
        f"{TOP}.v": replay_source(design, name),
        _MAIN: template(f"verilog/{_MAIN}"),
    }


ICARUS = Simulator(
    {"iverilog": "iverilog", "vvp": "iverilog"},
    ("iverilog", "-g2005", "-Wall", "-s", TOP, "-o", "replay.vvp"),
    ("vvp", "-n", "replay.vvp"),
)
VERILATOR = Simulator(
    {"verilator": "verilator", "g++": "g++", "make": "make"},
    (
        *("verilator", "--cc", "--exe", "--build", "-j", "2", "-Wno-fatal", "--x-assign", "fast"),
        *("-MAKEFLAGS", "OPT_FAST=-O1 OPT_SLOW=-O0 OPT_GLOBAL=-O0"),  # most of the time is theirs
        *("--top-module", TOP, "-Mdir", "made", "-o", "replay", _MAIN),
    ),
    (os.path.join("made", "replay"),),
)
