"""What becomes of a first-spike model: `quantize`, `evaluate`, `verify`, `status`, `simulate`."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from first_spike import PARTS, WORDS, dataset, random_samples, write_set
from networks import random_network

from base.errors import RangeError, UnsupportedError
from rsnn.first_spike.data.file import save_samples
from rsnn.first_spike.file import load_network as load_floats
from rsnn.first_spike.file import save_network as save_floats
from rsnn.first_spike.responses import integer_classifier, rasters_of, respond
from rsnnctl import api
from sim import reference
from sim.artifact import load_network, save_network

MODEL, NETWORK = Path("runs/first-spike/model.rsnn.h5"), Path("runs/first-spike/model.int.h5")
CLOCKED = ("numba", "c", "nir", "onnxruntime", "onnx-reference")
SAMPLES = random_samples(60)
TESTED = SAMPLES.take(PARTS["test"])


@pytest.fixture
def trained(run, tmp_path):
    """A run with a model of 6 neurons, 3 classes and 21 inputs; a sample has 9 ticks."""
    save_samples(SAMPLES, tmp_path / "few.h5", PARTS)
    assert run("first-spike", "train", *WORDS).code == 0
    return MODEL


@pytest.fixture
def quantized(run, trained):
    assert run("quantize").code == 0
    return NETWORK


def value(done) -> dict:
    assert done.code == 0, done.err
    return json.loads(done.out)


def error(done) -> str:
    assert done.code == 1
    assert not done.out
    return done.err.removeprefix("Error: ").rstrip("\n")


def test_quantize_measures_floats_and_integers_on_the_test_part(run, trained):
    found = value(run("quantize", "--bits", 5, "--json"))
    assert found["schema"] == "quantized-first-spike/1"
    assert (found["samples"], found["weight_bits"], found["frac_bits"]) == ("few.h5", 5, 0)
    floats, integers = found["ledger"]
    assert [floats["step"], integers["step"]] == ["as trained", "integers"]
    assert (floats["same_class"], floats["same_spikes"]) == (1, 1)
    network, before = load_network(NETWORK), load_floats(MODEL)[0]
    assert network.dt == 0.001
    assert network.metadata["inputs"]["per_layer"] is True
    after = respond(integer_classifier(network), TESTED)
    spikes, _, classes = before.respond(TESTED)
    assert floats["accuracy"] == before.accuracy(TESTED)
    assert integers["accuracy"] == after.is_right.mean()
    assert integers["same_class"] == (after.classes == classes).mean()
    assert integers["same_spikes"] == (after.spikes == spikes).mean() < 1
    assert integers["decision_tick"] == after.decided.mean()
    assert floats["low"] < floats["accuracy"] < floats["high"]
    assert network.metadata["ledger"] == found["ledger"]


def test_published_semantics_are_quantized_as_exact_ones_and_that_is_measured(run, trained):
    floats, origin = load_floats(trained)
    floats = replace(floats, threshold=floats.threshold * 1.5)  # reached by last events too
    save_floats(replace(floats, semantics="published"), trained, origin)
    found = value(run("quantize", "--json"))["ledger"]
    assert [row["step"] for row in found] == ["as trained", "exact semantics", "integers"]
    spikes = [replace(floats, semantics=s).respond(TESTED)[0] for s in ("published", "exact")]
    assert found[1]["same_spikes"] == (spikes[0] == spikes[1]).mean() < 1


def test_widths_and_ticks_can_be_chosen_and_status_knows_them(run, trained):
    words = ("--bits-in", 4, "--frac-bits", 2, "--dt", 0.002)
    done = run("quantize", *words, "-o", MODEL.with_name("narrow.int.h5"), "--json")
    assert value(done)["frac_bits"] == 2
    network = load_network(MODEL.with_name("narrow.int.h5"))
    assert (network.dt, network.contract.weight_bits) == (0.002, 4)
    save_floats(load_floats(MODEL)[0], MODEL, {"inputs": {"samples": "0"}})
    state = value(run("status", "--json"))["links"]
    (row,) = (row for row in state if row["file"].endswith("narrow.int.h5"))
    assert row["state"] == "fresh"  # the digest is that of the weights, not of the provenance


def test_status_names_what_can_be_made_of_a_model_and_nothing_else(run, trained):
    links = value(run("status", "--json"))["links"]
    assert [(link["step"], link["state"]) for link in links[:2]] == [
        ("model", "fresh"),
        ("network", "missing"),
    ]
    assert run(*links[1]["renew"].split()[1:]).code == 0
    links = value(run("status", "--json"))["links"]
    assert [link["step"] for link in links] == [
        *("model", "network", "export-nir", "export-onnx", "export-c", "build")
    ]
    for link in links[2:5]:
        assert run(*link["renew"].split()[1:]).code == 0
    assert [link["state"] for link in value(run("status", "--json"))["links"]] == [
        *["fresh"] * 5,
        "missing",
    ]


def test_a_network_of_another_model_is_stale_and_is_renewed_as_it_was(run, quantized):
    assert run("quantize", "--bits", 3, "--dt", 0.005, "--force").code == 0
    floats, origin = load_floats(MODEL)
    save_floats(replace(floats, w=floats.w * 0.9), MODEL, origin)
    said = error(run("evaluate", NETWORK))
    assert "is stale: it was made of another model" in said
    renew = "rsnnctl quantize runs/first-spike/model.rsnn.h5 --bits 3 --frac-bits 0 --per-layer"
    assert f"`{renew} --dt 0.005`" in said
    assert run(*f"{renew} --dt 0.005".split()[1:]).code == 0
    assert load_network(NETWORK).dt == 0.005
    assert run("evaluate", NETWORK).code == 0


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("--trials", 5), "--trials"),
        (("--seed", 5), "--seed"),
        (("--session", "few.h5"), "--calibration"),
        (("--qat-epochs", 2), "--qat-epochs"),
        (("--bits-rec", 4), "--bits-rec"),
        (("--bits-out", 4), "--bits-out"),
    ],
)
def test_options_that_decide_nothing_are_refused(run, trained, words, option):
    done = run("quantize", *words)
    assert done.code == 2
    assert f"{option} has no effect on a first-spike network" in done.err


@pytest.mark.slow
def test_samples_are_those_of_the_run_or_those_that_are_named(run, trained):
    Path("moved.rsnn.h5").write_bytes(trained.read_bytes())
    assert error(run("quantize", "moved.rsnn.h5")) == (
        "moved.rsnn.h5: belongs to no run with samples; name some with --samples, such as digits"
    )
    assert value(run("quantize", "moved.rsnn.h5", "--samples", "few.h5", "--json"))["samples"]
    save_samples(random_samples(60, seed=2), Path("few.h5"), PARTS)
    assert error(run("quantize")) == (
        f"{MODEL}: was trained on other samples than {Path('few.h5').resolve()} has now; train"
        f" again, or insist with --samples {Path('few.h5').resolve()}"
    )
    assert run("quantize", "--samples", "few.h5").code == 0
    save_samples(random_samples(60, n_inputs=20), Path("few.h5"), PARTS)
    assert error(run("evaluate", "--samples", "few.h5")) == (
        "the network has 21 inputs, the samples 20; use samples of as many"
    )
    assert error(run("evaluate", "--samples", "none.h5")) == (
        "none.h5: no such file or folder; `digits` is a name"
    )
    wide = {name: part for name, part in PARTS.items() if name != "validation"}
    save_samples(SAMPLES, Path("few.h5"), wide)
    assert error(run("evaluate", "--samples", "few.h5", "--part", "validation")) == (
        "few.h5: has no validation part; name another --part"
    )
    assert "samples have the parts train, validation, test" in error(
        run("evaluate", "--part", "all")
    )


def test_times_of_published_files_are_rounded_as_in_training(run, tmp_path):
    for name in ("trainset", "testset"):  # of whole quarters; 8 ticks are asked for
        write_set(tmp_path / f"{name}.npy", dataset())
    words = (".", *WORDS[1:], "--ticks", 8)
    assert run("first-spike", "train", *words).code == 0
    assert load_floats(MODEL)[0].t_max == 8
    assert value(run("quantize", "--json"))["ledger"][0]["same_class"] == 1
    assert value(run("evaluate", MODEL, "--samples", ".", "--json"))["networks"][0]["number"] == 2


def test_evaluate_puts_floats_and_integers_side_by_side(run, quantized):
    found = value(run("evaluate", "--json"))
    assert found["schema"] == "evaluated-first-spike/1"
    names = ["model.rsnn.h5 (float, exact)", "model.int.h5 (int8)"]
    assert [row["network"] for row in found["networks"]] == names
    assert {row["samples"] for row in found["networks"]} == {"few.h5 (test)"}
    responses = respond(integer_classifier(load_network(NETWORK)), TESTED)
    row = found["networks"][1]
    assert row["number"] == 18
    assert row["accuracy"] == responses.is_right.mean()
    assert row["decision_tick"] == responses.decided.mean()
    assert row["silent"] == (responses.decided == 9).sum()
    assert row["events"] == len(TESTED.tick) / 18
    assert row["events_used"] == responses.events.mean() < row["events"]
    assert row["effective_acs"] == responses.accumulates.mean()
    classes = [row for row in found["classes"] if row["network"] == names[1]]
    assert [[row[f"as {n}"] for n in range(3)] for row in classes] == responses.confusion().tolist()
    assert [row["accuracy"] for row in classes] == pytest.approx(
        np.diag(responses.confusion()) / responses.confusion().sum(1)
    )
    curve = [row for row in found["decisions"] if row["network"] == names[1]]
    assert [row["tick"] for row in curve] == list(range(9))
    assert curve[-1]["accuracy"] == row["accuracy"]
    train = value(run("evaluate", NETWORK, "--part", "train", "--json"))["networks"]
    assert train[0]["number"] == 30


@pytest.mark.slow
def test_evaluate_draws_decisions(run, quantized):
    done = run("evaluate", "--plot", "drawn", "--json")
    names = ["model.rsnn.classes.png", "model.int.classes.png", "decisions.png"]
    assert value(done)["pictures"] == [f"drawn/{name}" for name in names]
    for name in names:
        assert (Path("drawn") / name).read_bytes()[:4] == b"\x89PNG"
    Path("copy").mkdir()
    Path("copy/model.int.h5").write_bytes(NETWORK.read_bytes())
    done = run("evaluate", NETWORK, "copy/model.int.h5", "--samples", "few.h5", "--plot", "two")
    assert error(done).startswith("two pictures would be called two/model.int.classes.png")
    assert not Path("two").exists()


def test_networks_that_do_different_things_are_evaluated_apart(run, quantized):
    save_network(random_network(np.random.default_rng(1)), Path("other.int.h5"))
    assert error(run("evaluate", NETWORK, "other.int.h5")).endswith(
        f"{NETWORK} classifies samples by first spikes, other.int.h5 decodes a recording;"
        " evaluate them apart"
    )
    done = run("evaluate", NETWORK, "--baselines")
    assert "--baselines has no effect on first-spike networks" in done.err


@pytest.mark.slow
def test_verify_takes_samples_each_a_run_of_its_own(run, quantized, monkeypatch):
    found = value(run("verify", "--samples", "few.h5", "--json"))
    assert found["steps"] == 100 + 18 * 9
    words = reference.run(load_network(NETWORK), rasters_of(TESTED)[0]).n_words // 9
    assert {name: row["words"] for name, row in found["backends"].items()} == {
        **dict.fromkeys(CLOCKED, found["steps"] * words),
        **dict.fromkeys(("events", "c-events"), 19 * 2 * 6),
    }
    assert {row["differences"] for row in found["backends"].values()} == {0}
    assert value(run("verify", "--steps", 20, "--json"))["steps"] == 100 + 3 * 9
    monkeypatch.setattr("rsnnctl.verifying.SAMPLES", 4)
    assert value(run("verify", "--json"))["steps"] == 100 + 4 * 9
    assert value(run("verify", "--samples", "few.h5", "--json"))["steps"] == found["steps"]
    assert run("export-c").code == 0
    assert value(run("verify", "runs/first-spike/c", "--samples", "few.h5", "--json"))
    done = run("verify", "--samples", "few.h5", "--session", "few.h5")
    assert "--session has no effect beside --samples" in done.err
    save_network(random_network(np.random.default_rng(1)), Path("other.int.h5"))
    assert error(run("verify", "other.int.h5", "--samples", "few.h5")).endswith(
        "other.int.h5: takes no samples, as first spikes do not decide it; name a recording or"
        " a raster"
    )


@pytest.mark.slow
def test_verify_finds_a_backend_that_carries_state_from_sample_to_sample(
    run, quantized, monkeypatch
):
    """It is right for the golden run and the first sample, and wrong from the second on."""
    from sim.fast import runs

    seen = []

    def carried(network, raster):
        seen.append(raster)
        is_second = len(seen) > 2 and raster.shape == seen[-2].shape
        return runs.run_backend(network, np.maximum(raster, seen[-2]) if is_second else raster)

    monkeypatch.setattr("export.formats.backends", lambda: {"carried": carried})
    done = run("verify", "--samples", "few.h5", "--json")
    assert done.code == 1
    found = json.loads(done.out)["backends"]["carried"]
    assert found["differences"] > 0
    assert found["first"]["raster_index"] == 2


def test_simulate_runs_one_sample_and_names_evaluate_for_many(run, quantized):
    assert error(run("simulate")) == (
        f"{NETWORK}: decides on samples, not on a recording; `rsnnctl evaluate {NETWORK}` takes"
        " samples, and a raster of one sample can be named"
    )
    np.save("one.npy", rasters_of(TESTED)[0])
    assert run("simulate", "--input", "one.npy", "-o", "one.h5").code == 0
    import h5py

    with h5py.File("one.h5") as file:
        decoded = file["decoded"][()]
        assert file["decoded"].attrs["unit"] == "class"
    classes = respond(integer_classifier(load_network(NETWORK)), TESTED).classes
    assert decoded[-1, 0] == classes[0]


@pytest.mark.slow
def test_fit_predict_and_verify_from_python(run, trained):
    parts = api.load_samples("few.h5")
    settings = [word for word in WORDS if "=" in word]
    network = api.fit(parts, preset="digits-s2stdp", settings=settings, seed=1)
    same = api.load_classifier(MODEL)
    assert np.array_equal(network.w, same.w)
    assert api.predict(network, parts.test).tolist() == network.respond(TESTED)[2].tolist()
    integers = api.quantize(network)
    assert integers.digest() == api.quantize(same).digest()
    assert (integers.contract.frac_bits, integers.contract.weight_bits) == (0, 8)
    shares = [
        (api.predict(each, parts.test) == TESTED.label).mean() for each in (network, integers)
    ]
    assert abs(shares[0] - shares[1]) < 0.12
    report = api.verify(integers, parts.test.take([0, 1]))
    assert report.differences == 0
    assert report.backends["events"].words == 2 * 2 * 6
    digest = api.save_classifier(network, "saved.rsnn.h5")
    assert digest == api.save_classifier(api.load_classifier("saved.rsnn.h5"), "again.rsnn.h5")
    session = api.load_session(api.synthesize("s.mat", minutes=0.5, channels=4))
    with pytest.raises(RangeError, match="`session` has no effect on a first-spike network"):
        api.quantize(network, session=session)
    with pytest.raises(UnsupportedError, match="one scale"):
        api.quantize(network, precision=api.Precision(per_layer=False))
