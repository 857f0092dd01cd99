"""A folder has one writer at a time, whose end frees it, however it ends."""

import signal
import subprocess
import sys

import pytest

from base.errors import FileError
from base.lock import only_writer

HOLDER = """
import sys, time
from pathlib import Path
from base.lock import only_writer
with only_writer(Path(sys.argv[1]), "rsnnctl train"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_told_which_process_is_the_first(tmp_path):
    words = [sys.executable, "-c", HOLDER, tmp_path]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        text = (
            rf"^{tmp_path}: `rsnnctl train` is writing it \(process {holder.pid}\); wait for it or"
            " stop it$"
        )
        for _ in range(2):
            with pytest.raises(FileError, match=text), only_writer(tmp_path, "rsnnctl prune"):
                pass
        holder.stdin.close()
        assert holder.wait() == 0
    with only_writer(tmp_path, "rsnnctl prune"):
        pass
    assert not list(tmp_path.iterdir())


def test_a_kill_frees_the_folder(tmp_path):
    words = [sys.executable, "-c", HOLDER, tmp_path]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGKILL)
    with (
        only_writer(tmp_path, "rsnnctl prune"),
        pytest.raises(FileError, match="`rsnnctl prune` is writing it"),
        only_writer(tmp_path, "rsnnctl prune again"),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_an_error_frees_the_folder_and_a_folder_may_be_removed_meanwhile(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with pytest.raises(ZeroDivisionError), only_writer(folder, "x"):
        raise ZeroDivisionError
    with only_writer(folder, "x"):
        (folder / ".lock").unlink()
        folder.rmdir()
    assert not folder.exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    with (
        pytest.raises(FileError, match=r"none: cannot be written: no such file or directory$"),
        only_writer(tmp_path / "none", "x"),
    ):
        pass


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path, monkeypatch):
    def unknown(*args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.flock", unknown)
    with only_writer(tmp_path, "x"), only_writer(tmp_path, "y"):
        pass
    assert not list(tmp_path.iterdir())
