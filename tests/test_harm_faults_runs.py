"""Faults of run folders under kills, signals, power cuts and two processes, one test for each.

Each mend removes a mark.
"""

import hashlib
import os
import signal
import time

import pytest
from harm.judge import tree
from harm.power import cuts, not_durable
from harm.races import PRUNE, QAT, meet
from harm.shim import Strike

pytestmark = pytest.mark.slow


def begun(harm, words, strike, before="empty"):
    """The folder of a command that was killed."""
    root = harm.folders.copy(before)
    done = harm.run(words, root, strike=strike)
    assert done.code < 0, done.err
    return root


def test_ctrl_c_in_a_second_process_leaves_the_run_that_the_first_has_finished(harm):
    at = harm.at("train", "symlink", "*") - 3
    met = meet(harm.warm, harm.folders, "train | train --resume", at, interrupt=True)
    assert met.first == "exit 0"
    assert not met.lost


@pytest.mark.parametrize(
    "pair",
    ["train | train --resume", "train --resume | train --resume", "prune | prune", "QAT | prune"],
)
def test_the_second_process_on_a_run_is_refused_by_the_name_of_the_first(harm, pair):
    met = meet(harm.warm, harm.folders, pair, 40)
    assert met.first == "exit 0"
    assert met.second.startswith("exit 1")
    assert "process" in met.second


@pytest.fixture(scope="module")
def made(harm):
    """A run killed when its model was written and it was neither the latest nor finished."""
    at = harm.at("train", "symlink", "*")
    return lambda: begun(harm, "train s.mat --epochs 2", Strike(at, "before"))


def test_ctrl_c_in_the_resume_of_a_run_that_only_lacks_its_end_keeps_the_model(harm, made):
    root = made()
    harm.run("train --resume", root, strike=Strike(1, "before", signal.SIGINT))
    assert (root / "runs/train/model.rsnn.h5").exists()


def test_a_run_that_only_lacks_its_end_is_finished_and_not_trained_again(harm, made):
    root = made()
    done = harm.run("train --resume", root, log=True)
    assert done.code == 0
    assert not [c for c in done.changes if c.other.endswith("training.state.h5")]


def test_a_run_is_finished_before_its_stages_are_cleared(harm):
    at = harm.at("train", "unlink", "stages/training.jsonl")
    root = begun(harm, "train s.mat --epochs 2", Strike(at, "before"))
    assert harm.run("quantize", root).code == 0


def test_workers_die_with_their_parent(harm):
    root = harm.folders.copy("empty")
    words = "train s.mat --epochs 500 --seeds 1..2 --jobs 2"
    child = harm.warm.start(words.split(), root)
    end = time.monotonic() + 120
    while not list(root.glob("runs/*/stages/*.h5")) and time.monotonic() < end:
        time.sleep(0.1)
    os.kill(child.pid, signal.SIGKILL)
    harm.warm.wait(child)
    time.sleep(0.5)
    before = tree(root)
    time.sleep(2)
    after = tree(root)
    child.kill()
    assert list(root.glob("runs/*/stages"))
    assert after == before


@pytest.mark.parametrize("name", ["prune", "prune, search"])
def test_a_power_cut_after_prune_keeps_the_unpruned_model(harm, name):
    assert not list(cuts(harm.plain(name)))


@pytest.mark.parametrize("name", ["train", "prune", "quantize", "export-c", "import-nir", "synth"])
def test_what_a_command_has_written_survives_a_power_cut(harm, name):
    assert not not_durable(harm.plain(name))


@pytest.mark.parametrize("option", ["", " --resume"])
@pytest.mark.parametrize("when", ["before", "half"])
def test_prune_goes_on_after_a_kill_inside_the_copy_of_the_unpruned_model(harm, when, option):
    at = harm.at("prune", "write", ".unpruned.rsnn.h5.*")
    root = begun(harm, PRUNE, Strike(at, when), "trained")
    done = harm.run(PRUNE + option, root)
    assert done.code == 0, done.err


def test_a_model_killed_before_it_is_the_latest_is_found_by_what_the_next_command_names(harm, made):
    root = made()
    done = harm.run("quantize", root)
    assert done.is_one_line
    assert "runs/train: " in done.err
    assert "`rsnnctl train --resume`" in done.err
    assert harm.run("train --resume", root).code == 0
    assert harm.run("quantize", root).code == 0


def test_a_model_killed_between_latest_and_finished_is_found(harm):
    at = harm.at("train", "rename", "runs/latest")
    root = begun(harm, "train s.mat --epochs 2", Strike(at, "after"))
    assert harm.run("quantize", root).code == 0


def test_latest_is_never_silently_an_older_run(harm):
    at = harm.at("train again", "symlink", "*")
    root = begun(harm, "train s.mat --epochs 1", Strike(at, "before"), "quantized")
    done = harm.run("quantize", root)
    assert done.is_one_line
    assert done.err.startswith("Error: runs/train-2: was stopped when it had its model")
    assert "`rsnnctl train --resume` finishes it" in done.err
    assert harm.run("train --resume", root).code == 0
    assert harm.run("quantize", root).code == 0
    assert (root / "runs/train-2/model.int.h5").exists()


def test_a_stale_link_of_another_process_does_not_end_a_training(harm):
    root = harm.folders.copy("empty")
    last = harm.warm.start(["targets"], root)
    harm.warm.wait(last)
    (root / "runs").mkdir()
    for pid in range(last.pid, last.pid + 4000):
        (root / f"runs/.latest.{pid}").symlink_to("x")
    done = harm.run("train s.mat --epochs 1", root)
    assert done.code == 0, done.err


@pytest.mark.parametrize("words", ["train --resume", "quantize"])
def test_a_run_killed_before_its_settings_are_written_has_a_way_out(harm, words):
    at = harm.at("train", "rename", "config.toml")
    root = begun(harm, "train s.mat --epochs 2", Strike(at, "before"))
    done = harm.run(words, root)
    assert done.code == 1
    assert "config.toml: no such file" not in done.err
    assert "`rsnnctl train --resume` continues" not in done.err


def test_a_run_without_settings_blocks_no_other(harm):
    root = harm.folders.copy("interrupted")
    at = harm.at("train", "rename", "config.toml")
    harm.run("train s.mat --epochs 2 --name a-broken", root, strike=Strike(at, "before"))
    harm.run("train --resume", root)
    assert (root / "runs/train/model.rsnn.h5").exists()


@pytest.mark.parametrize(("seed", "when"), [(1, "before"), (1, "after"), (2, "before")])
def test_seeds_that_had_no_names_yet_are_trained_on_resume(harm, seed, when):
    at = harm.at("train, seeds", "rename", f"runs/train-seed{seed}")
    root = begun(harm, "train s.mat --epochs 1 --seeds 1..2", Strike(at, when))
    assert harm.run("train --resume", root).code == 0
    runs = {path.name for path in (root / "runs").iterdir()}
    assert runs == {"latest", "train-seed1", "train-seed2"}
    assert all((root / "runs" / name / "model.rsnn.h5").exists() for name in runs)


TEMPORARIES = (
    "quantize",
    "export-nir",
    "export-c",
    "simulate",
    "synth",
    "explore",
    "import-nir",
    "QAT",
)


@pytest.mark.parametrize("name", TEMPORARIES)
def test_the_next_write_removes_what_a_kill_has_left(harm, name):
    row = harm.strike(name, Strike(harm.at(name, "rename", "*"), "before"))
    assert row["temporaries"]
    assert not row["leftovers"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
@pytest.mark.parametrize("name", ["train", "prune", "QAT", "simulate"])
def test_every_signal_that_ends_a_command_cleans_up(harm, name, number, code):
    row = harm.strike(name, Strike(harm.at(name, "rename", "*"), "before", number))
    assert row["code"] == code
    assert not row["temporaries"]


@pytest.mark.parametrize("name", ["synth", "quantize"])
def test_ctrl_c_while_hdf5_closes_its_file_is_obeyed_in_one_line(harm, name):
    writes = [n for n, c in enumerate(harm.plain(name).changes, 1) if c.what == "write"]
    row = harm.strike(name, Strike(writes[len(writes) // 2], "before", signal.SIGINT))
    assert row["code"] == 130
    assert not row["tracebacks"]


@pytest.mark.parametrize("name", ["train", "prune", "QAT", "simulate"])
def test_ctrl_c_cleans_up_and_exits_with_130(harm, name):
    row = harm.strike(name, Strike(harm.at(name, "rename", "*"), "before", signal.SIGINT))
    assert row["code"] == 130
    assert not row["temporaries"]


def test_a_run_that_never_began_takes_no_name(harm):
    at = harm.at("train", "mkdir", "runs/train")
    row = harm.strike("train", Strike(at, "after"))
    assert not row["orphans"]


def test_prune_keeps_the_state_of_an_interrupted_qat_or_says_so(harm):
    at = harm.at("QAT", "rename", "qat-8.jsonl")
    root = begun(harm, QAT, Strike(at, "after"), "quantized")
    assert (root / "runs/train/stages/qat-8.state.h5").exists()
    done = harm.run(PRUNE, root)
    assert (root / "runs/train/stages/qat-8.state.h5").exists() or "qat" in done.err.lower()


def test_qat_leaves_no_stages_behind(harm):
    after = harm.plain("QAT").after
    assert not [name for name in after if "/stages/" in name]
    assert after["runs/train/model.qat.jsonl"].count(b'{"stage": "qat-8"') == 2


def test_the_log_of_qat_lists_every_epoch_after_a_kill_between_state_and_log(harm):
    at = harm.at("QAT", "rename", "qat-8.state.h5", -1)
    row = harm.strike("QAT", Strike(at, "after"))
    assert row["code"] < 0
    assert not row["differs"]


@pytest.mark.parametrize("name", ["train", "train, pretrained", "prune", "quantize", "explore"])
def test_a_killed_command_continues_to_the_same_files(harm, name):
    """At its middle, where most of them have kept something."""
    at = len(harm.plain(name).changes) // 2
    row = harm.strike(name, Strike(at, "half"))
    assert row["code"] < 0
    assert not any((row["torn"], row["lost"], row["differs"], row["says_no"]))


def test_resume_after_an_edit_of_the_settings_says_so(harm, made):
    root = made()
    path = root / "runs/train/config.toml"
    text = path.read_text()
    run = tree(root)["runs/train/run.json"]
    assert hashlib.sha256(text.encode()).hexdigest().encode() in run
    path.write_text(text + "\n")
    done = harm.run("train --resume", root)
    assert done.code == 0
    assert done.err.splitlines() == [
        "Warning: runs/train/config.toml: was edited since the run was started; it is used as it is"
        " now"
    ]
