"""The page on first-spike networks: its settings, options, presets and its example."""

import re
from dataclasses import fields
from pathlib import Path

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
    known = {
        option
        for command in group.commands.values()
        for parameter in command.params
        for option in parameter.opts
    }
    named = set(re.findall(r"`(--[a-z-]+)", PAGE))
    assert len(named) > 8
    assert named <= known
    presets = set(re.findall(r"\b(?:digits|mnist|cnn|softhebb)-[\w-]+", PAGE))
    assert len(presets) > 3
    assert presets <= PRESETS.keys()


def test_the_example_runs_as_it_stands(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "docs/first-spike.md", "exec"), {})
    assert capsys.readouterr().out == "0.8425 0.8425\n"
