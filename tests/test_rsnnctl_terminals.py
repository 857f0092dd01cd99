"""What goes out to terminals: nothing of a file is interpreted, no closed stream is a traceback."""

import io
import json
import logging
import os
import subprocess
import sys
import warnings
from pathlib import Path

import click
import h5py
import numpy as np
import pytest
from command_line import leaves

import cli
from base.errors import RsnnWarning
from rsnnctl import show
from rsnnctl.results.kind import Column, Kind, Result, Rows
from rsnnctl.results.output import FORMATS, add_formats, print_result
from rsnnctl.results.tables import Table
from rsnnctl.results.terminal import print_tables

ROOT = Path(__file__).resolve().parents[1]
EVIL = "x\x1b[2J\x1b]0;owned\x07\n\x9b\u202e[/x]"
ESCAPED = r"x\x1b[2J\x1b]0;owned\x07\n\x9b\u202e[/x]"
KIND = Kind(
    "kind",
    "A kind.",
    (Column("file", "text", "A file."), Rows("rows", (), "Rows.", "", is_open=True)),
)
RESULT = Result(KIND, {"file": EVIL, "rows": [{EVIL: EVIL}]}, [f"{EVIL} a line"])


def is_clean(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize("format", FORMATS)
def test_a_result_holds_nothing_that_a_terminal_obeys(format, capsys):
    command = click.Command("c", callback=lambda: print_result(RESULT))
    add_formats(command)
    command.main(["--format", format], standalone_mode=False)
    out = capsys.readouterr().out
    assert is_clean(out)
    if format == "json":
        assert json.loads(out) == {"schema": "kind/1"} | RESULT.value
    elif format != "latex":  # which writes a backslash as a command
        assert out.count(ESCAPED) == 3 + (format == "table")


def test_remarks_warnings_and_logs_are_lines(run, capsys, monkeypatch):
    show.say(f"{EVIL} is stale")
    assert capsys.readouterr().err == f"{ESCAPED} is stale\n"
    told = cli.in_one_line(RsnnWarning(EVIL), RsnnWarning, "f.py", 1)
    assert told == f"Warning: {ESCAPED}\n"
    told = cli.in_one_line(UserWarning(EVIL), UserWarning, "f.py", 1, "code")
    assert is_clean(told)
    assert told.endswith("\n")
    record = logging.LogRecord("x", logging.INFO, "f.py", 1, EVIL, (), None)
    assert is_clean(cli.Escaping(logging.BASIC_FORMAT).format(record))


def test_every_command_formats_warnings_and_logs_so(run, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    run("targets", "--json")
    assert warnings.formatwarning is cli.in_one_line
    assert all(isinstance(h.formatter, cli.Escaping) for h in logging.getLogger().handlers)
    assert logging.getLogger().handlers


def test_progress_shows_names_as_they_are(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("COLUMNS", "200")
    with show.count(5, EVIL):
        pass
    assert ESCAPED in sys.stderr.getvalue()


def test_an_error_names_a_file_in_one_line_and_in_json(run):
    done = run("data", "info", f"{EVIL.replace('/', '')}\udcff", "--json")
    line = rf"{ESCAPED.replace('/', '')}\udcff: no such file"
    assert (done.code, done.err) == (1, f"Error: {line}\n")
    assert json.loads(done.out)["message"] == line


def test_usage_errors_are_escaped_and_keep_their_lines(run):
    done = run("inspect", "a", "b\x1b[2J\x9b\x85", "--json")
    assert done.code == 2
    assert is_clean(done.err)
    assert r"(b\x1b[2J\x9b\x85)" in done.err.splitlines()[-1]
    assert done.err.startswith("Usage: ")
    assert json.loads(done.out)["message"].endswith("(b\x1b[2J\x9b\x85)")
    assert run("build").err.splitlines()[-1].startswith("    ")  # a list of choices


def test_a_raster_with_names_of_control_codes_is_refused_in_one_line(run, network):
    with h5py.File("r.h5", "w") as file:
        file["y\x1b[2J"] = file["x\n"] = np.zeros((3, 96), np.uint8)
    done = run("simulate", network, "--input", "r.h5")
    assert done.err.count("\n") == 1
    assert r"y\x1b[2J" in done.err


def test_a_table_for_ascii_has_ascii_lines_and_room_for_escapes(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    table = Table("tü", ("ä", "value"), (("日", "1"), ("a", "2")), (False, True))
    print_tables([table], stream)
    stream.flush()
    lines = stream.buffer.getvalue().decode("ascii").splitlines()
    assert r"t\xfc" in lines[0]
    assert len({len(line) for line in lines[1:]}) == 1
    assert any(r"\u65e5" in line for line in lines)


def called(words, close=(), **how):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)} | how.pop("env", {})
    return subprocess.run(
        [sys.executable, "-m", "rsnnctl", *words],
        stderr=subprocess.PIPE,
        check=False,
        env=environment,
        preexec_fn=lambda: [os.close(fd) for fd in close],
        **how,
    )


def test_help_is_ascii():
    for name, command in leaves(cli.rsnnctl).items():
        with click.Context(command, info_name=name) as context:
            assert command.get_help(context).isascii(), name
    with click.Context(cli.rsnnctl) as context:
        assert cli.rsnnctl.get_help(context).isascii()


@pytest.mark.slow
def test_letters_that_a_terminal_lacks_are_escaped_in_errors():
    done = called(["inspect", "ünï"], env={"PYTHONIOENCODING": "ascii"})
    assert done.stderr == b"Error: \\xfcn\\xef: no such file\n"
    done = called(["inspect", "--ünï"], env={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2
    assert done.stderr.isascii()


@pytest.mark.slow
def test_letters_that_a_terminal_lacks_are_escaped_in_lines_of_results(tmp_path):
    words = ["data", "synth", "-o", "ünï.mat", "--minutes", "0.5"]
    how = {"cwd": tmp_path, "stdout": subprocess.PIPE}
    done = called(words, env={"PYTHONIOENCODING": "ascii"}, **how)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"\\xfcn\\xef.mat\n")


def test_a_closed_stderr_gets_nothing_and_stdout_stays_clean(tmp_path):
    with open(tmp_path / "out", "wb") as out:
        done = called(["inspect", "absent.x", "--json"], close=[2], stdout=out)
    assert done.returncode == 1
    assert json.loads((tmp_path / "out").read_text())["exit_code"] == 1


def test_a_closed_stdout_is_refused_before_any_work(tmp_path):
    words = ["data", "synth", "-o", "s.mat", "--minutes", "0.5"]
    done = called(words, close=[0, 1], cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == b"Error: stdout is closed; redirect it to a file, or to /dev/null\n"
    assert not list(tmp_path.iterdir())


def test_no_file_takes_the_place_of_a_closed_stream():
    code = (
        "import os, sys\n"
        "from rsnnctl import running\n"
        "running._take_streams()\n"
        "print(os.open('/dev/null', os.O_RDONLY) > 2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: [os.close(fd) for fd in (0, 2)],
    )
    assert done.stdout == b"True\n"
