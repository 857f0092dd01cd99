"""The page on first-spike networks: its settings, options, presets and its example."""

import re
from dataclasses import fields
from pathlib import Path

import cli
from rsnn.first_spike.config import OPTIMIZERS, Layer, Regularizer, Trainer
from rsnn.first_spike.file import save_network
from rsnn.first_spike.presets import PRESETS
from sim.artifact import load_network

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


def test_the_examples_run_as_they_stand(capsys, tmp_path, monkeypatch):
    training, integers = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    scope = {}
    exec(compile(training, "docs/first-spike.md", "exec"), scope)
    assert capsys.readouterr().out == "0.8425 0.8425\n"
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "first-spike-seed1"
    folder.mkdir(parents=True)
    save_network(scope["training"].network(), folder / "model.rsnn.h5", {})
    exec(compile(integers, "docs/first-spike.md", "exec"), {})
    assert load_network(tmp_path / "digits.int.h5").readout.kind() == "first_spike"
