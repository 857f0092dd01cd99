"""The picture of the packages in docs/design.md shows the arrows that the imports are."""

import ast
import re
import subprocess
import sys
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PICTURE = (ROOT / "docs" / "packages.svg").read_text(encoding="utf-8")
PACKAGES = ("cli", "rsnnctl", "hw_targets", "export", "rsnn", "sim", "base")


def height_of(package: str) -> float:
    """Where the name stands, from the top."""
    (found,) = re.findall(rf'<text [^>]* y="([\d.]+)"[^>]*>{package}</text>', PICTURE)
    return float(found)


def imports() -> set[tuple[str, str]]:
    found = set()
    for path in [*ROOT.glob("*/**/*.py"), ROOT / "cli.py"]:
        own = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if own in PACKAGES:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = []
                if isinstance(node, ast.ImportFrom):
                    names = [node.module]
                elif isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                found |= {(own, name.split(".")[0]) for name in names}
    return {(a, b) for a, b in found if b in PACKAGES and a != b}


@pytest.mark.slow
def test_the_picture_shows_every_arrow_and_no_other():
    drawn = set(re.findall(r'id="(\w+)-imports-(\w+)"', PICTURE))
    assert drawn == imports()
    assert len(drawn) >= 15


@pytest.mark.slow
def test_every_arrow_points_down():
    heights = [height_of(package) for package in PACKAGES]
    assert all(above < below for above, below in pairwise(heights))
    for above, below in imports():
        assert height_of(above) < height_of(below), f"{above} imports {below}"


def test_it_is_small_its_text_is_text_and_the_page_shows_it():
    assert len(PICTURE) < 40_000
    assert "<text" in PICTURE
    for folder in ("conformance/", "quantization/", "machines/"):
        assert folder in PICTURE
    assert "](packages.svg)" in (ROOT / "docs" / "design.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_script_draws_what_is_there(tmp_path):
    """Byte for byte where the pinned matplotlib is installed, else the same packages and arrows."""
    code = (
        "import sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(ROOT / 'docs')!r})\n"
        f"import draw_packages; draw_packages.save(Path({str(tmp_path / 'packages.svg')!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
    drawn = (tmp_path / "packages.svg").read_text(encoding="utf-8")
    ids = r'id="\w+-imports-\w+"'
    assert re.findall(ids, drawn) == re.findall(ids, PICTURE)
    pinned = f"matplotlib=={version('matplotlib')}\n"
    if pinned in (ROOT / "constraints.txt").read_text(encoding="utf-8"):
        assert drawn == PICTURE, "the packages have changed: run python docs/draw_packages.py"
