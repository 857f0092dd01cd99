"""What is harmed: every command is listed, and those that only read change no file."""

import pytest
from command_line import leaves
from harm.commands import LEFT_OUT, READING, WRITING
from harm.judge import versions
from harm.shim import KINDS, Strike

import cli


def test_every_command_writes_or_reads_or_is_left_out_for_a_reason():
    writing = {case.command for case in WRITING.values()}
    assert set(leaves(cli.rsnnctl)) == writing | set(READING) | set(LEFT_OUT)
    assert not (writing & set(READING)) - {"verify", "inspect", "evaluate"}


@pytest.mark.slow
@pytest.mark.parametrize("words", READING.values(), ids=READING)
def test_a_command_that_reads_changes_no_file(harm, words):
    done = harm.run(words, harm.folders.copy("quantized"), log=True, deadline=120)
    assert not done.changes
    assert not done.has_traceback


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, case in WRITING.items() if not case.is_long])
def test_a_command_that_writes_is_seen_in_full(harm, name):
    """The changes in the log, done again, give the files that are there in the end."""
    plain = harm.plain(name)
    assert {change.kind for change in plain.changes} <= set(KINDS)
    new = {path for path, data in plain.after.items() if plain.before.get(path) != data}
    assert new
    seen = versions(plain.before, plain.changes, plain.root)
    for path in new:
        assert plain.after[path] in seen[path], path


@pytest.mark.slow
def test_the_shim_kills_before_in_and_after_a_write(harm):
    at = harm.at("export-c", "write", "*")
    size = len(harm.plain("export-c").changes[at - 1].data)
    for when, expected in (("before", 0), ("half", size // 2), ("after", size)):
        root = harm.folders.copy("quantized")
        done = harm.run("export-c", root, strike=Strike(at, when))
        assert done.code == -9
        (left,) = (path for path in root.glob("runs/train/c/.*/*") if path.is_file())
        assert left.stat().st_size == expected
