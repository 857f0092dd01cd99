"""The page on rate networks: its commands, tasks, options and files are those that there are."""

import json
import re
from pathlib import Path

import cli
from rsnn.rate.mapping import FACTORS
from rsnn.rate.network import DT
from rsnn.rate.tasks import tasks
from rsnn.rate.training.config import resolve

PAGE = (Path(__file__).parents[1] / "docs" / "rate-networks.md").read_text(encoding="utf-8")


def test_the_table_of_tasks_is_that_of_the_folder():
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d) \| ([\d.]+) \|", PAGE, re.MULTILINE)
    found = {name: (task.n_inputs, round(task.n_steps * DT, 3)) for name, task in tasks().items()}
    assert {name: (int(inputs), float(seconds)) for name, inputs, seconds in rows} == found


def test_every_option_on_the_page_is_one_of_a_command():
    known = {
        option
        for name in ("map-rate", "import-weights", "export-mat", "train", "quantize")
        for parameter in cli.rsnnctl.commands[name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    named = set(re.findall(r"`(--[a-z-]+)", PAGE))
    assert len(named) > 6
    assert named <= known


def test_the_figures_have_a_column_for_each_factor_of_the_published_grid():
    (row,) = re.findall(r"^\| factor \| (.*) \|$", PAGE, re.MULTILINE)
    assert tuple(map(int, row.split(" | "))) == FACTORS["sigmoid"]


def test_the_example_of_training_runs_as_it_stands(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "docs/rate-networks.md", "exec"), {})
    assert capsys.readouterr().out == "10 20\n"


def test_the_table_of_settings_is_that_of_the_command():
    rows = re.findall(r"^\| `(\w+\.\w+)` \| (`?)(.*?)\2 \|", PAGE, re.MULTILINE)
    known = {
        f"{section}.{name}": list(value) if isinstance(value, tuple) else value
        for section, part in resolve().as_dict().items()
        for name, value in part.items()
    }
    del known["training.seed"]  # `--seeds` decides
    assert {name: json.loads(value) for name, _, value in rows} == known
