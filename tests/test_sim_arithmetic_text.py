"""The equations for people are those of the step: pages, docstring and kit are written from it."""

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from sim.arithmetic.text import NOTATION, latex, lines, plain
from sim.conformance.kit import export_kit
from sim.contract import NumericContract
from sim.kinds import find_kind, kinds
from sim.step import hidden, readout

PAGE = (Path(__file__).parents[1] / "docs" / "numeric-contract.md").read_text("utf-8")


@pytest.mark.parametrize("name", kinds())
def test_the_page_has_the_equations_of_every_kind(name):
    assert f"```\n{plain(find_kind(name))}\n```" in PAGE
    assert f"`{name}`" in PAGE


@pytest.mark.parametrize(("name", "step"), [("cuba_lif", hidden), ("cuba_li", readout)])
def test_the_docstrings_of_the_step_have_those_of_its_kinds(name, step):
    assert plain(find_kind(name)) in inspect.getdoc(step)
    assert NOTATION.strip() in inspect.getdoc(inspect.getmodule(step))


@pytest.mark.slow
def test_the_kit_has_those_of_every_kind_in_it(tmp_path):
    readme = next(p for p in export_kit(tmp_path) if p.name == "README.md").read_text("utf-8")
    assert f"\n{NOTATION}\n" in readme
    for name in fields(NumericContract):
        assert re.search(rf"^(\w+, )?{name.name}(, \w+)?: ", readme, re.MULTILINE), name.name
    for name in kinds():
        assert f"## {find_kind(name).__name__}\n\n```\n{plain(find_kind(name))}\n```" in readme


def test_a_choice_has_a_line_per_value_and_nothing_else_does():
    found = lines(find_kind("cuba_lif"))
    by_name = {}
    for name, text, condition in found:
        by_name.setdefault(name, []).append((text, condition))
    assert by_name["syn'"] == [
        ("syn(asked_syn)", "not adds_first"),
        ("D(syn(asked_syn), decay_syn)", "adds_first"),
    ]
    assert by_name["drive"] == [
        ("syn", "current == previous, bias_on == current"),
        ("syn + bias", "current == previous, bias_on == membrane"),
        ("syn'", "current == new, bias_on == current"),
        ("syn' + bias", "current == new, bias_on == membrane"),
    ]
    assert by_name["tested"][0] == ("mem", "fires_on == previous_membrane")
    assert by_name["mem'"] == [("cleared where resets, else integrated", "")]
    assert len(by_name["asked_reset"]) == 4


def test_latex_says_the_same_with_its_own_words():
    text = latex(find_kind("cuba_lif"))
    assert r"\mathit{acc} &= \sum_j \mathit{w\_in} 2^{\mathit{e\_in}} \, \mathit{x}_j" in text
    assert text.count(r"\\") == len(lines(find_kind("cuba_lif")))
    assert text.count("{") == text.count("}")
