"""How commands run: missing files are refused at once; interrupts and a full stdout: one line."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from command_line import leaves

import cli
from rsnnctl.options import InputPath
from rsnnctl.results.files import FILES
from rsnnctl.results.kind import Result
from rsnnctl.running import complete
from rsnnctl.runs import folders
from rsnnctl.runs.interrupts import keeping

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ("torch", "numba", "onnx", "rich", "scipy")
WITHOUT_FILES = {
    *("data synth", "data fetch", "demo", "targets", "train"),
    *("first-spike train", "first-spike kfold", "first-spike grid"),
}
"""Commands that need no file of a run: they download or make what they need."""


COMMANDS = leaves(cli.rsnnctl)


def words_of(name: str, absent: click.Parameter | None) -> list[str]:
    """A call of a command with all that it insists on, and one file that does not exist."""
    words = name.split()
    for parameter in COMMANDS[name].params:
        if parameter is absent or parameter.required:
            words += parameter.opts[:1] if isinstance(parameter, click.Option) else []
            choices = getattr(parameter.type, "choices", ["here.x"])
            words.append("absent.x" if parameter is absent else choices[0])
    return words


@pytest.mark.slow
def test_missing_files_are_refused_before_anything_heavy_is_imported(tmp_path):
    """Each file that a command reads, and a run that is not there, all in one process."""
    (tmp_path / "here.x").write_text("")
    calls = []
    for name, command in COMMANDS.items():
        files = [each for each in command.params if isinstance(each.type, InputPath)]
        calls += [(words_of(name, each), "absent.x: no such file") for each in files]
        if name not in WITHOUT_FILES and not any(each.required for each in files):
            calls.append((words_of(name, None), "runs/latest: there is no run yet"))
    assert len(calls) > 30
    code = (
        "import json, sys, cli\n"
        f"calls = json.loads({json.dumps(json.dumps([words for words, _ in calls]))})\n"
        "for words in calls:\n"
        "    sys.argv = ['rsnnctl', *words]\n"
        "    try: cli.main()\n"
        "    except SystemExit as stop: print(stop.code)\n"
        f"print(sorted(set({HEAVY}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment()
    )
    assert done.stdout.splitlines() == ["1"] * len(calls) + ["[]"], done.stderr
    for line, (words, text) in zip(done.stderr.splitlines(), calls, strict=True):
        assert line.startswith(f"Error: {text}"), words


def environment() -> dict[str, str]:
    """That of these tests; Python buffers what it prints, as it does for users."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}


def test_a_folder_is_no_file_to_read(run):
    Path("folder").mkdir()
    assert run("inspect", "folder").err == "Error: folder: is a folder, not a file\n"
    done = run("evaluate", "--session", __file__, "--session", "folder")
    assert done.err == "Error: folder: is a folder, not a file\n"


def test_each_command_that_takes_a_recording_calls_it_session():
    for name, command in COMMANDS.items():
        for parameter in command.params:
            if {"--input", "--calibration"} & set(parameter.opts):
                assert parameter.opts[0] == "--session", name
    found = {n for n, c in COMMANDS.items() if any("--session" in p.opts for p in c.params)}
    assert found == {"evaluate", "explore", "prune", "quantize", "simulate", "train", "verify"}


def test_each_command_that_writes_has_an_output():
    reads_only = {"check", "data info", "status", "stream", "targets"}
    for name, command in COMMANDS.items():
        options = {word for parameter in command.params for word in parameter.opts}
        assert ({"-o", "--output"} <= options) == (name not in reads_only), name


@pytest.mark.parametrize("words", [("targets",), ("targets", "--json"), ("--help",)])
def test_a_full_disk_behind_stdout_is_one_line(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rsnnctl", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=environment(),
        )
    assert done.returncode == 1
    assert done.stderr == "Error: stdout: cannot be written: no space left on device\n"


def test_an_error_is_told_even_if_its_document_cannot_be_written(tmp_path):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "rsnnctl", "inspect", "absent.x", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=environment(),
        )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Error: absent.x: no such file",
        "Error: stdout: cannot be written: no space left on device",
    ]


@pytest.mark.slow
def test_a_reader_that_goes_is_no_error():
    process = subprocess.Popen(
        [sys.executable, "-m", "rsnnctl", "targets"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    process.stdout.close()
    with process:
        assert process.stderr.read() == ""


def test_other_errors_of_the_system_are_not_blamed_on_stdout(run, monkeypatch):
    def fail(*_, **__):
        raise OSError(5, "input/output error")

    monkeypatch.setattr("hw_targets.targets", fail)
    with pytest.raises(OSError, match="input/output"):
        run("targets")


def test_a_file_of_the_installation_that_cannot_be_read_is_one_line(run, monkeypatch):
    def fail(*_, **__):
        raise OSError(5, "Input/output error", "site-packages/torch/METADATA")

    monkeypatch.setattr("hw_targets.targets", fail)
    done = run("targets")
    assert done.code == 1
    assert done.err == (
        "Error: site-packages/torch/METADATA: cannot be used: input/output error; is the disk in"
        " order?\n"
    )


def test_a_command_returns_a_result():
    command = complete(click.Command("new", callback=lambda: None))
    with pytest.raises(AssertionError, match="new returns no result"):
        command.main([], standalone_mode=False)
    command = complete(click.Command("new", callback=lambda: Result(FILES, {"files": []})))
    assert command.main([], standalone_mode=False).kind == FILES


def interrupted(told: str):
    with keeping(lambda: told):
        raise KeyboardInterrupt


def test_an_interrupt_says_what_is_kept(run, network, monkeypatch):
    monkeypatch.setattr("sim.verify.reference.run", lambda *_: interrupted("x is kept"))
    done = run("verify", network)
    assert (done.code, done.err.strip()) == (130, "Interrupted; x is kept.")
    monkeypatch.setattr("sim.verify.reference.run", lambda *_: interrupted(""))
    done = run("verify", network, "--json")
    assert (done.code, done.err.strip()) == (130, "Interrupted; nothing was kept.")
    assert json.loads(done.out) == {
        "schema": "error/1",
        "error": "Interrupted",
        "message": "Interrupted; nothing was kept.",
        "exit_code": 130,
    }


WAITING = """
import signal, sys, time
import click
from rsnnctl import running
from rsnnctl.runs.interrupts import keeping

@click.group()
def root():
    pass

@root.command()
def wait():
    with keeping(lambda: "x is kept"):
        print("begun", flush=True)
        for _ in range(6000):  # a signal just before one sleep ends none but the next
            time.sleep(0.01)

if sys.argv.pop() == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
running.run(root)
"""


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_command_as_ctrl_c_does(number, code):
    words = [sys.executable, "-c", WAITING, "wait", ""]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    before = signal.signal(number, signal.SIG_DFL)  # tests in the background ignore Ctrl-C
    try:
        process = subprocess.Popen(words, **pipes)
    finally:
        signal.signal(number, before)
    with process:
        assert process.stdout.readline() == "begun\n"
        process.send_signal(number)
        assert process.wait(60) == code
        assert process.stderr.read().strip() == "Interrupted; x is kept."


def test_a_hangup_that_is_ignored_stays_ignored():
    words = [sys.executable, "-c", WAITING, "wait", "nohup"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143


SMALL = ("--set", "training.batch=64", "--set", "training.window_steps=100")


@pytest.fixture
def stop_after_an_epoch(monkeypatch):
    """The second epoch of any training is interrupted."""
    from rsnnctl.runs import stages

    save = stages.save_state

    def spied(state, path, provenance):
        save(state, path, provenance)
        raise KeyboardInterrupt

    monkeypatch.setattr(stages, "save_state", spied)


@pytest.mark.slow
def test_an_interrupted_training_names_the_command_that_continues_it(
    run, session, stop_after_an_epoch
):
    done = run("train", session, "--recipe", "short", "--epochs", 2, *SMALL)
    assert done.code == 130
    assert done.err.strip() == (
        "Interrupted; the epochs done are kept in runs/train; `rsnnctl train --resume` continues."
    )
    words = ("--session", session, "--recipe", "short", "--epochs", 2, *SMALL)
    done = run("train", *words, "-o", "a/b")
    assert done.err.strip() == (
        "Interrupted; the epochs done are kept in a/b; `rsnnctl train --resume -o a/b` continues."
    )


@pytest.mark.slow
def test_an_interrupt_before_the_first_epoch_keeps_no_run(run, session, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("rsnnctl.runs.training.train", interrupt)
    done = run("train", session, "--recipe", "short", "--epochs", 2)
    assert done.err.strip() == "Interrupted; nothing was kept."
    assert not Path("runs").exists()
    Path("mine").mkdir()
    run("train", session, "--recipe", "short", "--epochs", 2, "-o", "mine/run")
    assert list(Path("mine").iterdir()) == []  # the folder above is the user's


@pytest.mark.slow
def test_prune_and_quantize_say_that_resume_continues_them(
    run, session, model, stop_after_an_epoch
):
    (folder,) = folders.start([folders.Planned("x", {"session": str(session)})])
    (folder / folders.MODEL).write_bytes(model.read_bytes())
    folders.finish(folder)
    for words in (
        ("prune", "--fraction", 0.4, "--epochs", 2),
        ("prune", "--epochs", 2),
        ("quantize", "--qat-epochs", 2),
    ):
        assert run(*words).err.strip() == (
            "Interrupted; the epochs done are kept in runs/x; the same command with --resume"
            " continues."
        )


@pytest.mark.slow
def test_a_run_can_be_made_anywhere_and_is_the_latest(run, session):
    words = ("train", session, "--recipe", "short", "--epochs", 1, *SMALL)
    assert run(*words, "-o", "a/b").code == 0
    assert folders.latest() == Path("a/b")
    assert Path("runs/latest").resolve() == Path("a/b").resolve()
    assert json.loads(run("inspect", "a/b/model.rsnn.h5", "--json").out)["file"] == (
        "a/b/model.rsnn.h5"
    )
    assert run(*words, "-o", "a/b").err == (
        "Error: a/b: exists already; name a new folder for the run\n"
    )
    done = run(*words, "-o", "c", "--name", "d")
    assert done.code == 2
    assert "--name is that of a folder in runs; leave it out with --output" in done.err
