"""Long runs: several at a time, killed and resumed, a full disk, a loss that is not finite."""

import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import cli
from base.errors import FileError, RangeError, ToolError
from rsnn.checkpoint import load_model
from rsnn.data.synthetic import synthesize
from rsnnctl.runs import folders, jobs, stages
from rsnnctl.runs.training import planned_with, train_run

FAST = ("training.epochs=4", "training.window_steps=100", "training.batch=64", "model.hidden=[8]")


@pytest.fixture(scope="module")
def session(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("long") / "one.mat"
    synthesize(path, minutes=0.5, n_channels=12, seed=5)
    return path


def started(session: Path, *settings: str, **changes) -> list[Path]:
    options = {
        "sessions": [session],
        "preset": "tiny",
        "recipe": "short",
        "config": None,
        "settings": (*FAST, *settings),
        "epochs": None,
        "kernel": None,
        "device": None,
        "seeds": "1",
        "pretrain": False,
        "name": "run",
    }
    return jobs.start_all(**options | changes)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(n_threads)


def test_seeds_are_read_as_one_as_several_and_as_a_range():
    assert jobs.parse_seeds("3") == [3]
    assert jobs.parse_seeds("1..3, 7") == [1, 2, 3, 7]
    for text in ("", "1..", "3..1", "1,1", "-1", "a"):
        with pytest.raises(RangeError, match="`seeds` is"):
            jobs.parse_seeds(text)


@pytest.mark.slow
def test_parallel_runs_give_the_models_of_sequential_ones_and_a_table(here, session):
    rows, summary = jobs.run_all(started(session, seeds="1..2"), n_jobs=1, cluster="loky")
    begun = started(session, seeds="1..2", name="par")
    train_run(begun[-1], lambda record: None)  # so that it ends first of the two
    parallel = jobs.run_all(begun, n_jobs=2, cluster="loky")
    assert folders.latest() == begun[-1]
    assert [row["run"] for row in rows] == ["run-seed1", "run-seed2"]
    assert [row["statistic"] for row in summary] == ["mean", "sd"]
    for one, other in zip([*rows, *summary], [*parallel[0], *parallel[1]], strict=True):
        assert one["test_r2"] == other["test_r2"]
    mean = (rows[0]["validation_r2"] + rows[1]["validation_r2"]) / 2
    assert summary[0]["validation_r2"] == pytest.approx(mean)
    first = Path("runs/run-seed1/model.rsnn.h5").read_bytes()
    assert first == Path("runs/par-seed1/model.rsnn.h5").read_bytes()
    assert first != Path("runs/run-seed2/model.rsnn.h5").read_bytes()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("cluster", ["dask", "ray"])
def test_runs_can_be_spread_over_a_cluster_that_keeps_quiet(here, session, cluster, caplog):
    if cluster == "ray":
        pytest.importorskip("ray", reason="Ray is large, and no part of the extra for tests")
    alone, _ = jobs.run_all(started(session, seeds="1..2"), n_jobs=1, cluster="loky")
    rows, _ = jobs.run_all(started(session, seeds="1..2", name=cluster), n_jobs=2, cluster=cluster)
    chatter = [log for log in caplog.records if log.name.startswith("distributed")]
    assert not [log for log in chatter if log.levelno < logging.WARNING]
    assert [row["test_r2"] for row in rows] == [row["test_r2"] for row in alone]


def test_a_cluster_that_is_not_installed_names_its_extra(here, session, monkeypatch):
    for cluster, module in (("dask", "dask.distributed"), ("ray", "ray.util.joblib")):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(ToolError, match=rf"pip install 'rsnnctl\[{cluster}\]'"):
            jobs.run_all(started(session, name=cluster), n_jobs=2, cluster=cluster)


@pytest.mark.slow
def test_pretraining_on_all_sessions_changes_each_and_is_logged(here, session, tmp_path):
    other = tmp_path / "two.mat"
    synthesize(other, minutes=0.5, n_channels=12, seed=6)
    settings = ("pretraining.epochs=2", "pretraining.window_steps=100")
    folders = started(session, *settings, sessions=[session, other], pretrain=True)
    rows, _ = jobs.run_all(folders, n_jobs=1, cluster="loky")
    assert [row["run"] for row in rows] == ["run-one", "run-two"]
    log = Path("runs/run-one/log.jsonl").read_text().splitlines()
    assert [json.loads(line)["stage"] for line in log] == ["pretraining"] * 2 + ["training"] * 4
    alone, _ = jobs.run_all(started(session, name="alone"), n_jobs=1, cluster="loky")
    assert alone[0]["test_r2"] != rows[0]["test_r2"]


@pytest.mark.slow
def test_killed_at_any_moment_and_resumed_it_ends_with_the_same_bytes(here, session):
    """Really killed, with SIGKILL, at random moments of training and of the pruning search."""
    settings = [f"--set={s}" for s in FAST[1:]] + ["--set=training.epochs=60"]
    pruning = ["--set=retraining.epochs=20", "--set=retraining.window_steps=100"]
    pruning += ["--set=pruning.tolerance=0.9"]

    def command(*words: str) -> list[str]:
        return [sys.executable, cli.__file__, *words]

    def finish(*words: str) -> None:
        done = subprocess.run(command(*words), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def epochs_kept() -> int:
        logs = Path("runs/killed", stages.FOLDER).glob("*.jsonl")
        return sum(log.read_text().count("\n") for log in logs)

    def wait_for(process: subprocess.Popen, n_epochs: int) -> None:
        begun = time.monotonic()
        while epochs_kept() < n_epochs and process.poll() is None:
            assert time.monotonic() - begun < 120
            time.sleep(0.002)

    start = ("train", str(session), "--recipe=short", *settings, "--name")
    finish(*start, "whole")
    finish("prune", *pruning)
    rng = random.Random(7)
    for words, again in (
        ((*start, "killed"), ("train", "--resume")),
        (("prune", *pruning), ("prune", "--resume", *pruning)),
    ):
        process = subprocess.Popen(command(*words), stdout=subprocess.DEVNULL)
        for first in (1, 16, 31):  # epochs, not seconds: a fast machine is killed in time too
            wait_for(process, rng.randrange(first, first + 10))
            time.sleep(rng.uniform(0.0, 0.05))
            assert process.poll() is None, "over before it was killed"
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            process = subprocess.Popen(command(*again), stdout=subprocess.DEVNULL)
        assert process.wait(timeout=300) == 0
    for name in ("model.rsnn.h5", "unpruned.rsnn.h5", "log.jsonl", "pruning.json"):
        assert Path("runs/killed", name).read_bytes() == Path("runs/whole", name).read_bytes(), name
    left = {path.name for path in Path("runs/killed").iterdir()}
    assert left - {p.name for p in Path("runs/whole").iterdir()} <= {
        name for name in left if name.startswith(".")
    }


@pytest.mark.slow
def test_an_interrupted_run_is_kept_and_continued(here, session):
    (folder,) = started(session)

    def interrupt(record):
        if record.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(folder, interrupt)
    assert jobs.resumable() == [folder]
    with pytest.raises(FileError, match="was interrupted; `rsnnctl train --resume` continues it"):
        folders.latest()
    ((row,), _) = jobs.run_all(jobs.resumable(), n_jobs=1, cluster="loky")
    assert folders.latest() == folder
    with pytest.raises(FileError, match="no run was interrupted"):
        jobs.resumable()
    ((whole,), _) = jobs.run_all(started(session, name="whole"), n_jobs=1, cluster="loky")
    assert row["test_r2"] == whole["test_r2"]
    assert not (folder / stages.FOLDER).exists()


def test_a_full_disk_leaves_the_last_whole_state(here, session, monkeypatch):
    (folder,) = started(session)
    calls = []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) > 4:
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("base.files.os.fsync", full)
        with pytest.raises(FileError, match=r"state\.h5: cannot be written: no space left"):
            train_run(folder, lambda record: None)
    kept = {path.name for path in (folder / stages.FOLDER).iterdir()}
    assert kept == {"training.state.h5", "training.jsonl"}
    train_run(folder, lambda record: None)
    load_model(folder / folders.MODEL)


def test_a_loss_that_is_not_finite_stops_and_says_where(here, session, monkeypatch):
    (folder,) = started(session, "training.learning_rate=0.05")
    from rsnn.training import steps as training

    monkeypatch.setattr(training, "rmse", lambda out, target: (out - target).sum() * float("nan"))
    with pytest.raises(Exception, match="the loss is nan at epoch 1, batch 1 of"):
        jobs.run_all([folder], n_jobs=1, cluster="loky")
    assert not folder.exists()  # nothing was learned yet, so nothing is kept


def test_the_model_tells_the_kernel_that_was_used_and_the_state_the_settings(here, session):
    """So a run that was begun before models told it goes on."""
    (folder,) = started(session, "model.neuron=adaptive_cuba_lif", "training.epochs=1")

    def interrupt(record):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(folder, interrupt)
    _, kept = stages.load_state(stages.state_path(folder, "training"))
    assert kept["label"]["training"]["kernel"] == "numba"
    train_run(folder, lambda record: None)
    _, told = load_model(folder / folders.MODEL)
    assert told["inputs"]["training"]["kernel"] == "torch"


def test_continuing_with_other_settings_is_refused(here, session):
    (folder,) = started(session)

    def interrupt(record):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_run(folder, interrupt)
    text = (folder / "config.toml").read_text().replace("dropout = 0.3", "dropout = 0.2")
    (folder / "config.toml").write_text(text)
    with pytest.raises(Exception, match="was made with another `pretraining`; start afresh"):
        train_run(folder, lambda record: None)


@pytest.mark.parametrize("done", ["stages/training.state.h5", folders.MODEL, None])
def test_runs_of_one_call_are_removed_together_or_all_wait_for_resume(here, monkeypatch, done):
    """One whose first write failed is not left out when the others are resumed."""
    facts = {"command": "train", "session": "s.mat"}
    planned = [planned_with(f"seed{n}", facts, "") for n in (1, 2, 3)]
    runs = folders.start(planned)
    if done is not None:
        (runs[0] / done).parent.mkdir(exist_ok=True)
        (runs[0] / done).write_text("")

    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs, "run", stop)
    with pytest.raises(KeyboardInterrupt):
        jobs.run_all(runs, n_jobs=1, cluster="loky")
    assert [run.exists() for run in runs] == [done is not None] * 3
