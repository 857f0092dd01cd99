"""README and docs say what the code does: commands, contract fields, files, examples."""

import re
from dataclasses import fields
from pathlib import Path

import click

import cli
from export.formats import formats
from rsnn.training.config import resolve
from sim.contract import NumericContract

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> dict[str, click.Command]:
    found = {}
    for name, command in cli.rsnnctl.commands.items():
        if isinstance(command, click.Group):
            found |= {f"{name} {sub}": c for sub, c in command.commands.items()}
        else:
            found[name] = command
    return found


def test_the_table_of_commands_names_every_command():
    rows = re.findall(r"^\| `([a-z -]+)` \|", README, re.MULTILINE)
    assert sorted(rows) == sorted(commands())


def test_the_table_of_commands_says_what_every_format_is():
    for name, format in formats().items():
        assert f"| `export-{name}` | write {format.description}" in README


def test_every_command_line_in_the_docs_parses():
    lines = [
        line.strip().removeprefix("$ ")
        for page in PAGES
        for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
        for line in block.splitlines()
    ]
    checked = 0
    for line in lines:
        words = line.split("#")[0].split()
        if not words or words[0] != "rsnnctl":
            continue
        n = 2 if isinstance(cli.rsnnctl.commands[words[1]], click.Group) else 1
        name, arguments = " ".join(words[1 : n + 1]), words[n + 1 :]
        command = commands()[name]
        command.make_context(name, arguments)  # raises click's usage errors
        checked += 1
    assert checked >= 9


def test_the_contract_page_names_every_field():
    page = (ROOT / "docs" / "numeric-contract.md").read_text(encoding="utf-8")
    documented = {
        name
        for row in re.findall(r"^\| (`[^|]+`) \|", page, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert documented == {field.name for field in fields(NumericContract)}


def test_every_link_leads_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_training_page_names_every_setting():
    page = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ((?:`\w+` ?)+)\| (.+) \|$", page, re.MULTILINE)
    documented = {
        section: set(re.findall(r"`(\w+)`", settings))
        for sections, settings in rows
        for section in re.findall(r"`(\w+)`", sections)
    }
    known = {section: set(values) for section, values in resolve().as_dict().items()}
    assert documented == known
