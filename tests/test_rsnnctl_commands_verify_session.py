"""Whole sessions, here and on a target: block by block, in constant memory, faults found."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import random_network, random_raster
from tools import need

from base.errors import MismatchError
from hw_targets import find_target
from rsnn.data.session import load_session
from rsnn.data.stream import steps_of
from rsnnctl import verifying
from sim import reference
from sim.artifact import load_network, save_network
from sim.trace import first_difference
from sim.verify import operands_of


@pytest.fixture(autouse=True)
def compiler():
    need("cc", "gcc")


@pytest.mark.slow
def test_a_whole_session_is_compared_by_one_command(run, network, session):
    done = run(
        *("verify", network, "--target", "host_c", "--session", session, "--layout", "compact"),
        "--json",
    )
    assert done.code == 0, done
    report = json.loads(done.out)
    assert report["steps"] == 15000
    words = 15000 * (16 * 3 + 4)
    found = {"words": words, "differences": 0, "compared": "state words", "code": "hand-written"}
    assert report["backends"]["host_c"] == found


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cortex_m0plus", "wasm"])
def test_a_raster_streams_to_other_targets_too(run, network, name):
    for program, package in find_target(name).tools.items():
        need(program, package)
    np.save("raster.npy", random_raster(np.random.default_rng(0), 900, 96))
    done = run("verify", network, "--target", name, "--session", "raster.npy")
    assert done.code == 0, done
    assert done.out.endswith("verified: 900 steps, 46800 state words, 0 differences\n")


@pytest.mark.slow
@pytest.mark.parametrize("block", [1, 7, 64])
def test_the_first_difference_and_its_operands_do_not_depend_on_blocks(
    tmp_path, monkeypatch, block
):
    """A wrong weight that shows late: step, neuron and operands are those of the whole trace."""
    network = random_network(np.random.default_rng(4), hidden=(6,))
    layer, readout = network.layers
    raster = random_raster(np.random.default_rng(5), 80, 12)
    raster[:40, 2] = 0
    w_in = layer.w_in.copy()
    w_in[3, 2] ^= 1
    wrong = replace(network, layers=(replace(layer, w_in=w_in), readout))
    save_network(network, tmp_path / "net.int.h5")
    np.save(tmp_path / "raster.npy", raster)
    right = find_target("host_c")
    ((name, prepare),) = right.backends.items()
    faulty = replace(
        right, backends={name: lambda n, folder, **options: prepare(wrong, folder, **options)}
    )
    monkeypatch.setattr("hw_targets.find_target", lambda name: faulty)
    monkeypatch.setattr(verifying, "_BLOCK_STEPS", block)
    path, source = tmp_path / "net.int.h5", tmp_path / "raster.npy"
    (result,) = verifying.verify_session(path, "host_c", source).backends.values()
    expected = reference.run(network, raster)
    place = first_difference(expected, reference.run(wrong, raster))
    assert place.step > 40
    assert result.first.difference == place
    assert result.first.operands == operands_of(network, raster, expected, place)


@pytest.mark.slow
def test_a_session_means_the_same_with_and_without_a_target(run, network):
    """All of it, or as many steps as are asked for; `--input` is another word for it."""
    np.save("raster.npy", random_raster(np.random.default_rng(0), 6000, 96))
    for word in ("--session", "--input"):
        done = run("verify", network, word, "raster.npy", "--json")
        assert json.loads(done.out)["steps"] == 6100, done  # with the golden run
        done = run("verify", network, word, "raster.npy", "--steps", 50, "--json")
        assert json.loads(done.out)["steps"] == 150, done
        target = ("--target", "host_c", word, "raster.npy", "--json")
        assert json.loads(run("verify", network, *target).out)["steps"] == 6000
        assert json.loads(run("verify", network, *target, "--steps", 50).out)["steps"] == 50
        done = run("verify", network, *target, "--steps", 0)
        assert done.err == "Error: --steps is 0; at least 1 is needed\n"


@pytest.mark.slow
def test_all_of_a_recording_is_compared_here_and_a_test_part_where_none_is_named(
    run, network, session
):
    Path("runs/x").mkdir(parents=True)
    Path("runs/x/net.int.h5").write_bytes(network.read_bytes())
    Path("runs/x/run.json").write_text(json.dumps({"session": str(session)}))
    done = run("verify", "runs/x/net.int.h5", "--json")
    loaded = load_session(session)
    n_test = len(loaded.raster[steps_of(loaded, "test")])
    assert json.loads(done.out)["steps"] == n_test + 100
    assert n_test < 5000
    done = run("verify", "runs/x/net.int.h5", "--steps", 20, "--json")
    assert json.loads(done.out)["steps"] == 120
    done = run("verify", network, "--session", session, "--steps", 5400, "--json")
    assert json.loads(done.out)["steps"] == 5500


def test_what_cannot_be_replayed_is_said_in_one_line(run, network, session):
    np.save("narrow.npy", np.zeros((5, 95), np.uint8))
    with pytest.raises(MismatchError, match=r"narrow\.npy has 95 channels, the network 96 inputs"):
        verifying.verify_session(network, "host_c", Path("narrow.npy"))
    done = run("verify", network, "--target", "host_c", "--session", "none.npy")
    assert (done.code, done.err) == (1, "Error: none.npy: no such file\n")
    done = run("verify", network, "--target", "host_c", "--session", session, "--layout", "x")
    assert done.code == 2
    assert "'--layout': 'x' is not one of 'fast', 'compact'" in done.err


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording(network, tmp_path):
    """100,000 steps make a trace of 16 MB; the longer run needs at most 5 MB more."""
    n_inputs = load_network(network).n_inputs
    code = (
        "import re, sys; from pathlib import Path\n"
        "from rsnnctl.verifying import verify_session\n"
        "report = verify_session(Path(sys.argv[1]), 'host_c', Path(sys.argv[2]))\n"
        "assert report.differences == 0\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1])"
    )
    peaks = []
    for n_steps in (20_000, 120_000):
        path = tmp_path / f"{n_steps}.npy"
        np.save(path, random_raster(np.random.default_rng(0), n_steps, n_inputs))
        done = subprocess.run(
            [sys.executable, "-c", code, str(network), str(path)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] + 5_000, peaks  # kB
