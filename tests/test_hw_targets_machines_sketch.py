"""Networks of given sizes, to be checked before any is trained."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from base.errors import RangeError
from hw_targets import find_target, targets
from hw_targets.machines.sketch import MOST_WEIGHTS, sizes_of, sketch
from hw_targets.machines.target import check, refusals
from sim.contract import PAPER

PAGE = (Path(__file__).parents[1] / "docs" / "chips.md").read_text("utf-8")


@pytest.mark.slow
def test_no_weight_is_0_and_every_neuron_has_constants_of_its_own():
    network = sketch("9-40-30-2")
    assert [layer.n_neurons for layer in network.layers] == [40, 30, 2]
    assert (network.n_inputs, network.n_outputs, network.contract) == (9, 2, PAPER)
    for layer in network.layers:
        for connection in layer.connections():
            assert set(connection.weights.ravel().tolist()) == {-2, 2}
        constants = [layer.decay_syn, layer.decay_mem]
        assert len(set(zip(*(each.tolist() for each in constants), strict=True))) == layer.n_neurons
    for layer in network.hidden:
        assert np.array_equal(layer.threshold, 64 + 64 * np.arange(layer.n_neurons))
    big = sketch("2-3000-1")
    pairs = zip(big.hidden[0].decay_syn.tolist(), big.hidden[0].decay_mem.tolist(), strict=True)
    assert len(set(pairs)) == 3000


@pytest.mark.parametrize("name", targets())
def test_every_target_computes_its_contract(name):
    target = find_target(name)
    assert refusals(target, sketch("5-4-2", target)) == []


@pytest.mark.parametrize(
    "text",
    ["", "96", "96-64", "96--2", "a-b-c", "96-64-2 ", "١-٢-٣", "1" * 99 + "-1-1", "1-1" * 99],
)
def test_what_is_no_architecture_is_refused(text):
    with pytest.raises(RangeError) as raised:
        sizes_of(text)
    assert str(raised.value) == (
        f"`architecture` is {text[:40]}; write the sizes of input, hidden layers and output as"
        " 96-64-2"
    )


@pytest.mark.parametrize(
    "text", ["0-4-2", "4-0-2", "4-65537-2", "9-4096-1", "65536-200-65536", "6144-2048-1"]
)
def test_an_architecture_that_is_too_large_is_refused(text):
    with pytest.raises(RangeError) as raised:
        sizes_of(text)
    assert str(raised.value) == (
        f"`architecture` is {text}; 1 to 65536 units of a layer and up to {MOST_WEIGHTS} weights in"
        " all are possible"
    )
    assert sizes_of("65536-100-65536") == [65536, 100, 65536]
    assert sizes_of("6143-2048-1") == [6143, 2048, 1]  # 2^24 weights


@pytest.mark.slow
def test_the_page_has_what_is_found_of_loihi():
    rows = re.findall(r"^\| (\d+(?:-\d+)+)(?:, \w+)? \| (\d+)(.*) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 3
    for architecture, cores, rest in rows[:2]:
        target = find_target("loihi1")
        found = check(target, sketch(architecture, target))
        assert (found["fits"], found["cores"]) == (True, int(cores))
        fullest = {
            what: max(core[what] for core in found["map"])
            for what in ("neurons", "decay_pairs", "thresholds", "axons_in", "axons_out")
        }
        bits = max(core["synapse_bits"] for core in found["map"])
        said = [int(n.replace(",", "")) for n in re.findall(r"\| ([\d,]+)", rest)]
        assert said == [*fullest.values(), bits >> 10]


@pytest.mark.slow
def test_the_command_checks_sizes_on_a_target(run, tmp_path):
    done = run("check", "--architecture", "96-600-600-900-2", "--target", "loihi1", "--json")
    report = json.loads(done.out)
    assert (done.code, report["fits"], report["cores"]) == (1, False, 132)
    assert report["violations"] == [
        "cores: 132; a chip has 128. They are full by their thresholds (99%): let more neurons have"
        " the same threshold"
    ]
    done = run("check", "--architecture", "96-64", "--target", "loihi1")
    assert done.err.startswith("Error: --architecture is 96-64; write the sizes")
    (tmp_path / "x.int.h5").touch()
    done = run("check", tmp_path / "x.int.h5", "--architecture", "96-64-2")
    assert (done.code, "has no effect with --architecture" in done.err) == (2, True)
