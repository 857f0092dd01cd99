"""Draw `docs/packages.svg`: the packages, and which imports which, as the imports are.

    python docs/draw_packages.py

A package's arrows leave it to the right, turn down at a dot, and end at the package it imports.
"""

import ast
import textwrap
from configparser import ConfigParser
from graphlib import TopologicalSorter
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "packages.svg"
INK, LINE, FILL = "#1a1a1a", "#5b6b7b", "#eef3f8"
WIDTH, HEIGHT = 0.8, 0.44  # of a box; columns and rows are 1 apart
SCALE = (1.62, 0.92)  # inches per column and per row
METADATA = {"Date": None, "Creator": None}
ARROW = {"arrowstyle": "-|>", "color": LINE, "lw": 1.2, "shrinkA": 0, "shrinkB": 0}


def packages() -> list[str]:
    """What an installation holds, each imported by those before it and by none after it."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    names = setup["options.packages.find"]["include"].split()
    known = {name.strip("*") for name in [*names, setup["options"]["py_modules"]]}
    below = {name: imported(name, known) for name in known}
    return list(TopologicalSorter(below).static_order())[::-1]


def imported(package: str, known: set[str]) -> set[str]:
    """Those of the known packages that one imports anywhere."""
    found = set()
    for path in files(package):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(str(node.module).partition(".")[0])
    return found & known - {package}


def files(package: str) -> list[Path]:
    """Every file of a package, or the one file of a module."""
    return sorted((ROOT / package).rglob("*.py")) or [ROOT / f"{package}.py"]


def words(package: str) -> list[str]:
    """What is written below a box: what the package is, and the folders in it."""
    first = [ROOT / package / "__init__.py", ROOT / f"{package}.py"]
    text = next(path for path in first if path.exists()).read_text(encoding="utf-8")
    phrase = str(ast.get_docstring(ast.parse(text))).partition(":")[0]
    folders = sorted(path.parent.name for path in (ROOT / package).glob("*/__init__.py"))
    return textwrap.wrap(phrase, 26) + textwrap.wrap(", ".join(f"{f}/" for f in folders), 26)


def draw() -> Figure:
    """The picture: boxes on a staircase, the ground at its foot."""
    names = packages()
    below = {name: imported(name, set(names)) for name in names}
    size = len(names)
    figure = Figure((SCALE[0] * size + 0.1, SCALE[1] * size + 0.5), facecolor="white")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(-0.75, size - 0.25), ylim=(size - 0.05, -0.5))
    axes.axis("off")
    for row, name in enumerate(names):
        columns = [names.index(other) for other in below[name]]
        if columns:
            axes.plot([row, max(columns)], [row, row], color=LINE, lw=1.2, zorder=1)
        for column in sorted(columns):
            dot = axes.plot(column, row, "o", color=LINE, ms=5, zorder=3)[0]
            dot.set_gid(f"{name}-imports-{names[column]}")
        highest = min((i for i, other in enumerate(names) if name in below[other]), default=row)
        if highest < row:
            end, start = (row, row - HEIGHT / 2), (row, highest)
            axes.annotate("", end, start, arrowprops=ARROW, zorder=1)
        corner = row - WIDTH / 2, row - HEIGHT / 2
        axes.add_patch(Rectangle(corner, WIDTH, HEIGHT, fc=FILL, ec=LINE, lw=1.2, zorder=4))
        text = {"ha": "center", "va": "center", "color": INK, "zorder": 5}
        axes.text(row, row, name, size=12, weight="bold", **text)
        for i, line in enumerate(words(name)):
            axes.text(row, row + 0.34 + 0.16 * i, line, size=8, **text)
    return figure


def save(path: Path) -> None:
    """Write the picture; the same packages give the same bytes."""
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "packages"}):
        draw().savefig(path, metadata=METADATA if path.suffix == ".svg" else None)


if __name__ == "__main__":
    save(PICTURE)
