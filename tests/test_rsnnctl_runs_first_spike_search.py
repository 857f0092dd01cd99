"""`rsnnctl first-spike kfold | grid`: tables that survive kills byte for byte."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from first_spike import random_samples

import cli
from rsnn.first_spike.config import gathered, resolve
from rsnn.first_spike.data.file import save_samples
from rsnn.first_spike.data.parts import load_parts
from rsnn.first_spike.training import start, train
from rsnnctl.runs.first_spike import search

SETTINGS = (
    *("network.n_neurons=6", "network.firing_threshold=4.0", "trainer.epochs=5"),
    *("optimizer.ap=0.05", "optimizer.t_gap=0.2", "trainer.dropout_out=0.1"),
)
GIVEN = tuple(word for each in SETTINGS for word in ("--set", each))
WORDS = ("few.h5", "--preset", "digits-s2stdp", *GIVEN)
PARTS = {"train": np.arange(30), "validation": np.arange(30, 42), "test": np.arange(42, 60)}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_samples(random_samples(60), tmp_path / "few.h5", PARTS)
    return tmp_path


def changes(*more: str):
    return gathered("digits-s2stdp", None, [*SETTINGS, *more])


def test_folds_train_on_the_rest_with_their_number_as_seed(run, here):
    done = run("first-spike", "kfold", *WORDS, "--folds", 3, "--json")
    found = json.loads(done.out)
    whole = load_parts("few.h5")
    for row, each in zip(found["folds"], search.folds(whole, changes(), 3), strict=True):
        parts = each.parts(whole)
        assert parts.train.n_samples == 20
        assert np.array_equal(np.sort(np.concatenate(each.numbers)), np.arange(30))
        assert each.config.trainer.seed == row["fold"]
        expected = start(each.config, parts)
        train(expected, parts)
        assert row["test_accuracy"] == expected.record.test_accuracy
    shares = [row["test_accuracy"] for row in found["folds"]]
    mean, sd = found["summary"]
    assert mean["test_accuracy"] == pytest.approx(np.mean(shares))
    assert sd["test_accuracy"] == pytest.approx(np.std(shares))


def test_a_grid_trains_every_combination_and_keeps_the_best(run, here):
    lists = ("--set", "optimizer.am=[-0.01,-0.05]", "--set", "trainer.seed=[4,5]")
    found = json.loads(run("first-spike", "grid", *WORDS, *lists, "--json").out)
    rows = found["runs"]
    assert [(row["optimizer.am"], row["trainer.seed"]) for row in rows] == [
        *((-0.01, 4), (-0.01, 5), (-0.05, 4), (-0.05, 5))
    ]
    validated = [row["validation_accuracy"] for row in rows]
    best = int(np.argmax(validated))
    assert found["best"] == best + 1
    again = run("first-spike", "train", "few.h5", "--config", found["file"], "--json")
    (row,) = json.loads(again.out)["runs"]
    config = resolve(gathered(None, Path(found["file"]), []))
    assert config.optimizer.am == rows[best]["optimizer.am"]
    assert config.trainer.seed == rows[best]["trainer.seed"]
    assert row["seed"] == 1


def test_a_grid_without_a_validation_part_takes_a_tenth(here):
    parts = {"train": np.arange(40), "test": PARTS["test"]}
    save_samples(random_samples(60), here / "few.h5", parts)
    whole = load_parts("few.h5")
    (run_,) = search.combinations(whole, changes())
    assert run_.parts(whole).validation.n_samples == 3 * 1
    assert run_.parts(whole).train.n_samples == 37
    assert run_.is_grid


def test_an_abandoned_run_is_not_the_best():
    rows = [
        {"abandoned": True, "validation_accuracy": 0.9},
        {"abandoned": False, "validation_accuracy": 0.5},
        {"abandoned": False, "validation_accuracy": 0.5},
    ]
    assert search.best_of(rows) == 1
    assert search.best_of(rows[:1]) == 0


SLOW_START = """
import sys, time
import rsnnctl.runs.first_spike.search as search
keep = search.keep_row
def slowly(*arguments):
    keep(*arguments)
    time.sleep(0.4)
search.keep_row = slowly
import cli
sys.argv[0] = "rsnnctl"
cli.main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("jobs_", [1, 2])
@pytest.mark.parametrize("command", ["kfold", "grid"])
def test_a_search_that_was_killed_gives_the_same_tables_byte_for_byte(run, here, command, jobs_):
    more = {
        "kfold": ["--folds", "4"],
        "grid": ["--set", "optimizer.am=[-0.01,-0.02,-0.05,-0.1]"],
    }[command]
    words = ["first-spike", command, *WORDS, *more, "--json"]
    whole = run(*words, "-o", "whole")
    environment = os.environ | {"PYTHONPATH": str(Path(cli.__file__).parent)}
    call = [sys.executable, "-c", SLOW_START, *words, "-o", "killed", "--jobs", str(jobs_)]
    process = subprocess.Popen(call, env=environment, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while len(list(Path("killed/runs").glob("*.json"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = {path: path.stat().st_mtime_ns for path in Path("killed/runs").glob("*.json")}
    assert 2 <= len(kept) < 4
    assert not Path(f"killed/{command}.json").exists()
    again = run(*words, "-o", "killed")
    assert again.out == whole.out.replace("whole/", "killed/")
    assert all(path.stat().st_mtime_ns == then for path, then in kept.items())
    for path in Path("whole").rglob("*.*"):
        if path.name != ".rsnnctl.json":
            assert path.read_bytes() == (Path("killed") / path.relative_to("whole")).read_bytes()


def test_what_was_done_with_other_settings_or_damaged_is_done_again(here):
    parts = load_parts("few.h5")
    options = {"jobs": 1, "cluster": "loky", "output": here / "k", "name": "kfold"}
    calls = []

    def found(*more: str, n_folds: int = 2):
        calls.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(search, "_trained", lambda *given: calls.append(given) or trained(*given))
            runs = search.folds(parts, changes(*more), n_folds)
            return search.run_all(runs, parts, advance=lambda: None, **options)

    trained = search._trained
    first = found()
    assert len(calls) == 2
    assert found() == first
    assert not calls
    path = here / "k" / "runs" / "kfold00001.json"
    text = path.read_text()
    assert text.count('"best_epoch": ') == 1
    path.write_text(text.replace('"best_epoch": ', '"best_epoch": 1'))
    assert found() == first
    assert len(calls) == 1
    found(n_folds=3)
    assert len(calls) == 3
    assert found() == first
    found("optimizer.am=-0.5")
    assert len(calls) == 2


def test_files_of_the_user_are_not_overwritten(run, here):
    Path("kfold").mkdir()
    Path("kfold/kfold.json").write_text("mine")
    done = run("first-spike", "kfold", *WORDS, "--folds", 2)
    assert done.code == 1
    assert "kfold/kfold.json: exists, and first-spike kfold did not write it" in done.err
    assert run("first-spike", "kfold", *WORDS, "--folds", 2, "--force").code == 0


def test_an_interrupted_search_says_what_is_kept(run, here, monkeypatch):
    keep = search.keep_row

    def stop(path, label, row):
        keep(path, label, row)
        if path.name == "kfold00001.json":
            raise KeyboardInterrupt

    monkeypatch.setattr(search, "keep_row", stop)
    done = run("first-spike", "kfold", *WORDS, "--folds", 3)
    assert done.code == 130
    assert "the runs done are kept in kfold/runs; the same command continues" in done.err


def test_one_process_at_a_time_searches_in_a_folder(run, here):
    from base.lock import only_writer

    Path("kfold/runs").mkdir(parents=True)
    with only_writer(Path("kfold/runs"), "rsnnctl first-spike kfold"):
        done = run("first-spike", "kfold", *WORDS, "--folds", 2)
    assert done.err.startswith("Error: kfold/runs: `rsnnctl first-spike kfold` is writing it (proc")
    Path("kfold/runs").rmdir()
    Path("kfold/runs").write_text("")
    done = run("first-spike", "kfold", *WORDS, "--folds", 2)
    assert done.err == "Error: kfold/runs: cannot be made: file exists\n"
