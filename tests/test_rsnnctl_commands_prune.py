"""`prune` on any recording, and what it says that it did."""

import json
from pathlib import Path

import pytest

from rsnn.checkpoint import load_model
from rsnnctl.runs import folders

SMALL = ("--set", "retraining.batch=64", "--set", "retraining.window_steps=100")


@pytest.fixture
def unknown(run, model):
    """A run whose recording is not known."""
    (folder,) = folders.start([folders.Planned("x", {})])
    (folder / folders.MODEL).write_bytes(model.read_bytes())
    folders.finish(folder)
    return run


def zeros(path: Path) -> int:
    weights = load_model(path)[0].connections().values()
    return sum(int((weight == 0).sum()) for weight in weights)


@pytest.mark.slow
def test_a_fraction_is_pruned_on_the_session_that_is_named(unknown, session):
    assert "belongs to no run with a recording" in unknown("prune", "--fraction", 0.4).err
    call = ("prune", "--fraction", 0.4, "--epochs", 2, *SMALL, "--session", session)
    done = unknown(*call, "--json")
    assert done.code == 0, done
    found = json.loads(done.out)
    weights = 64 * 96 + 64 * 64 + 2 * 64
    log = [json.loads(line) for line in Path("runs/x/prune.log.jsonl").read_text().splitlines()]
    best = max(log, key=lambda record: record["validation_r2"])
    assert found == {
        "schema": "pruned/1",
        "attempts": [],
        "fraction": 0.4,
        "weights": weights,
        "zero_weights_before": 0,
        "zero_weights": zeros(Path("runs/x/model.rsnn.h5")),
        "epochs": 2,
        "best_epoch": best["epoch"],
        "validation_r2": best["validation_r2"],
        "file": "runs/x/model.rsnn.h5",
    }
    assert 0.39 * weights < found["zero_weights"] < 0.41 * weights
    table = unknown(*call, "-o", "again.rsnn.h5").out
    assert "zero weights before" in table
    assert "again.rsnn.h5" in table


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.6, 0.1])
def test_a_search_lists_what_it_tried(unknown, session, monkeypatch, after):
    scores = iter([0.5, 0.4, after, 0.3])
    monkeypatch.setattr("rsnn.training.prune_search.score", lambda *_: next(scores))
    changes = ("pruning.start=0.5", "pruning.stop=0.5", "pruning.fine_step=0.5")
    settings = [word for change in changes for word in ("--set", change)]
    call = ("prune", "--epochs", 1, *SMALL, "--session", session, *settings, "--json")
    found = json.loads(unknown(*call).out)
    is_accepted = after > 0.5
    assert found["attempts"] == [
        {"fraction": 0.0, "train_r2": 0.5, "validation_r2": 0.4, "is_accepted": True},
        {"fraction": 0.5, "train_r2": after, "validation_r2": 0.3, "is_accepted": is_accepted},
    ]
    assert found["fraction"] == (0.5 if is_accepted else 0.0)
    assert (found["epochs"], found["best_epoch"]) == ((1, 1) if is_accepted else (0, 0))
    assert found["zero_weights"] == (64 * 96 + 64 * 64 + 2 * 64) // 2 * is_accepted
    assert is_accepted or found["validation_r2"] == 0.4
