"""Every command that writes: what it overwrites, what it refuses, `-o -`."""

import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
import snntorch_networks
from command_line import leaves
from rate_networks import random_rate_network

import cli
from rsnn.rate.file import save
from rsnnctl import api
from rsnnctl.runs import folders

LEAVES = {tuple(name.split()): command for name, command in leaves(cli.rsnnctl).items()}


def has(command: click.Command, option: str) -> bool:
    return any(option in parameter.opts for parameter in command.params)


WRITING = {words: command for words, command in LEAVES.items() if has(command, "-o")}
FOLDERS = {
    *(("build",), ("export-c",), ("export-onnx",), ("data", "fetch"), ("inspect",), ("train",)),
    *(("export-verilog",), ("verify",), ("demo",), ("evaluate",), ("explore",), ("map-rate",)),
    *(("first-spike", "train"), ("first-spike", "kfold"), ("first-spike", "grid")),
}
NEW = {("demo",), ("train",), ("first-spike", "train")}
MINE = b"not to be lost"


@pytest.fixture
def words(run, model, network, session, shared) -> dict[tuple[str, ...], tuple]:
    """A call of every command that writes one file, without `-o`, in a folder with one run."""
    (folder,) = folders.start([folders.Planned("x", {"session": str(session)})])
    (folder / folders.MODEL).write_bytes(model.read_bytes())
    folders.finish(folder)
    snntorch_networks.saved(Path())
    api.export_nir(api.load_network(network), "graph.nir")
    save(random_rate_network(), Path("rate.rsnn.h5"), {})
    np.save("raster.npy", np.zeros((9, 96), np.uint8))
    return {
        ("data", "synth"): ("--minutes", 0.5),
        ("export-mat",): ("rate.rsnn.h5",),
        ("export-nir",): (network,),
        ("import-nir",): ("graph.nir",),
        ("import-snntorch",): snntorch_networks.COMMAND[1:],
        ("import-weights",): (shared / "published" / "indy01-tinyRSNN-1.pth",),
        ("prune",): ("--fraction", 0.1, "--set", "retraining.epochs=1"),
        ("quantize",): (model,),
        ("simulate",): (network, "--input", "raster.npy"),
    }


def test_every_command_that_writes_can_be_forced_and_none_else():
    others = {("explore",), ("inspect",), ("verify",)}
    for words, command in LEAVES.items():
        is_new = words in NEW  # what they write lies in a folder they make
        may_force = (words in WRITING and not is_new) or words in others
        assert has(command, "--force") is may_force, words


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted(set(WRITING) - FOLDERS))
def test_a_file_of_the_user_is_refused_unchanged(run, words, command):
    target = Path("mine.h5")
    target.write_bytes(MINE)
    done = run(*command, *words[command], "-o", target)
    name = " ".join(command)
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith(
        f"Error: mine.h5: exists, and {name} did not write it; name another place, or overwrite"
        " it with --force\n"
    )
    assert target.read_bytes() == MINE
    done = run(*command, *words[command], "-o", target, "--force")
    assert done.code == 0, done
    assert "mine.h5: overwritten (--force)\n" in done.err
    assert target.read_bytes() != MINE
    done = run(*command, *words[command], "-o", target)  # its own file needs no asking
    assert done.code == 0, done
    assert "overwritten" not in done.err


@pytest.mark.parametrize("command", sorted(FOLDERS))
def test_a_folder_cannot_go_to_stdout(run, command):
    done = run(*command, "x", *(["--target", "host_c"] if command == ("build",) else []), "-o", "-")
    assert done.code == 2
    assert "- is stdout, which takes one file; name a folder" in done.err
    assert not list(Path().iterdir())


@pytest.mark.parametrize("words", [("verify", "--export-kit", "-"), ("inspect", "--witness", "-")])
def test_other_folders_cannot_go_to_stdout_either(run, words):
    assert "- is stdout, which takes one file; name a folder" in run(*words).err


@pytest.mark.slow
@pytest.mark.parametrize("command", sorted(set(WRITING) - FOLDERS))
def test_one_file_can_go_to_stdout(words, command):
    """The bytes are those of the file, nothing else is on stdout, and no file is called `-`."""
    call = [sys.executable, cli.__file__, *command, *map(str, words[command])]
    assert (
        subprocess.run([*call, "-o", "made.h5"], capture_output=True, check=False).returncode == 0
    )
    done = subprocess.run([*call, "-o", "-"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == Path("made.h5").read_bytes()
    assert done.stderr.decode().count("\n") > 0
    said = [line for line in done.stderr.decode().splitlines() if "lies in no run" not in line]
    assert "/tmp" not in "".join(said)
    assert not Path("-").exists()
    with open("/dev/full", "wb") as full:
        done = subprocess.run([*call, "-o", "-"], stdout=full, stderr=subprocess.PIPE, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        b"Error: stdout: cannot be written: no space left on device"
    )


@pytest.mark.slow
def test_a_second_build_keeps_what_the_user_changed_and_renews_the_rest(run, network):
    build = ("build", network, "--target", "host_c", "-o", "f")
    assert run(*build).code == 0
    makefile = Path("f/Makefile")
    makefile.write_text("BOARD_FLAGS = -DMINE\ninclude rsnn.mk\n")
    done = run(*build, "--layout", "compact")
    assert done.code == 0, done
    assert done.err.startswith("f/Makefile: kept, because it was changed; --force overwrites it\n")
    assert "f/Makefile" not in done.out.splitlines()
    assert "f/rsnn.c" in done.out.splitlines()
    assert "-DMINE" in makefile.read_text()
    done = run(*build, "--force")
    assert done.err.startswith("f/Makefile: overwritten (--force)\n")
    assert "-DMINE" not in makefile.read_text()
    Path("f/rsnn.c").write_text("mine")
    makefile.write_text("mine")
    done = run(*build)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("Error: f/rsnn.c: exists, and was changed since build wrote it; ")
    assert Path("f/rsnn.c").read_text() == makefile.read_text() == "mine"


def test_the_python_api_keeps_what_the_user_changed(network, tmp_path):
    loaded = api.load_network(network)
    files = api.build(loaded, "host_c", tmp_path / "f")
    (tmp_path / "f" / "Makefile").write_text("mine")
    assert api.build(loaded, "host_c", tmp_path / "f") == files
    assert (tmp_path / "f" / "Makefile").read_text() == "mine"
    api.build(loaded, "host_c", tmp_path / "f", force=True)
    assert (tmp_path / "f" / "Makefile").read_text() != "mine"


@pytest.mark.slow
def test_a_kit_and_witnesses_leave_the_users_files_alone(run, monkeypatch):
    folder = Path("kit")
    folder.mkdir()
    (folder / "README.md").write_bytes(MINE)
    done = run("verify", "--export-kit", folder)
    assert done.code == 1
    assert "kit/README.md: exists, and verify did not write it; name another" in done.err
    assert [path.name for path in folder.iterdir()] == ["README.md"]
    assert run("verify", "--export-kit", folder, "--force").code == 0
    assert run("verify", "--export-kit", folder).code == 0


def test_an_imported_graph_leaves_the_network_it_came_from_as_it_is(run, network):
    Path("a.int.h5").write_bytes(network.read_bytes())
    run("export-nir", "a.int.h5")
    done = run("import-nir", "a.nir")
    assert (done.code, done.err) == (0, "")
    assert Path("a.int.h5").read_bytes() == network.read_bytes()


@pytest.mark.slow
def test_pruning_never_loses_the_unpruned_model(run, words, model):
    prune = ("prune", *words["prune",])
    assert run(*prune).code == 0
    folder = folders.latest()
    unpruned = folder / "unpruned.rsnn.h5"
    assert unpruned.read_bytes() == model.read_bytes()
    done = run("prune", folder / folders.MODEL, *words["prune",])
    assert done.code == 1
    assert done.err == (
        f"Error: {unpruned}: holds the model before an earlier pruning; prune that one, or write"
        " to another file with -o\n"
    )
    assert unpruned.read_bytes() == model.read_bytes()
    assert run(*prune).code == 0
    (folder / folders.MODEL).write_bytes(unpruned.read_bytes())  # as when it is stopped halfway
    assert run(*prune).code == 0
    (folder / folders.MODEL).write_bytes(MINE)
    done = run(*prune)
    assert "model.rsnn.h5: exists, and was changed since prune wrote it; name" in done.err


def test_a_download_leaves_another_file_of_its_name_alone(run):
    Path("data").mkdir()
    target = Path("data/indy_20160622_01.mat")
    target.write_bytes(MINE)
    fetch = ("data", "fetch", target.stem, "--mirror", "http://127.0.0.1:9")
    done = run(*fetch)
    assert done.err == (
        f"Error: {target}: exists, and is not the published session; name another folder, or"
        " overwrite it with --force\n"
    )
    assert "no connection" in run(*fetch, "--force").err
    assert target.read_bytes() == MINE
