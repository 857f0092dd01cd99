"""What figures and files mean: units, precisions, each session once, and R2 that is undefined."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from networks import random_network
from random_models import random_model
from small_recording import write_recording

from rsnn.checkpoint import save_model
from rsnn.model import Architecture, Head
from rsnnctl.provenance import decoded_unit, is_imported
from sim.artifact import save_network

NETWORK = replace(random_network(np.random.default_rng(0), n_inputs=2), metadata={})
TARGET = "the unit of the training target"


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    times = 148.984 + np.random.default_rng(1).uniform(0, 3.9, 400)
    path = tmp_path_factory.mktemp("recording") / "short.mat"
    return write_recording(path, [[times[:300], times[300:]]], n_steps=1000)


@pytest.mark.parametrize(
    ("history", "unit", "imported"),
    [
        ({"command": "train"}, "mm per step", False),
        ({"command": "import-weights"}, "mm per step", False),
        ({"command": "prune", "history": {"command": "import-nir"}}, "mm per step", False),
        ({"command": "import-nir"}, TARGET, True),
        ({"command": "import-snntorch"}, TARGET, True),
        ({"command": "api.save_model"}, TARGET, False),
        ({}, TARGET, False),
    ],
)
def test_the_origin_of_a_model_tells_the_unit_and_whether_it_is_imported(history, unit, imported):
    assert decoded_unit(replace(NETWORK, metadata={"history": history})) == unit
    assert is_imported(history) is imported


@pytest.mark.parametrize("metadata", [{}, {"history": "a line of text"}, {"history": None}])
def test_without_a_known_origin_the_unit_is_that_of_the_target(metadata):
    assert decoded_unit(replace(NETWORK, metadata=metadata)) == TARGET


def test_decoded_values_on_disk_have_their_unit(run, recording):
    for history, unit in (({"command": "train"}, "mm per step"), ({}, TARGET)):
        save_network(replace(NETWORK, metadata={"history": history}), Path("n.int.h5"))
        assert run("simulate", "n.int.h5", "--input", recording).code == 0
        with h5py.File("n.decoded.h5") as file:
            assert file["decoded"].attrs["unit"] == unit
            assert file.attrs["dt"] == 0.004


def test_a_row_names_the_precision_in_which_a_model_is_kept(run, recording):
    model = random_model(Architecture(2, (4,)))
    save_model(model, Path("single.rsnn.h5"), {})
    save_model(model.to(torch.float16), Path("half.rsnn.h5"), {})
    rows = {}
    for precision in ("float16", "float32"):
        options = ("--session", recording, "--precision", precision, "--json")
        done = run("evaluate", "half.rsnn.h5", "single.rsnn.h5", *options)
        rows |= {row["model"]: row["footprint"] for row in json.loads(done.out)["rows"]}
    n = sum(parameter.numel() for parameter in model.parameters())
    assert rows == {
        "half.rsnn.h5 (float16)": 2 * n,
        "half.rsnn.h5 (float16, computed in float32)": 2 * n,
        "single.rsnn.h5 (float32)": 4 * n,
        "single.rsnn.h5 (float32, computed in float16)": 4 * n,
    }


def test_a_recording_named_twice_is_refused(run, recording):
    save_network(NETWORK, Path("n.int.h5"))
    link = Path("link.mat")
    link.symlink_to(recording)
    text = f"Error: link.mat: the same recording as {recording}; name each one once\n"
    done = run("evaluate", "n.int.h5", "--session", recording, "--session", link)
    assert (done.code, done.err) == (1, text)
    done = run("train", recording, link)
    assert (done.code, done.err) == (1, text)
    assert not Path("runs").exists()
    done = run("evaluate", "n.int.h5", "--session", recording, "--session", recording)
    assert (
        done.err == f"Error: {recording}: the same recording as {recording}; name each one once\n"
    )


def test_simulate_says_where_r2_is_undefined(run, tmp_path):
    cursor = np.stack((np.sin(np.arange(1000) / 30), np.full(1000, 7.1)))
    write_recording(tmp_path / "a.mat", [[[149.0], [149.1]]], n_steps=1000, cursor_pos=cursor)
    save_network(NETWORK, Path("n.int.h5"))
    done = run("simulate", "n.int.h5", "--input", "a.mat", "--json")
    assert json.loads(done.out)["r2"] is None
    assert done.err == (
        "a (test): R2 is undefined, because a coordinate of the target never changes\n"
        "n.int.h5: lies in no run, so whether it is stale is unknown\n"
    )


UNDEFINED = (
    "R2 is undefined: an output of the float model never changes on silent.npy, so no step has a"
    " known cost and no correction is kept; calibrate on spikes that make it respond, with"
    " --calibration"
)


@pytest.mark.parametrize("command", ["import-nir", "train"])
def test_quantize_says_that_r2_is_undefined_and_trusts_the_time_constants_of_an_import(
    run, command
):
    """Warnings of Python are errors here, such as that of a division by 0."""
    architecture = Architecture(2, (4,), (Head(0.05, 1e-9),), initial_out=0.0, tau_syn0=1e-9)
    save_model(random_model(architecture), Path("m.rsnn.h5"), {"command": command})
    np.save("silent.npy", np.zeros((400, 2), np.uint8))
    done = run("quantize", "m.rsnn.h5", "--calibration", "silent.npy", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [row["r2_float"] for row in found["ledger"]] == [None] * 11
    assert "costs" not in done.out
    assert found["cautions"][1] == UNDEFINED
    advice = [text for text in found["cautions"] if "train again" in text]
    assert len(advice) == (0 if command == "import-nir" else 2)


def test_quantize_of_a_model_that_responds_says_nothing_of_it(run):
    save_model(random_model(Architecture(2, (4,))), Path("m.rsnn.h5"), {})
    np.save("spikes.npy", (np.random.default_rng(0).random((400, 2)) < 0.3).astype(np.uint8))
    done = run("quantize", "m.rsnn.h5", "--calibration", "spikes.npy", "--json")
    assert all(row["r2_float"] is not None for row in json.loads(done.out)["ledger"])
    assert "undefined" not in done.out
