"""The page on first-spike networks: its settings, options, presets and its example."""

import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

import cli
from rsnn.first_spike.config import OPTIMIZERS, Layer, Regularizer, Trainer
from rsnn.first_spike.presets import PRESETS

PAGE = (Path(__file__).parents[1] / "docs" / "first-spike.md").read_text(encoding="utf-8")


def test_the_table_of_settings_has_every_setting():
    sections = {"network": [Layer], "regularizer": [Regularizer], "trainer": [Trainer]}
    sections["optimizer"] = list(OPTIMIZERS.values())
    known = {
        f"{section}.{field.name}"
        for section, kinds in sections.items()
        for kind in kinds
        for field in fields(kind)
    } - {"trainer.seed"}  # `--seeds` decides
    found = set()
    for row in re.findall(r"^\| (`\w+\.\w+`.*?) \|", PAGE, re.MULTILINE):
        section = row.split(".")[0].strip("`")
        found |= {f"{section}.{name.split('.')[-1]}" for name in re.findall(r"`([\w.]+)`", row)}
    assert found == known


def test_every_option_and_preset_on_the_page_is_one():
    group = cli.rsnnctl.commands["first-spike"]
    others = [cli.rsnnctl.commands[name] for name in ("quantize", "evaluate", "verify")]
    known = {
        option
        for command in [*group.commands.values(), *others]
        for parameter in command.params
        for option in parameter.opts
    }
    named = set(re.findall(r"`(--[a-z-]+)", PAGE))
    assert len(named) > 8
    assert named <= known
    presets = set(re.findall(r"\b(?:digits|mnist|cnn|softhebb)-[\w-]+", PAGE))
    assert len(presets) > 3
    assert presets <= PRESETS.keys()


@pytest.mark.slow
def test_the_examples_run_as_they_stand(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training, integers = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(training, "docs/first-spike.md", "exec"), {})
    assert capsys.readouterr().out == "0.8425 0.8425\n"
    exec(compile(integers, "docs/first-spike.md", "exec"), {})
    assert capsys.readouterr().out == "0.84\n"
    assert sorted(path.name for path in Path("c").iterdir())[:2] == ["rsnn.c", "rsnn.h"]


@pytest.mark.slow
def test_tables_of_integers_are_what_the_commands_print(run):
    assert run("first-spike", "train").code == 0
    ledger = json.loads(run("quantize", "--json").out)["ledger"]
    decisions = json.loads(run("evaluate", "runs/latest/model.int.h5", "--json").out)["decisions"]
    for rows, first in ((ledger, "step"), (decisions, "tick")):
        for row in rows:
            values = list(row.values())[list(row).index(first) :]
            line = " | ".join(v if isinstance(v, str) else f"{v:.4g}" for v in values)
            assert f"| {line} |" in PAGE
