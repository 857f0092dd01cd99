"""Synthesis, place and route of a project by its Makefile, and what they report."""

import json
import re
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

from base.errors import ToolError
from export.firmware.templates import filled, template
from export.verilog.design import Design
from export.verilog.links import top_of
from hw_targets.machines.fpga.part import Part, synthesis_command

RULES = "fpga.mk"
BOARD = "board"


def rules(part: Part, design: Design) -> dict[str, str]:
    """The files of a project by name that lead to a bitstream: rules, and a board's constraints."""
    place, files = part.place, {}
    if design.shape.link == "uart":
        name = BOARD + Path(part.board).suffix
        place = f"{place} {part.board_option} {name}"
        files[name] = template(part.board)
    parts = {
        "DIGEST": design.network.digest(),
        "TOP": top_of(design, "rsnn"),
        "SYNTHESIS": synthesis_command(part, design, "$(TOP)"),
        "PLACE": place,
    }
    return {RULES: filled(part.rules, parts), **files}


def make_bitstream(part: Part, design: Design, folder: Path) -> list[Path]:
    """Run the rules of a project; return the netlist, what was placed, and the bitstream.

    Raises:
        ToolError: a program is missing, or does not get to the end; the text quotes it.
    """
    need(part)
    done = subprocess.run(
        ["make", "-s", "-f", RULES, "bitstream"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines()
        said = next((line for line in lines if "ERROR" in line), lines[-1] if lines else "nothing")
        raise ToolError(f"no bitstream was made: {said}")
    top = top_of(design, "rsnn")
    return [folder / f"{top}.{end}" for end in ("json", "asc", part.bitstream)]


def reported(part: Part, design: Design, folder: Path) -> dict[str, Any]:
    """Cells by kind, as synthesis maps them, and the highest clock after routing (MHz)."""
    top = top_of(design, "rsnn")
    text = (folder / f"{top}.stat").read_text(encoding="utf-8")
    whole = text[text.rindex("Number of cells") :]
    counts = re.findall(r"^ +(\w+) +(\d+)$", whole, re.MULTILINE)
    cells = {
        name: sum(int(count) for cell, count in counts if cell.startswith(start))
        for name, start in part.cells.items()
    }
    report = json.loads((folder / f"{top}_report.json").read_text(encoding="utf-8"))
    (clock,) = report["fmax"].values()
    return {**cells, "fmax_mhz": round(clock["achieved"], 2)}


def need(part: Part) -> None:
    """Refuse to continue without the programs of a part.

    Raises:
        ToolError: some are missing; the text names them and their packages.
    """
    missing = {tool: package for tool, package in part.tools.items() if which(tool) is None}
    if missing:
        raise ToolError(
            f"there is no {', '.join(f'`{tool}`' for tool in missing)}: install Debian's"
            f" {' and '.join(dict.fromkeys(missing.values()))}"
        )
