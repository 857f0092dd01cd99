"""`rsnnctl first-spike`: runs that continue bit for bit, tables that survive kills, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
from first_spike import PARTS, SETTINGS, WORDS, random_samples

from base.errors import FileError, MismatchError
from rsnn.first_spike.config import gathered, resolve
from rsnn.first_spike.data.file import save_samples
from rsnn.first_spike.data.parts import load_parts
from rsnn.first_spike.file import load_history, load_network
from rsnn.first_spike.training import start, train
from rsnnctl.runs import folders, jobs, lineage, stages
from rsnnctl.runs.first_spike import training
from rsnnctl.runs.work import run as run_work


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_samples(random_samples(60), tmp_path / "few.h5", PARTS)
    monkeypatch.setattr(training, "SAVED_EVERY", 0.0)
    return tmp_path


def changes(*more: str):
    return gathered("digits-s2stdp", None, [*SETTINGS, *more])


def started(name="run", **options) -> list[Path]:
    options = {"ticks": None, "changes": changes(), "seeds": [1]} | options
    return training.start_all("few.h5", name=name, **options)


def ran(name="run", **options):
    return jobs.run_all(started(name, **options), n_jobs=1, cluster="loky")


def test_a_run_holds_the_network_that_is_kept_and_its_history(here):
    (row,), summary = ran()
    assert summary == []
    folder = Path("runs/run")
    parts = load_parts("few.h5")
    expected = start(resolve(changes(), seed=1), parts)
    train(expected, parts)
    network, provenance = load_network(folder / folders.MODEL)
    for name, value in vars(expected.network()).items():
        assert np.array_equal(getattr(network, name), value), name
    record = expected.record
    figures = {
        "epochs": 5,
        "best_epoch": expected.best,
        "train_accuracy": record.train_accuracy,
        "validation_accuracy": record.validation_accuracy,
        "test_accuracy": record.test_accuracy,
    }
    named = {"run": "run", "samples": "few.h5", "method": "s2stdp", "neurons": 6, "seed": 1}
    assert row == named | figures
    assert figures.items() <= provenance["inputs"].items()
    shares = [record.test_accuracy for record in expected.records]
    assert load_history(folder / folders.MODEL)["test_accuracy"].tolist() == shares
    log = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["test_accuracy"] for line in log] == shares
    assert sorted(path.name for path in folder.iterdir()) == [
        *("config.toml", "log.jsonl", "model.rsnn.h5", "run.json")
    ]
    assert folders.latest() == folder
    assert [link.state for link in lineage.chain(folder) if link.step == "model"] == ["fresh"]


def interrupted(at: int, **options) -> Path:
    (folder,) = started(**options)

    def stop(record):
        if record.epoch == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_work(training.WORK, folder, stop)
    return folder


@pytest.mark.parametrize("at", [1, 4])
def test_a_run_that_was_interrupted_continues_bit_for_bit(here, at):
    ran("whole")
    folder = interrupted(at)
    lines = (folder / stages.FOLDER / "training.jsonl").read_text().splitlines()
    assert len(lines) == at
    assert jobs.resumable() == [folder]
    jobs.run_all([folder], n_jobs=1, cluster="loky", are_new=False)
    for name in ("model.rsnn.h5", "log.jsonl"):
        assert (folder / name).read_bytes() == (Path("runs/whole") / name).read_bytes(), name
    assert not (folder / stages.FOLDER).exists()


def test_states_are_saved_only_now_and_then(here, monkeypatch):
    monkeypatch.setattr(training, "SAVED_EVERY", 3600.0)
    assert not stages.has_begun(interrupted(4))


def test_a_state_of_other_samples_or_settings_is_refused(here):
    folder = interrupted(2)
    save_samples(random_samples(60, seed=8), here / "few.h5", PARTS)
    with pytest.raises(MismatchError, match="was made with another `samples`; start afresh"):
        jobs.run_all([folder], n_jobs=1, cluster="loky", are_new=False)
    save_samples(random_samples(60), here / "few.h5", PARTS)
    path = folder / "config.toml"
    path.write_text(path.read_text().replace("ap = 0.05", "ap = 0.06"))
    with pytest.warns(UserWarning, match="was edited since the run was started"):
        jobs.resumable()
    with pytest.raises(MismatchError, match="was made with another `optimizer`; start afresh"):
        jobs.run_all([folder], n_jobs=1, cluster="loky", are_new=False)


@pytest.mark.slow
def test_train_prints_rows_and_their_mean_and_resumes(run, here):
    done = run("first-spike", "train", *WORDS, "--seeds", "1..3", "--json")
    found = json.loads(done.out)
    assert done.code == 0
    assert [row["run"] for row in found["runs"]] == [f"first-spike-seed{n}" for n in (1, 2, 3)]
    shares = [row["test_accuracy"] for row in found["runs"]]
    mean, sd = found["summary"]
    assert mean["test_accuracy"] == pytest.approx(np.mean(shares))
    assert sd["test_accuracy"] == pytest.approx(np.std(shares, ddof=1))
    interrupted(2, name="again")
    for words in (["first-spike", "train"], ["train"]):
        done = run(*words, "--resume", "--json")
        if words == ["train"]:
            assert "no run was interrupted" in done.err
        else:
            assert json.loads(done.out)["runs"][0]["run"] == "again"
            interrupted(2, name="other")
            done = run("train", "--resume", "--json")
            assert json.loads(done.out)["schema"] == "trained-on-samples/1"


def test_a_training_of_another_sort_is_left_to_train(run, here):
    from rsnnctl.runs.rate import training as rate_training

    (folder,) = rate_training.start_all(
        *("go-nogo",), units=5, config=None, settings=[], seeds=[1], name="rate"
    )
    done = run("first-spike", "train", "--resume")
    assert done.err == (
        f"Error: {folder}: is no training on samples; `rsnnctl train --resume` continues it\n"
    )
    started("mine")
    text = (
        "Error: runs: holds interrupted trainings on samples and on tasks; name the folder of one"
    )
    assert run("train", "--resume").err.startswith(text)


@pytest.mark.slow
def test_pictures_are_drawn_where_they_are_asked_for(run, here):
    assert run("first-spike", "train", *WORDS, "--plot").code == 0
    assert run("first-spike", "kfold", *WORDS, "--folds", 2, "--plot").code == 0
    assert run("first-spike", "grid", *WORDS, "--plot").code == 0
    for path in ("runs/first-spike/curves.png", "runs/first-spike/spikes.png"):
        assert Path(path).read_bytes().startswith(b"\x89PNG"), path
    assert Path("kfold/kfold.png").exists()
    assert Path("grid/grid.png").exists()


@pytest.mark.slow
def test_samples_without_a_validation_part_are_drawn_and_summarized(run, here):
    parts = {name: numbers for name, numbers in PARTS.items() if name != "validation"}
    save_samples(random_samples(60), here / "few.h5", parts)
    done = run("first-spike", "train", *WORDS, "--seeds", "1,2", "--plot", "--json")
    found = json.loads(done.out)
    assert [row["best_epoch"] for row in found["runs"]] == [5, 5]
    assert found["summary"][0]["validation_accuracy"] is None


@pytest.mark.parametrize(
    ("words", "text", "code"),
    [
        (["train", "few.h5"], "the default settings are for digits; name those for few.h5 by", 2),
        (["train", *WORDS, "--config", "few.h5"], "--preset and --config both give all settin", 2),
        (
            ["train", *WORDS, "--cluster", "dask"],
            "--cluster has no effect with one job at a tim",
            2,
        ),
        (
            ["kfold", *WORDS, "--cluster", "dask"],
            "--cluster has no effect with one job at a tim",
            2,
        ),
        (
            ["train", *WORDS, "--name", "a", "-o", "b"],
            "--name is that of a folder in runs; leave",
            2,
        ),
        (
            ["train", "--resume", "--preset", "mnist-s4nn"],
            "--preset has no effect beside --resume",
            2,
        ),
        (
            ["train", "none", "--preset", "mnist-s4nn"],
            "none: no such file or folder; `digits` is",
            1,
        ),
        (
            ["train", *WORDS, "--set", "trainer.seed=3"],
            "--set trainer.seed=3 has no effect: --seeds decides",
            1,
        ),
        (
            ["kfold", *WORDS, "--set", "trainer.seed=3"],
            "has no effect: the number of the fold does",
            1,
        ),
        (["kfold", *WORDS, "--folds", "1"], "--folds is 1; at least 2 are needed", 1),
        (["kfold", *WORDS, "--folds", "11"], "class 0 has 10 samples; 11 folds need as many", 1),
        (
            ["grid", *WORDS, "--set", "optimizer.am=[]"],
            "`optimizer.am` is []; at least one value",
            1,
        ),
        (
            ["train", *WORDS, "--ticks", "9"],
            "--ticks 9 has no effect: few.h5 holds no file of pub",
            1,
        ),
        (
            ["train", *WORDS, "--set", "network.w_norm=3"],
            "network.w_norm is 3; true or false is",
            1,
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(run, here, words, text, code):
    done = run("first-spike", *words)
    assert done.code == code
    assert text in done.err
    assert not Path("runs").exists()
    assert not Path("kfold").exists()


def test_a_model_that_does_not_say_how_it_was_trained_is_refused(here):
    (folder,) = started()
    run_work(training.WORK, folder, lambda record: None)
    network, _ = load_network(folder / folders.MODEL)
    from rsnn.first_spike.file import save_network

    save_network(network, folder / folders.MODEL, {})
    with pytest.raises(FileError, match="does not say how it was trained; train again"):
        training.WORK.row(folder)
