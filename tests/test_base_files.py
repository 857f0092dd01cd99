"""Files are whole or absent, named once they are on the disk, and leave nothing behind."""

import errno
import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from contextlib import suppress

import pytest

from base.errors import FileError
from base.files import (
    atomic_path,
    check_regular,
    read_bytes,
    temporary_folder,
    write_bytes,
    write_text,
)

WRITER = """
import sys, time
from pathlib import Path
from base.files import atomic_path
with atomic_path(Path(sys.argv[1])) as temporary:
    temporary.write_text("half")
    print("begun", flush=True)
    time.sleep(60)
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_replaces_another_when_it_is_whole(tmp_path):
    path = tmp_path / "made" / "file"
    write_text(path, "old")
    with suppress(ZeroDivisionError), atomic_path(path) as temporary:
        temporary.write_text("half")
        assert path.read_text() == "old"
        raise ZeroDivisionError
    assert path.read_text() == "old"
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(path.parent) == ["file"]
    mask = os.umask(0o022)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask


def test_content_is_on_the_disk_before_the_name_and_the_name_before_the_command_goes_on(
    tmp_path, monkeypatch
):
    done = []

    def note(name):
        real = getattr(os, name)

        def noted(*args, **options):
            is_folder = name == "fsync" and stat.S_ISDIR(os.fstat(args[0]).st_mode)
            done.append("folder" if is_folder else name)
            return real(*args, **options)

        monkeypatch.setattr(os, name, noted)

    for name in ("fsync", "replace"):
        note(name)
    write_text(tmp_path / "file", "text")
    assert done == ["fsync", "replace", "folder"]


@pytest.mark.parametrize("call", ["fsync", "replace", "fchmod"])
def test_a_full_disk_is_one_line_and_leaves_the_old_file(tmp_path, monkeypatch, call):
    write_text(tmp_path / "file", "old")

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, call, full)
        with pytest.raises(FileError, match=r"file: cannot be written: no space left on device$"):
            write_text(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert names(tmp_path) == ["file"]


def test_what_a_kill_left_is_removed_by_the_next_write_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    for name in (".file.12345678", ".hidden", "x.rsnnctl-tmp"):
        (tmp_path / name).write_text("mine")
    mine = names(tmp_path)
    with subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"begun\n"
        write_text(tmp_path / "other", "1")  # its writer lives
        (left,) = set(names(tmp_path)) - {"other", *mine}
        assert (tmp_path / left).read_text() == "half"
        writer.send_signal(signal.SIGKILL)
    assert left in names(tmp_path)
    write_text(tmp_path / "other", "2")
    assert names(tmp_path) == sorted([*mine, "other"])


def test_a_file_that_has_its_name_is_not_locked(tmp_path, monkeypatch):
    path, tried = tmp_path / "a", []

    def locked(folder):
        with open(path) as stream:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            tried.append(folder)

    monkeypatch.setattr("base.files.sync_folder", locked)
    write_text(path, "whole")
    assert tried == [tmp_path]


@pytest.mark.parametrize("kind", ["pipe", "device", "socket", "folder", "missing", "below a file"])
def test_only_regular_files_are_read(tmp_path, kind):
    path, words = tmp_path / "it", "is no regular file; copy its content to one"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(str(path))
    elif kind == "folder":
        path.mkdir()
        words = "is a folder, not a file"
    elif kind == "missing":
        words = "no such file"
    else:
        path.write_text("")
        path, words = path / "below", "no such file"
    for read in (check_regular, read_bytes):
        with pytest.raises(FileError, match=f"^{path}: {words}$"):
            read(path)


def test_a_file_longer_than_any_of_its_kind_is_refused(tmp_path):
    path = tmp_path / "it"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(FileError, match=r"it: has 5 bytes; at most 4 are read here$"):
        read_bytes(path, 4)


def test_a_temporary_folder_goes_with_what_is_in_it_also_after_a_kill(tmp_path):
    with temporary_folder(tmp_path) as folder:
        (folder / "x").write_text("1")
        write_text(tmp_path / "other", "1")  # which does not take it for abandoned
        assert folder.exists()
    assert names(tmp_path) == ["other"]
    left = tmp_path / f".left{folder.name[-12:]}"
    left.mkdir()
    (left / "x").write_text("1")
    write_text(tmp_path / "other", "2")
    assert names(tmp_path) == ["other"]


def test_a_folder_that_cannot_be_synced_is_an_error_where_the_file_system_could(
    tmp_path, monkeypatch
):
    def failing(number):
        def fsync(handle):
            if stat.S_ISDIR(os.fstat(handle).st_mode):
                raise OSError(number, os.strerror(number))

        return fsync

    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    write_text(tmp_path / "a", "x")
    monkeypatch.setattr(os, "fsync", failing(errno.EIO))
    with pytest.raises(FileError, match="a: cannot be written: input/output error"):
        write_text(tmp_path / "a", "y")
