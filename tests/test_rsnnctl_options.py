"""Options that commands share: choices that are looked up late, texts in terms of options."""

import re
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from command_line import leaves

import cli
from rsnn.model import PRESETS
from rsnn.training import names, recipe
from rsnnctl.options import ChoiceOf, as_options

COMMANDS = leaves(cli.rsnnctl)


def told(text: str, command: str) -> str:
    return as_options(text, cli.rsnnctl.commands[command], cli.rsnnctl)


@pytest.mark.parametrize(
    ("command", "text", "expected"),
    [
        ("quantize", "`bits` is 1; 2 to 16 is possible", "--bits is 1; 2 to 16 is possible"),
        ("export-nir", "`reader` is brian", "--for is brian"),
        ("stream", "`port` is 7", "--udp is 7"),
        ("simulate", "quantize with `bits=9` or more", "quantize with --bits 9 or more"),
        ("simulate", "`bits` of `reader`", "`bits` of `reader`"),
        ("train", "`settings=a.b=1`: write", "--set a.b=1: write"),
        ("quantize", "wider `syn_bits` and `mem_bits`", "wider --syn-bits and --mem-bits"),
        ("import-snntorch", "`output` is x", "`output` is x"),
        ("quantize", "made with another `config`", "made with another `config`"),
        ("inspect", "node `lif`: `tau_mem=3`", "node `lif`: `tau_mem=3`"),
        ("data", "`minutes` is 0", "--minutes is 0"),
    ],
)
def test_a_parameter_is_told_as_the_option_of_the_command_that_ran(command, text, expected):
    assert told(text, command) == expected


def test_choices_are_looked_up_when_they_are_asked_for_and_only_once():
    asked = []

    def find():
        asked.append(1)
        return {"one": 1, "two": 2}

    choice = ChoiceOf(find)
    option = click.Option(["--x"], type=choice, default="one")
    command = click.Command("c", params=[option])
    assert not asked
    assert command.make_context("c", ["--x", "two"]).params == {"x": "two"}
    assert "[one|two]" in command.get_help(click.Context(command))
    with pytest.raises(click.BadParameter, match="'three' is not one of 'one', 'two'"):
        command.make_context("c", ["--x", "three"])
    assert asked == [1]


def test_the_shell_completes_choices():
    completion = ShellComplete(cli.rsnnctl, {}, "rsnnctl", "_RSNNCTL_COMPLETE")
    for words, start, expected in (
        (["build", "--target"], "cortex_m3", ["cortex_m33"]),
        (["export-nir", "--for"], "", ["exact", "norse", "snntorch"]),
        (["train", "--device"], "cu", ["cuda"]),
        ([], "expl", ["explore"]),
    ):
        found = completion.get_completions(words, start)
        assert [item.value for item in found] == expected


def test_names_of_a_training_are_those_of_the_code_behind_them():
    assert tuple(PRESETS) == names.PRESETS
    for recipes in (recipe.PRETRAINING, recipe.TRAINING, recipe.RETRAINING, recipe.QAT):
        assert tuple(recipes) == names.RECIPES


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_text_stands_alone(name):
    command = COMMANDS[name]
    assert command.help
    assert command.get_help(click.Context(command))  # which looks choices up
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert re.match(r"[A-Z](?!f )", parameter.help or ""), parameter.name
            assert parameter.help.endswith("."), parameter.name


def test_the_list_of_commands_cuts_no_sentence():
    text = cli.rsnnctl.get_help(click.Context(cli.rsnnctl, terminal_width=80))
    assert "..." not in text.replace("[ARGS]...", "")


def test_the_package_runs_as_a_module():
    words = [sys.executable, "-m", "rsnnctl", "--version"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("rsnnctl, version ")
