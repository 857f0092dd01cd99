"""The page on rate networks: its commands, tasks, options and files are those that there are."""

import json
import re
from pathlib import Path

import cli
from rsnn.rate.evaluate import NONE, SEVERAL
from rsnn.rate.mapping import FACTORS
from rsnn.rate.network import DT
from rsnn.rate.tasks import tasks
from rsnn.rate.training.config import resolve
from rsnnctl.commands import evaluate, map_rate, quantize, train
from rsnnctl.results.kind import Kind, Rows

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "rate-networks.md").read_text(encoding="utf-8")
PATH = (DOCS / "rate-to-firmware.md").read_text(encoding="utf-8")


def test_the_table_of_tasks_is_that_of_the_folder():
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d) \| ([\d.]+) \|", PAGE, re.MULTILINE)
    found = {name: (task.n_inputs, round(task.n_steps * DT, 3)) for name, task in tasks().items()}
    assert {name: (int(inputs), float(seconds)) for name, inputs, seconds in rows} == found


def test_every_option_on_the_page_is_one_of_a_command():
    known = {
        option
        for name in ("map-rate", "import-weights", "export-mat", "train", "quantize", "evaluate")
        for parameter in cli.rsnnctl.commands[name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    named = set(re.findall(r"`(--[a-z-]+)", PAGE + PATH.replace("`--format md`", "")))
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


def test_the_tables_of_the_path_have_the_columns_that_its_commands_print():
    kinds = (*vars(train).values(), *vars(map_rate).values(), *vars(quantize).values())
    kinds = [kind for kind in (*kinds, *vars(evaluate).values()) if isinstance(kind, Kind)]
    tables = [
        [column.header for column in field.columns if not column.hidden]
        for kind in kinds
        for field in kind.fields
        if isinstance(field, Rows)
    ]
    task = tasks()["go-nogo"]
    beside = {*task.conditions, *(f"answer {name}" for name in (*task.conditions, NONE, SEVERAL))}
    headers = re.findall(r"^\| (.*) \|\n\|---", PATH, re.MULTILINE)
    assert len(headers) == 8
    for header in headers:
        names = [name for name in header.split(" | ") if name not in beside]
        fits = [table for table in tables if set(names) <= set(table)]
        assert fits or names == ["what", "value"], header


def test_the_path_names_each_command_on_the_way_to_firmware_and_the_picture_is_there():
    blocks = re.findall(r"```sh\n(.*?)```", PATH, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert [line.split()[1] for line in lines] == [
        *("train", "map-rate", "quantize", "evaluate"),
        *("verify", "check", "build", "verify", "status"),
    ]
    (picture,) = re.findall(r"!\[.*?\]\((.*?)\)", PATH)
    assert (DOCS / picture).read_bytes().startswith(b"\x89PNG")


def test_figures_on_the_path_agree_with_each_other():
    """Operations of 5 ms are those of a step times the steps; the ledger is the evaluation's."""
    rows = dict(re.findall(r"^\| (model\.\S+ \([^)]*\)) \| 100 \| (.*) \|$", PATH, re.MULTILINE))
    per_step = {name: [*map(float, row.split(" | ")[-3:])] for name, row in rows.items()}
    rate, _, quiet, integers = per_step.values()
    macs, acs = (round(quiet[i] * 100) for i in (1, 2))
    text = f"{rate[1]:,.0f} MACs and {rate[2]:.0f} ACs as rates, {macs:,} and {acs:,} as spikes"
    flat = " ".join(PATH.split())
    assert text in flat
    assert f"none and {integers[2] * 10:.0f} in integers" in flat
    ledger = re.findall(
        r"^\| (?:as mapped|without noise|integers) \| (.*?) \| ", PATH, re.MULTILINE
    )
    assert ledger == [row.split(" | ")[0] for row in list(rows.values())[1:]]
