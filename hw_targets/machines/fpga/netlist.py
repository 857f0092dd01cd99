"""The decoder as synthesized for a part, simulated cell by cell in Verilator."""

import subprocess
from dataclasses import replace
from pathlib import Path
from shutil import which

from base.errors import ToolError
from base.files import write_text
from export.verilog.design import Design
from export.verilog.simulators import VERILATOR
from export.verilog.source import texts
from hw_targets.machines.fpga.part import Part, synthesis_command

_TOP = "rsnn"


def build_netlist(part: Part, design: Design, folder: Path) -> list[str]:
    """Synthesize a decoder with its trace port, compile its cells; return the command that runs it.

    Args:
        part: the part that it is synthesized for.
        design: the decoder.
        folder: for all files; where the command has to run.

    Raises:
        ToolError: a program is missing, or refuses the sources.
    """
    simulator = replace(
        VERILATOR,
        tools={**VERILATOR.tools, "yosys": part.tools["yosys"]},
        compile=(*VERILATOR.compile, *part.defines),
    )
    simulator.need()
    netlist = synthesized(part, design, folder / "synthesis")
    loaded = {name: text for name, text in texts(design, _TOP).items() if name.endswith(".hex")}
    sources = {"rsnn_netlist.v": netlist, "cells.v": _models(part), **loaded}
    return simulator.build(design, folder, sources, _TOP)


def synthesized(part: Part, design: Design, folder: Path) -> str:
    """The netlist of a decoder with its trace port, in Verilog.

    Raises:
        ToolError: yosys refuses the sources.
    """
    files = texts(design, _TOP)
    for name, text in files.items():
        write_text(folder / name, text)
    modules = " ".join(name for name in files if name.endswith(".v"))
    script = (
        f"read_verilog -defer {modules}; {synthesis_command(part, design, _TOP)};"
        " write_verilog -noattr netlist.v"
    )
    done = subprocess.run(
        ["yosys", "-q", "-p", script], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ToolError(f"yosys refuses the exported Verilog: {done.stderr.strip()[-200:]}")
    return (folder / "netlist.v").read_text(encoding="utf-8")


def _models(part: Part) -> str:
    """The models of the part's cells, from the files of yosys that is installed."""
    program = which("yosys")
    assert program is not None
    path = Path(program).resolve().parents[1] / "share" / "yosys" / part.models
    if not path.exists():
        raise ToolError(f"{path}: there is no such file; install Debian's {part.tools['yosys']}")
    return path.read_text(encoding="utf-8")
