"""Files are overwritten without asking only by the command that wrote them, and unchanged."""

import json
import multiprocessing
import os
from pathlib import Path

import pytest

from base.container import create_container
from base.errors import FileError
from base.files import write_text
from base.ownership import MANIFEST, check_replaceable, is_own, overwriting, record, write_into


def write(path: Path, text: str = "old") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def container(path: Path, command: str) -> Path:
    with create_container(path, format="x", digest="", provenance={"command": command}) as file:
        file["words"] = [1, 2]
    return path


def test_a_file_is_own_until_it_is_changed_or_another_command_writes_it(tmp_path):
    path = write(tmp_path / "a.txt")
    assert not is_own(path, "export-c")
    record([path], "export-c")
    assert is_own(path, "export-c")
    assert not is_own(path, "simulate")
    path.write_text("mine")
    assert not is_own(path, "export-c")


def test_every_file_of_a_folder_is_listed_until_it_is_gone(tmp_path):
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    record([first], "one")
    record([second], "two")
    assert is_own(first, "one")
    assert is_own(second, "two")
    first.unlink()
    record([second], "two")
    assert list(json.loads((tmp_path / MANIFEST).read_text())["files"]) == ["b"]


def test_a_container_says_itself_who_made_it_where_no_list_does(tmp_path):
    path = container(tmp_path / "a.h5", "quantize")
    assert is_own(path, "quantize")
    assert not is_own(path, "prune")
    record([path], "import-nir")
    assert not is_own(path, "quantize")
    other = container(tmp_path / "b.h5", "quantize")
    data = bytearray(other.read_bytes())
    data[-1] ^= 1
    other.write_bytes(data)
    assert not is_own(other, "quantize")


@pytest.mark.parametrize("text", ["", "[]", '{"files": []}', '{"files": {"a": 3}}', "\xff"])
def test_a_list_that_cannot_be_read_makes_no_file_own(tmp_path, text):
    path = write(tmp_path / "a")
    (tmp_path / MANIFEST).write_text(text, encoding="latin-1")
    assert not is_own(path, "one")
    with pytest.raises(FileError, match="one did not write it"):
        check_replaceable([path], "one")
    record([path], "one")
    assert is_own(path, "one")


def test_a_foreign_file_is_refused_with_the_way_out(tmp_path):
    path = write(tmp_path / "a")
    ending = "; name another place, or overwrite it with `force`"
    with pytest.raises(FileError) as refused:
        check_replaceable([path], "simulate")
    assert str(refused.value) == f"{path}: exists, and simulate did not write it{ending}"
    record([path], "simulate")
    assert check_replaceable([path, tmp_path / "new"], "simulate") == []
    path.write_text("mine")
    with pytest.raises(FileError) as refused:
        check_replaceable([path], "simulate")
    assert str(refused.value) == f"{path}: exists, and was changed since simulate wrote it{ending}"
    assert check_replaceable([path], "simulate", force=True) == [path]


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path):
    file = write(tmp_path / "file")
    (tmp_path / "folder").mkdir()
    for path, text in (
        (tmp_path / "folder", r"folder: cannot be written: is a directory"),
        (file / "a" / "b", rf"b: cannot be written: {file} is not a folder"),
    ):
        with pytest.raises(FileError, match=text):
            check_replaceable([path], "x", force=True)
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    if locked.stat().st_uid != 0:  # root may write anywhere
        with pytest.raises(FileError, match="permission denied in"):
            check_replaceable([locked / "new" / "a"], "x")


def test_of_a_block_that_fails_only_the_files_that_it_wrote_are_noted(tmp_path):
    path, theirs = tmp_path / "a", write(tmp_path / "theirs")

    def fill():
        write_text(path, "new")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), overwriting([path, theirs], "one", force=True):
        fill()
    assert is_own(path, "one")
    assert not is_own(theirs, "one")


def test_what_a_block_has_written_is_noted_before_it_is_there(tmp_path, monkeypatch):
    path, other = write(tmp_path / "a"), tmp_path / "other"
    with overwriting([path, tmp_path / "not written"], "one", force=True) as replaced:
        write_text(path, "new")
        write_text(other, "not in the list")
    assert replaced == [path]
    assert is_own(path, "one")
    assert not is_own(other, "one")
    write_text(path, "not in a block")
    assert not is_own(path, "one")
    with overwriting([path], "one", force=True):
        write_text(path, "new")

    class Killed(BaseException):
        pass

    replace = os.replace

    def killed(source, target):
        if Path(target) == path:
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr("base.files.os.replace", killed)
        with pytest.raises(Killed), overwriting([path], "one"):
            write_text(path, "newer")
    assert path.read_text() == "new"
    assert is_own(path, "one")
    with overwriting([path], "one"):
        write_text(path, "newer")
    assert is_own(path, "one")
    entry = json.loads((tmp_path / MANIFEST).read_text())["files"]["a"]
    with overwriting([path], "one"):
        write_text(path, "newer")
    again = json.loads((tmp_path / MANIFEST).read_text())["files"]["a"]
    assert again == {key: value for key, value in entry.items() if key != "before"}


def maker(**texts: str):
    """A function that writes files of these names and texts into a folder."""
    return lambda folder: [write(folder / name, text) for name, text in texts.items()]


def test_a_folder_is_written_again_until_the_user_changes_a_file(tmp_path):
    folder = tmp_path / "new" / "folder"
    assert write_into(folder, maker(a="1", b="1"), "build").files == [folder / "a", folder / "b"]
    write_into(folder, maker(a="2", b="2"), "build")
    assert (folder / "a").read_text() == "2"
    (folder / "b").write_text("mine")
    with pytest.raises(FileError, match="b: exists, and was changed since build wrote it"):
        write_into(folder, maker(a="3", b="3"), "build")
    assert [(folder / name).read_text() for name in "ab"] == ["2", "mine"]  # none, or all
    assert {path.name for path in folder.iterdir()} == {"a", "b", MANIFEST}
    done = write_into(folder, maker(a="3", b="3"), "build", force=True)
    assert (done.kept, done.replaced) == ([], [folder / "b"])
    assert (folder / "b").read_text() == "3"
    assert is_own(folder / "b", "build")


def test_files_to_be_edited_are_kept_when_they_were_and_renewed_when_not(tmp_path):
    def build(text: str, *, force: bool = False):
        made = maker(a=text, b=text)
        return write_into(tmp_path, made, "build", force=force, editable=("b",))

    build("1")
    assert build("2").kept == []
    assert (tmp_path / "b").read_text() == "2"
    (tmp_path / "b").write_text("mine")
    done = build("3")
    assert (done.files, done.kept) == ([tmp_path / "a", tmp_path / "b"], [tmp_path / "b"])
    assert [(tmp_path / name).read_text() for name in "ab"] == ["3", "mine"]
    assert build("4").kept == [tmp_path / "b"]  # still the user's
    assert build("4", force=True).replaced == [tmp_path / "b"]
    assert (tmp_path / "b").read_text() == "4"


def test_the_same_bytes_overwrite_nothing(tmp_path):
    path = write(tmp_path / "a", "same")
    done = write_into(tmp_path, maker(a="same"), "import-nir")
    assert (done.files, done.replaced) == ([path], [])
    assert is_own(path, "import-nir")


def test_a_folder_that_could_not_be_filled_is_not_left(tmp_path):
    def fail(folder: Path) -> list[Path]:
        write(folder / "a")
        raise FileError("no")

    with pytest.raises(FileError, match="no"):
        write_into(tmp_path / "new", fail, "build")
    assert not list(tmp_path.iterdir())


def test_a_sealed_file_that_was_not_noted_before_a_kill_is_the_commands_own(tmp_path):
    path = tmp_path / "x.h5"
    record([write(path)], "quantize")
    container(path, "quantize")
    assert is_own(path, "quantize")
    assert not is_own(path, "prune")
    record([path], "prune")
    assert not is_own(path, "quantize")


@pytest.mark.parametrize("n_replaced", [0, 1])
def test_files_of_a_folder_are_known_whenever_a_kill_comes(tmp_path, monkeypatch, n_replaced):
    def writer(text):
        return lambda folder: [write(folder / name, text) for name in ("a", "b")]

    class Killed(BaseException):
        pass

    replace, calls = os.replace, []

    def killed(source, target):
        if Path(target).name in ("a", "b"):
            calls.append(target)
            if len(calls) > n_replaced:
                raise Killed
        replace(source, target)

    def kill(text, *, force=False):
        calls.clear()
        with monkeypatch.context() as patched:
            patched.setattr("base.ownership.os.replace", killed)
            with pytest.raises(Killed):
                write_into(tmp_path, writer(text), "build", force=force)

    write_into(tmp_path, writer("old"), "build")
    kill("new")
    assert [is_own(tmp_path / name, "build") for name in ("a", "b")] == [True, True]
    assert not is_own(tmp_path / "a", "export-c")
    write_into(tmp_path, writer("newer"), "build")
    (tmp_path / "b").write_text("mine")
    kill("newest", force=True)
    assert is_own(tmp_path / "a", "build")
    assert not is_own(tmp_path / "b", "build")
    with pytest.raises(FileError, match="b: exists, and was changed since build wrote it"):
        write_into(tmp_path, writer("last"), "build")


def test_lists_that_two_processes_write_at_a_time_lose_nothing(tmp_path):
    def note(number):
        for each in range(10):
            record([write(tmp_path / f"{number}-{each}")], "x")

    workers = [multiprocessing.get_context("fork").Process(target=note, args=(n,)) for n in (1, 2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    files = [path for path in tmp_path.iterdir() if path.name != MANIFEST]
    assert len(files) == 20
    assert all(is_own(path, "x") for path in files)
