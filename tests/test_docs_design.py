"""The page on the design names what there is."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
PACKAGES = ("base", "sim", "rsnn", "export", "hw_targets", "rsnnctl")


def test_files_that_are_named_exist():
    named = set(re.findall(r"`((?:\w+/)+(?:\w+\.\w+)?)`", PAGE))
    named |= set(re.findall(r"`(\w+\.py)`", PAGE)) & {"cli.py"}
    assert len(named) > 30
    inside = ("commands/", "machines/", "templates/", "quantization/kinds/")
    for path in named:
        places = [ROOT / path, *(ROOT / package / path for package in PACKAGES)]
        assert any(place.exists() for place in places), path
    assert set(inside) <= named


def test_the_files_that_read_a_contract_field_are_those_that_the_page_counts():
    rows = PAGE.partition("read `reset_delay`:\n")[2].partition("Before, 9 files")[0]
    counted = re.findall(r"`([\w/]+\.\w+)`", rows)
    reading = {
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.suffix in (".py", ".c", ".rs", ".v")
        and "reset_delay" in path.read_text("utf-8").lower()
    }
    assert sorted(counted) == sorted(reading)
    assert f"and other tools have, too | 17 | {len(reading)} |" in PAGE


def test_the_operations_that_the_page_counts_are_those_of_the_step():
    text = (ROOT / "sim" / "step.py").read_text(encoding="utf-8")
    operations = re.findall(r"^    o\.(\w+)\(", text, re.MULTILINE)
    assert len(operations) == 14
    assert "fourteen operations" in PAGE
