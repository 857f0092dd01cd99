"""A decoder mapped to standard cells by yosys; its memories stay as they are, without an area."""

import re
import subprocess
from pathlib import Path
from shutil import which

from base.errors import ToolError
from base.files import write_text
from export.verilog.design import Design
from export.verilog.source import texts

MEMORIES = ("rsnn_ram.v", "rsnn_rom.v", "rsnn_loaded.v")
_TOP = "rsnn"
_CELLS = "cells.v"
GATES = "rsnn_gates.v"


def map_gates(design: Design, liberty: Path, folder: Path) -> dict[str, str]:
    """The netlist of a decoder with its trace port, and files to simulate it with, by name.

    Args:
        design: the decoder.
        liberty: the library of cells.
        folder: for all files.

    Raises:
        ToolError: a program or the library is missing, or yosys refuses the sources.
    """
    need(liberty)
    files = texts(design, _TOP)
    for name, text in files.items():
        write_text(folder / name, text)
    boxes = []
    for name in MEMORIES:
        boxes.append(f"box_{name}")
        write_text(folder / boxes[-1], _box(files[name]))
    modules = [name for name in files if name.endswith(".v") and name not in MEMORIES]
    run_yosys(
        folder,
        f"read_verilog -lib {' '.join(boxes)}; read_verilog -defer {' '.join(modules)};"
        f" synth -flatten -top {_TOP}; dfflibmap -liberty {liberty}; abc -liberty {liberty};"
        f" opt_clean -purge; write_verilog -noattr {GATES}; delete;"
        f" read_liberty -ignore_miss_func {liberty}; write_verilog -noattr {_CELLS}",
    )
    made = {name: (folder / name).read_text(encoding="utf-8") for name in (GATES, _CELLS)}
    # a chip starts with any words; unknown ones would spread where a reset is mixed with logic
    made[_CELLS] = re.sub(r"^  reg (\w+);$", r"  reg \1 = 1'b0;", made[_CELLS], flags=re.M)
    kept = {n: t for n, t in files.items() if n in MEMORIES or n.endswith(".hex")}
    return made | kept


def instances(netlist: str) -> list[tuple[str, dict[str, str]]]:
    """Of each cell of a netlist, its type and the net at each pin."""
    found = []
    for kind, body in re.findall(r"^  (\w+) \w+ \(\n(.*?)\n  \);", netlist, re.M | re.S):
        pins = dict(re.findall(r"\.(\w+)\((.*?)\)(?:,?$)", body, re.M))
        found.append((kind, {pin: net.replace(" ", "").lstrip("\\") for pin, net in pins.items()}))
    return found


def run_yosys(folder: Path, script: str) -> None:
    """Run a script of yosys in a folder.

    Raises:
        ToolError: it ends with an error, which the text quotes.
    """
    done = subprocess.run(
        ["yosys", "-q", "-p", script], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ToolError(f"yosys refuses the exported Verilog: {done.stderr.strip()[-200:]}")


def need(liberty: Path) -> None:
    """Refuse to continue without yosys or the library.

    Raises:
        ToolError: one is missing; the text names its package.
    """
    if which("yosys") is None:
        raise ToolError("there is no `yosys`: install Debian's yosys")
    if not liberty.exists():
        raise ToolError(f"{liberty}: no such file: install Debian's qflow-tech-osu018")


def _box(text: str) -> str:
    """The ports of a module without what is inside."""
    end = text.index(");\n", text.index(") (\n")) + 3
    return text[:end] + "endmodule\n\n`default_nettype wire\n"
