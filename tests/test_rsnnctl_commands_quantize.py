"""`rsnnctl quantize`: its ledger, training in integers, and refused input."""

import json

import numpy as np
import pytest

from rsnnctl.runs import folders
from rsnnctl.runs import quantizing as step
from sim.artifact import load_network
from sim.contract import PAPER

STEPS = ["w_in", "w_rec", "w_out", "decays", "thresholds", "state words", "state widths"]


@pytest.fixture
def in_run(run, session, model):
    """`rsnnctl` in a folder with one finished run, of a model and a recording."""
    (folder,) = folders.start([folders.Planned("x", {"session": str(session)})])
    (folder / folders.MODEL).write_bytes(model.read_bytes())
    folders.finish(folder)
    return run


@pytest.mark.slow
def test_the_ledger_names_every_step_beside_half_precision_and_is_stored(in_run):
    done = in_run("quantize", "--bits", "6", "--json")
    assert done.code == 0, done.err
    printed = json.loads(done.out)
    rows = {row["step"]: row for row in printed["ledger"]}
    assert list(rows) == ["float32", "float16", "bfloat16", *STEPS, "corrections"]
    assert rows["float32"]["r2_float"] == 1.0
    for row in rows.values():
        assert row["r2_task"] is not None
        assert 0.5 < row["rate_ratio"] < 2.0, row
    assert rows["decays"]["remark"].startswith("tau_")
    network = load_network(folders.latest() / folders.NETWORK)
    assert network.digest() == printed["digest"]
    assert [row["step"] for row in network.metadata["ledger"]] == list(rows)
    assert network.metadata["inputs"]["calibration"] == "short (train)"
    assert "quantize" in in_run("quantize", "--help").out
    table = in_run("quantize", "--bits", "6").out
    assert all(name in table for name in STEPS)
    assert load_network(folders.latest() / folders.NETWORK).digest() == printed["digest"]


@pytest.mark.slow
def test_rows_before_the_integers_are_close_to_them_where_there_are_many_bits(in_run):
    """16 bits: each line then is the float network but for the last digits, so R2 is near 1."""
    done = in_run("quantize", "--bits=16", "--decay-bits=16", "--frac-bits=8", "--json")
    rows = {row["step"]: row for row in json.loads(done.out)["ledger"]}
    for name in STEPS:
        assert rows[name]["r2_float"] > 0.9, rows[name]


@pytest.mark.slow
def test_states_that_are_too_narrow_are_named_where_they_cost(in_run):
    narrow = json.loads(in_run("quantize", "--syn-bits", "12", "--json").out)["ledger"]
    rows = {row["step"]: row for row in narrow}
    assert rows["state widths"]["r2_float"] < rows["state words"]["r2_float"] - 0.02
    assert "try wider --syn-bits and --mem-bits" in rows["state widths"]["remark"]


@pytest.mark.slow
def test_without_a_recording_independent_spikes_calibrate(run, model):
    done = run("quantize", model, "-o", "n.int.h5", "--json")
    assert done.code == 0, done.err
    metadata = load_network("n.int.h5").metadata
    assert metadata["inputs"]["calibration"] == "independent spikes, 20 Hz a channel, seed 1"
    assert json.loads(done.out)["ledger"][0]["r2_task"] is None


@pytest.mark.slow
def test_a_raster_can_calibrate(run, model):
    raster = np.random.default_rng(0).random((2000, 96)) < 0.08
    np.save("raster.npy", raster.astype(np.uint8))
    done = run("quantize", model, "--calibration", "raster.npy", "-o", "n.int.h5")
    assert done.code == 0, done.err
    assert load_network("n.int.h5").metadata["inputs"]["calibration"] == "raster.npy"


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((240, 96), "240 steps are 0.96 s; at least 1 s is needed and a minute is better"),
        ((1000, 95), "raster.npy has 95 channels, the network 96 inputs; use a recording"),
    ],
)
def test_calibration_data_that_cannot_serve_are_refused(run, model, shape, text):
    np.save("raster.npy", np.zeros(shape, np.uint8))
    done = run("quantize", model, "--calibration", "raster.npy", "-o", "n.int.h5")
    assert done.code == 1
    assert text in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--bits", "17"], "--bits is 17; 2 to 16 is possible"),
        (["--bits-rec", "1"], "--bits-rec is 1; 2 to 16 is possible"),
        (["--syn-bits", "33"], "--syn-bits is 33; 2 to 32 is possible"),
        (
            ["--scale", "percentile", "--percentile", "0"],
            "--percentile is 0; above 0 and at most 100 is possible",
        ),
        (["--mem-bits", "5"], "--mem-bits is 5; the largest threshold or initial value needs"),
        (["--set", "qat.batch=8"], "add --qat-epochs, such as 10"),
        (["--qat-epochs", "1", "--set", "qat.bach=8"], "the nearest is `qat.batch`"),
        (["--qat-epochs", "1", "--set", "qat.dropout=0.3"], "dropout is 0.3; integers train"),
    ],
)
def test_settings_without_a_meaning_are_refused_and_nothing_is_written(in_run, options, text):
    done = in_run("quantize", *options)
    assert done.code == 1
    assert text in done.err
    assert done.err.count("\n") == 1
    assert not (folders.latest() / folders.NETWORK).exists()


QAT = ("quantize", "--bits", "3", "--qat-epochs", "2")
SMALL = ("--set", "qat.batch=8", "--set", "qat.window_steps=250", "--set", "qat.stride=250")


@pytest.mark.slow
def test_training_in_integers_is_the_last_line_and_the_file_holds_what_it_made(in_run):
    done = in_run(*QAT, *SMALL, "--json")
    assert done.code == 0, done.err
    rows = json.loads(done.out)["ledger"]
    assert rows[-1]["step"] == "fine-tuning"
    assert "validation R2" in rows[-1]["remark"]
    network = load_network(folders.latest() / folders.NETWORK)
    assert network.metadata["qat"]["batch"] == 8
    assert (network.contract.weight_bits, network.contract.reset) == (3, PAPER.reset)
    assert not list((folders.latest() / "stages").glob("*.h5"))


@pytest.mark.slow
def test_training_in_integers_resumes_to_the_same_bits(in_run, monkeypatch):
    expected = json.loads(in_run(*QAT, *SMALL, "--json").out)["digest"]
    interrupted = step.fine_tune

    def stops(*arguments, keep, **options):
        def keep_one(state):
            keep(state)
            raise KeyboardInterrupt

        return interrupted(*arguments, keep=keep_one, **options)

    monkeypatch.setattr(step, "fine_tune", stops)
    assert in_run(*QAT, *SMALL, "-o", "n.int.h5").code == 130
    monkeypatch.setattr(step, "fine_tune", interrupted)
    other = in_run(*QAT, *SMALL, "--set", "qat.learning_rate=9e-4", "--resume", "-o", "n.int.h5")
    assert "was made with another `config`; start afresh without --resume" in other.err
    done = in_run(*QAT, *SMALL, "--resume", "--json", "-o", "n.int.h5")
    assert json.loads(done.out)["digest"] == expected


@pytest.mark.slow
def test_warnings_are_told_in_options(run, model, monkeypatch):
    monkeypatch.setattr(step, "cautions", lambda *_, **__: ["hidden0: lost; use more `bits`"])
    done = run("quantize", model, "-o", "n.int.h5", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["cautions"] == ["hidden0: lost; use more --bits"]
    assert done.err == "Warning: hidden0: lost; use more --bits\n"
