"""`rsnnctl train --task`: runs of rate networks, continued bit for bit, and what is refused."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.io

import cli
from base.errors import FileError, MismatchError
from rsnn.rate.file import load_history, load_rate
from rsnn.rate.tasks import find_task
from rsnn.rate.training.config import resolve
from rsnn.rate.training.initialize import draw_network
from rsnn.rate.training.train import Training, train
from rsnnctl.runs import folders, jobs, lineage, stages
from rsnnctl.runs.rate import training as rate_training
from rsnnctl.runs.work import run as run_work

SMALL = ("--units", 6, "--set", "training.max_trials=103")
TRIALS = 103


def started(**changes) -> list[Path]:
    options = {
        "units": 6,
        "config": None,
        "settings": [f"training.max_trials={TRIALS}"],
        "seeds": [1],
        "name": "run",
    }
    return rate_training.start_all("go-nogo", **(options | changes))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(seeds=(1,), **changes):
    return jobs.run_all(started(seeds=list(seeds), **changes), n_jobs=1, cluster="loky")


def test_a_run_holds_the_network_before_the_last_update_and_its_history(here):
    (row,), summary = ran()
    folder = Path("runs/run")
    assert summary == []
    task, generator = find_task("go-nogo"), np.random.default_rng(1)
    start = draw_network(resolve(units=6).network, 1, "go-nogo", generator)
    training = Training(start, generator)
    train(training, task, max_trials=TRIALS)
    network, provenance = load_rate(folder / folders.MODEL)
    for name, value in vars(training.before).items():
        assert np.array_equal(getattr(network, name), value), name
    last = training.records[-1]
    figures = {
        "trials": TRIALS,
        "mean_loss": last.mean_loss,
        "right": last.right,
        "done": False,
    }
    assert row == {"run": "run", "task": "go-nogo", "units": 6, "seed": 1, **figures}
    assert figures.items() <= provenance["inputs"].items()
    history = load_history(folder / folders.MODEL)
    assert np.array_equal(history["losses"], [training.losses])
    assert np.array_equal(history["w0"], start.w)
    assert np.array_equal(history["taus_gaus0"], start.tau_param[:, None])
    for name in ("x", "o", "u"):
        assert np.array_equal(history[name], training.last[name]), name
    assert sorted(path.name for path in folder.iterdir()) == [
        *("config.toml", "log.jsonl", "model.rsnn.h5", "run.json")
    ]
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["trial"] for line in log] == [1, 101]
    assert log[-1]["mean_loss"] == last.mean_loss
    assert folders.latest() == folder
    assert [link.state for link in lineage.chain(folder) if link.step == "model"] == ["fresh"]


def interrupted(at: int, **changes) -> Path:
    """A run that Ctrl-C ended after a number of evaluations."""
    (folder,) = started(**changes)
    seen = []

    def stop(record):
        seen.append(record)
        if len(seen) == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_work(rate_training.WORK, folder, stop)
    return folder


@pytest.mark.parametrize("at", [1, 2])
def test_a_run_that_was_interrupted_continues_bit_for_bit(here, at):
    ran(name="whole")
    folder = interrupted(at)
    assert stages.has_begun(folder)
    lines = (folder / stages.FOLDER / "training.jsonl").read_text().splitlines()
    assert len(lines) == at
    assert jobs.resumable() == [folder]
    jobs.run_all([folder], n_jobs=1, cluster="loky", are_new=False)
    for name in ("model.rsnn.h5", "log.jsonl"):
        assert (folder / name).read_bytes() == (Path("runs/whole") / name).read_bytes(), name
    assert not (folder / stages.FOLDER).exists()
    assert not folders.unfinished()


def test_an_interruption_says_what_is_kept(here, run, monkeypatch):
    save = rate_training.save_training

    def stop(training, path, label):
        save(training, path, label)
        raise KeyboardInterrupt

    monkeypatch.setattr("rsnnctl.runs.rate.training.save_training", stop)
    done = run("train", "--task", "go-nogo", *SMALL)
    assert done.code == 130
    text = "the trials done are kept in runs/train; `rsnnctl train --resume` continues"
    assert text in done.err


def test_a_run_that_fails_before_its_first_evaluation_leaves_nothing(here, monkeypatch):
    def fail(*_, **__):
        raise FileError("no")

    (folder,) = started()
    monkeypatch.setattr("rsnnctl.runs.rate.training.train", fail)
    with pytest.raises(FileError):
        jobs.run_all([folder], n_jobs=1, cluster="loky")
    assert not folder.exists()


def test_a_state_of_other_settings_is_refused(here):
    folder = interrupted(1)
    path = folder / "config.toml"
    path.write_text(path.read_text().replace("gain = 1.5", "gain = 2.5"))
    with pytest.warns(UserWarning, match="was edited since the run was started"):
        jobs.resumable()
    with pytest.raises(MismatchError, match="was made with another `network`; start afresh"):
        jobs.run_all([folder], n_jobs=1, cluster="loky", are_new=False)


@pytest.mark.slow
def test_killed_and_resumed_it_ends_with_the_same_bytes(here):
    words = [sys.executable, cli.__file__, "train", "--task=go-nogo", "--units=20"]
    words += ["--set=training.max_trials=1000"]

    def finish(*more):
        done = subprocess.run([*words[: 3 if more[0] == "--resume" else None], *more], check=False)
        assert done.returncode == 0

    finish("--name=whole")
    process = subprocess.Popen([*words, "--name=killed"], stdout=subprocess.DEVNULL)
    begun, log = time.monotonic(), Path("runs/killed/stages/training.jsonl")
    while not (log.exists() and log.read_text().count("\n") >= 2):
        assert time.monotonic() - begun < 120
        assert process.poll() is None
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not Path("runs/killed/model.rsnn.h5").exists()
    finish("--resume")
    for name in ("model.rsnn.h5", "log.jsonl"):
        whole, killed = (Path(f"runs/{run}/{name}").read_bytes() for run in ("whole", "killed"))
        assert whole == killed, name


@pytest.mark.slow
def test_seeds_in_parallel_give_the_models_of_seeds_one_after_the_other(here):
    rows, summary = ran((1, 2))
    parallel = jobs.run_all(started(seeds=[1, 2], name="par"), n_jobs=2, cluster="loky")
    assert [row["run"] for row in rows] == ["run-seed1", "run-seed2"]
    assert [row["run"] for row in parallel[0]] == ["par-seed1", "par-seed2"]
    for one, other in zip(rows, parallel[0], strict=True):
        assert {**one, "run": ""} == {**other, "run": ""}
    assert summary == parallel[1]
    assert [row["statistic"] for row in summary] == ["mean", "sd"]
    assert summary[0]["mean_loss"] == np.mean([row["mean_loss"] for row in rows])
    assert {row["units"] for row in summary} == {6}
    first = Path("runs/run-seed1/model.rsnn.h5").read_bytes()
    assert first == Path("runs/par-seed1/model.rsnn.h5").read_bytes()
    assert first != Path("runs/run-seed2/model.rsnn.h5").read_bytes()


def test_networks_of_other_sizes_are_summarized_apart():
    figures = dict.fromkeys(rate_training.WORK.figures, 1.0)
    rows = [
        {"task": "xor", "units": units, **figures, "trials": trials}
        for units, trials in ((5, 10), (6, 70), (5, 20))
    ]
    mean, sd = jobs._summaries(rate_training.WORK, rows)
    assert (mean["units"], mean["trials"]) == (5, 15)
    assert (sd["statistic"], sd["trials"]) == ("sd", pytest.approx(np.sqrt(50)))


def test_a_network_that_did_not_meet_the_rule_is_said_to_be_untrained(run):
    done = run("train", "--task", "go-nogo", *SMALL, "--seeds", "1,2")
    assert done.code == 0
    text = (
        "Warning: train-seed{}: did not meet the rule to stop within 103 trials, so the network"
        " counts as untrained; train longer, or with another seed"
    )
    assert done.err.splitlines()[-2:] == [text.format(1), text.format(2)]
    assert "no" in done.out
    assert "over seeds" in done.out


def test_a_network_that_met_the_rule_is_not_warned_about(run, monkeypatch):
    monkeypatch.setattr("rsnn.rate.training.train.END_LOSS", 1e9)
    monkeypatch.setattr("rsnn.rate.training.train.END_SHARE", -1.0)
    done = run("train", "--task", "xor", *SMALL, "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["schema"] == "trained-on-task/1"
    assert (found["runs"][0]["done"], found["runs"][0]["trials"]) == (True, 2)


def test_commands_find_the_network_of_the_newest_run_and_its_history(run):
    assert run("train", "--task", "go-nogo", *SMALL).code == 0
    model = Path("runs/train/model.rsnn.h5")
    done = run("map-rate", "--factors", 20, "--trials", 2, "--fresh-trials", 2, "--downsample", 40)
    assert done.code == 0, done.err
    assert (model.parent / "model.lif.h5").exists()
    done = run("export-mat")
    assert done.code == 0, done.err
    path = model.with_name("Task_go-nogo_N_6_Taus_4_20_Act_sigmoid.mat")
    found, history = scipy.io.loadmat(path), load_history(model)
    assert set(history) == {"losses", "w0", "taus_gaus0", "x", "o", "u"}
    shapes = {"losses": (1, 103), "w0": (6, 6), "taus_gaus0": (6, 1)}
    shapes |= {"x": (200, 6), "o": (199, 1), "u": (1, 200)}
    for name, array in history.items():
        assert np.array_equal(found[name], array), name
        assert found[name].shape == shapes[name]
    assert run("import-weights", path, "-o", "again.rsnn.h5").code == 0
    network, again = load_rate(model)[0], load_rate(Path("again.rsnn.h5"))[0]
    for name in ("w_in", "w_out", "b_out", "tau_param", "taus", "sign", "is_sst", "task", "tau"):
        assert np.array_equal(getattr(network, name), getattr(again, name)), name
    assert np.array_equal(network.recurrent, again.recurrent)


REFUSED = {
    ("--task", "go-nogo", "--epochs", 4): "--epochs has no effect with --task; leave it out",
    ("--task", "go-nogo", "--model", "big"): "--model has no effect with --task; leave it out",
    ("--task", "go-nogo", "--recipe", "short"): "--recipe has no effect with --task; leave it out",
    ("--task", "go-nogo", "--kernel", "torch"): "--kernel has no effect with --task; leave it out",
    ("--task", "go-nogo", "--device", "cpu"): "--device has no effect with --task; leave it out",
    ("--task", "go-nogo", "--pretrain"): "--pretrain has no effect with --task; leave it out",
    ("--task", "go-nogo", "f.toml"): "SESSIONS has no effect with --task; leave it out",
    ("--task", "go-nogo", "--session", "f.toml"): "--session has no effect with --task",
    ("--units", 4): "--units has no effect without --task; leave it out",
    ("--task", "nogo"): "Invalid value for '--task': 'nogo' is not one of 'go-nogo', ",
}
UNFIT = {
    ("--set", "model.hidden=[3]"): "--set model.hidden=[3] has no effect here, which uses network,",
    ("--set", "training.seed=2"): "--set training.seed=2 has no effect: --seeds decides; leave it",
    ("--units", 3, "--set", "network.units=2"): "--set network.units=2 has no effect: --units",
    ("--units", 0): "--units is 0; at least 1 is needed",
    ("--set", "training.epochs=2"): "there is no setting `training.epochs`; the nearest is",
    ("--set", "network.gain=0"): "`gain` is 0; it must be above 0 and finite",
    (
        "--units",
        9,
        "--set",
        "network.sst=9",
    ): "`sst` is 9, but the number of inhibitory units is 1 with this",
    ("--config", "f.toml"): "there is no setting `model.hidden`; the nearest is",
}


@pytest.mark.parametrize(("words", "text"), REFUSED.items(), ids=str)
def test_options_that_do_not_fit_are_refused(run, words, text):
    Path("f.toml").touch()
    done = run("train", *words)
    assert done.code == 2
    assert text in done.err.splitlines()[-1]
    assert not Path("runs").exists()


@pytest.mark.parametrize(("words", "text"), UNFIT.items(), ids=str)
def test_settings_that_do_not_fit_are_refused(run, words, text):
    Path("f.toml").write_text("[model]\nhidden = [3]\n")
    done = run("train", "--task", "go-nogo", *words)
    assert done.code == 1
    assert done.err.startswith(f"Error: {text}")
    assert not Path("runs").exists()


def test_runs_of_both_sorts_are_not_resumed_together(here, run):
    folder = interrupted(1)
    other = folders.start([folders.Planned("other", {"command": "train", "session": "x.mat"})])
    (other[0] / "config.toml").write_text("")
    done = run("train", "--resume")
    assert done.code == 1
    text = "Error: runs: holds interrupted trainings on recordings and on tasks; name the folder of"
    assert done.err == f"{text} one with -o\n"
    done = run("train", "--resume", "-o", folder)
    assert done.code == 0, done.err
    assert (folder / folders.MODEL).exists()


def test_a_run_whose_task_is_not_installed_any_more_is_refused(here, run):
    folder = interrupted(1)
    shutil.copytree(folder, "kept")
    folders.note(folder, {"task": "gone"})
    done = run("train", "--resume")
    assert done.code == 1
    assert "`task` is gone; known: go-nogo" in done.err.replace("--task", "`task`")


def test_a_model_that_does_not_say_how_it_was_trained_gives_no_row(here):
    (folder,) = started()
    run_work(rate_training.WORK, folder, lambda record: None)
    from rsnn.rate.file import save

    save(load_rate(folder / folders.MODEL)[0], folder / folders.MODEL, {"inputs": {}})
    with pytest.raises(FileError, match="does not say how it was trained; train again"):
        rate_training.WORK.row(folder)


def test_a_task_that_is_no_text_is_refused(here, run):
    folder = interrupted(1)
    folders.note(folder, {"task": 3})
    done = run("train", "--resume", "-o", folder)
    assert done.code == 1
    assert "run.json: is damaged; restore it, or move" in done.err
