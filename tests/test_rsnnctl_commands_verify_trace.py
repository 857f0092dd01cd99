"""`rsnnctl verify --trace`: words that something else recorded, against the reference."""

import json

import h5py
import numpy as np
import pytest
from networks import random_network, random_raster

from sim import reference
from sim.artifact import load_network, save_network


@pytest.fixture
def path(tmp_path):
    """A network, and beside it a raster and a trace of two variables without it."""
    network = random_network(np.random.default_rng(5), n_inputs=9, hidden=(6,))
    path = tmp_path / "net.int.h5"
    save_network(network, path)
    raster = random_raster(np.random.default_rng(5), 40, 9)
    np.save(tmp_path / "spikes.npy", raster)
    with h5py.File(tmp_path / "bench.h5", "w") as file:
        trace = reference.run(network, raster).variables
        file.attrs["digest"] = network.digest()
        for name in ("hidden0.mem", "readout.out"):
            file[name.replace(".", "/")] = trace[name]
    return path


def test_a_trace_is_compared_and_the_report_is_as_of_backends(run, path):
    spikes = path.parent / "spikes.npy"
    done = run("verify", path, "--trace", path.parent / "bench.h5", "--session", spikes)
    words = 40 * (6 + 2)
    assert (done.code, done.out.splitlines()) == (
        0,
        [
            f"bench.h5 (recorded): {words} words of hidden0.mem, readout.out, 0 differences",
            f"verified: 40 steps, {words} state words, 0 differences",
        ],
    )


def test_a_word_that_differs_is_named_and_ends_with_1(run, path):
    trace = path.parent / "bench.h5"
    with h5py.File(trace, "r+") as file:
        file["raster"] = np.load(path.parent / "spikes.npy")
        file["hidden0/mem"][7, 2] += 3
    done = run("verify", path, "--trace", trace, "--json")
    report = json.loads(done.out)
    assert done.code == 1
    assert report["digest"] == load_network(path).digest()
    found = report["backends"]["bench.h5"]
    assert (found["code"], found["differences"]) == ("recorded", 1)
    assert found["compared"] == "words of hidden0.mem, readout.out"
    difference = found["first"]["difference"]
    assert (difference["step"], difference["neuron"], difference["variable"]) == (7, 2, "mem")
    assert difference["found"] - difference["expected"] == 3
    assert found["first"]["operands"]["step"] == 7


def test_there_is_one_input_and_other_networks_are_refused(run, path):
    trace = path.parent / "bench.h5"
    done = run("verify", path, "--trace", trace)
    way_out = "name its input, a recording or raster (--session)"
    assert (done.code, done.err) == (1, f"Error: {trace}: has no `raster`; {way_out}\n")
    other = random_network(np.random.default_rng(6), n_inputs=9, hidden=(6,))
    save_network(other, path.parent / "other.int.h5")
    done = run("verify", path.parent / "other.int.h5", "--trace", trace)
    digests = load_network(path).digest()[:12], other.digest()[:12]
    assert done.err == (
        f"Error: {trace}: was recorded of the network {digests[0]}, not of {digests[1]}; name that"
        " one\n"
    )


def test_what_simulate_writes_is_a_trace(run, path):
    spikes, output = path.parent / "spikes.npy", path.parent / "x.decoded.h5"
    done = run("simulate", path, "--session", spikes, "--trace", "-o", output)
    assert done.code == 0, done
    done = run("verify", path, "--trace", output, "--session", spikes)
    assert (done.code, done.out.splitlines()[0]) == (
        0,
        f"x.decoded.h5 (recorded): {40 * (6 * 3 + 2 * 3)} state words, 0 differences",
    )


@pytest.mark.parametrize(
    "option",
    ["--samples=x.npz", "--steps=5", "--target=host_c", "--layout=fast", "--force", "-o=x"],
)
def test_options_without_effect_beside_a_trace_are_refused(run, path, option):
    done = run("verify", path, "--trace", path.parent / "bench.h5", *option.split("="))
    assert done.code == 2
    assert "has no effect with --trace" in done.err


def test_the_steps_of_an_input_fit_into_memory(run, path, monkeypatch):
    monkeypatch.setattr("rsnnctl.verifying.MOST_WORDS", 39 * (6 * 3 + 2 * 2 + 9))
    spikes = path.parent / "spikes.npy"
    done = run("verify", path, "--trace", path.parent / "bench.h5", "--session", spikes)
    text = "of this network, 39 fit into memory. Shorten the input and the trace"
    assert (done.code, done.err) == (1, f"Error: the input has 40 steps; {text}\n")
    with h5py.File(path.parent / "bench.h5", "r+") as file:
        file["raster"] = np.load(spikes)
    done = run("verify", path, "--trace", path.parent / "bench.h5")
    assert (done.code, done.err) == (1, f"Error: the input has 40 steps; {text}\n")
