"""The page on adding things quotes the files that it names, line by line."""

import re
from pathlib import Path

import pytest

from export.format import Format
from hw_targets.machines.target import Target
from rsnn.training.config import resolve
from sim.kinds import kinds

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
QUOTED = re.findall(r"^ *`([\w/.]+)`:\n *```python\n(.*?)^ *```", PAGE, re.MULTILINE | re.DOTALL)


def test_every_block_names_its_file():
    assert len(QUOTED) == PAGE.count("```python") >= 12
    assert PAGE.count("```") == 2 * len(QUOTED)


@pytest.mark.parametrize("number", range(len(QUOTED)))
def test_quoted_lines_stand_in_the_file_one_after_the_other(number):
    path, block = QUOTED[number]
    text = (ROOT / path).read_text(encoding="utf-8")
    start = 0
    for piece in re.split(r"^ *\.\.\.\n", _unindented(block, path), flags=re.MULTILINE):
        found = text.find(piece, start)
        assert found >= 0, f"{path} lacks, after what is quoted before it:\n{piece}"
        assert found == 0 or text[found - 1] == "\n", piece
        start = found + len(piece)


def _unindented(block: str, path: str) -> str:
    """Without the indentation of a list item, in which a block may stand."""
    fence = re.search(rf"^( *)`{re.escape(path)}`:\n *```python\n{re.escape(block)}", PAGE, re.M)
    assert fence is not None
    return re.sub(rf"^{fence[1]}", "", block, flags=re.MULTILINE)


def test_files_and_tests_that_are_named_exist():
    named = set(re.findall(r"`((?:\w+/)+[\w.]+)`", PAGE))
    assert {"sim/kinds/adaptive_cuba_lif.py", "tests/test_sim_contract_backends.py"} < named
    for path in named:
        assert (ROOT / path).exists(), path


def test_what_the_page_speaks_of_is_called_so():
    assert "adaptive_cuba_lif" in kinds()
    (setting,) = re.findall(r"rsnnctl train --set (\S+)`", PAGE)
    assert resolve(settings=[setting]).model.neuron == "adaptive_cuba_lif"
    for word in re.findall(r"`(build|check|contract|kinds|backends)`", PAGE):
        assert word in Target.__dataclass_fields__
    for word in ("write", "suffixes", "options", "backends"):
        assert word in Format.__dataclass_fields__
