"""Xylo as a target: its simulator's words, what does not fit, and the change that fits."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from networks import with_arrays
from tools import needed_module

from base.errors import RangeError, ToolError, UnsupportedError
from hw_targets import targets
from hw_targets.machines.sketch import sketch
from hw_targets.machines.target import build, check, run_whole, runners
from hw_targets.machines.xylo import simulator
from hw_targets.machines.xylo.chip import parameters
from sim import reference
from sim.contract import PAPER, XYLO
from sim.kinds.two_synapse_cuba_lif import TwoSynapseCubaLIF
from sim.trace import count_differences
from sim.verify import verify

XYLO2, XYLO1 = (targets()[name] for name in ("xylo2", "xylo1"))


def network(target=XYLO2, shape="14-12-3", seed=0):
    """A network of a target's contract with random weights, which saturate."""
    found, rng = sketch(shape, target), np.random.default_rng(seed)
    found = replace(found, contract=replace(found.contract, input_bits=4))
    hidden, readout = found.layers
    arrays = {
        name: rng.integers(-128, 128, array.shape) * (rng.random(array.shape) < 0.7)
        for name, array in hidden.arrays()
        if name.startswith("w_")
    }
    n = hidden.n_neurons
    arrays |= {"threshold": rng.integers(1, 9000, n), "e_in": np.full(n, 6)}
    arrays |= {"decay_syn": rng.integers(1, 9, n)}
    out = rng.integers(-128, 128, readout.w_out.shape)
    if target is XYLO2:
        arrays["bias"] = rng.integers(-300, 300, hidden.n_neurons)
    return with_arrays(
        with_arrays(found, 0, **arrays),
        -1,
        w_out=out,
        threshold=[60, 300, 9000],
        decay_syn=[1, 4, 9],
    )


def inputs(found, n_steps=50, seed=1):
    rng = np.random.default_rng(seed)
    shape = (n_steps, found.n_inputs)
    return (rng.integers(0, 16, shape) * (rng.random(shape) < 0.3)).astype(np.uint8)


@pytest.mark.parametrize("target", [XYLO2, XYLO1], ids=lambda target: target.name)
def test_the_simulator_has_the_reference_s_words_in_blocks_too(target, tmp_path):
    needed_module("xylosim")
    found = network(target)
    raster = inputs(found)
    (name,) = ran = runners(target, found, tmp_path)
    right = reference.run(found, raster)
    assert right.variables["hidden0.spk"].max() > 1
    top = (1 << 15) - 1  # of which a part decays in the same step
    decay = found.hidden[0].values("decay_syn")
    assert (right.variables["hidden0.syn"] == top - (top >> decay)).sum() > 5
    assert right.variables["readout.fired"].any()
    assert count_differences(right, run_whole(ran[name], raster)) == 0
    blocks = [trace for _, trace in ran[name]([raster[:7], raster[7:20]], 20)]
    assert [len(block.variables["hidden0.mem"]) for block in blocks] == [7, 13]
    for key, words in right.variables.items():
        held = np.concatenate([block.variables[key] for block in blocks])
        assert np.array_equal(held, words[:20]), key
        assert held.dtype == words.dtype
    report = verify(found, [raster], {name: lambda _, x: run_whole(ran[name], x)})
    assert (report.differences, report.words) == (0, right.n_words)


def test_two_synapses_are_those_of_the_simulator(tmp_path):
    needed_module("xylosim")
    first = network(seed=3)
    hidden = first.hidden[0]
    rng = np.random.default_rng(4)
    own = {
        name: getattr(hidden, name)
        for name in ("w_in", "w_rec", "e_in", "e_rec", "decay_syn", "decay_mem", "threshold")
    }
    second = {f"{name}2": own[name] for name in ("e_in", "e_rec")}
    second |= {"w_in2": -hidden.w_in // 2, "w_rec2": None, "decay_syn2": rng.integers(0, 16, 12)}
    layer = TwoSynapseCubaLIF(**own, **second)
    found = replace(first, layers=(layer, first.readout))
    raster = inputs(found)
    (runner,) = runners(XYLO2, found, tmp_path).values()
    assert count_differences(reference.run(found, raster), run_whole(runner, raster)) == 0
    assert parameters(found).w_in.shape == (14, 12, 2)
    assert not parameters(found).w_rec[:, :, 1].any()


def test_everything_that_does_not_fit_is_said_at_once_with_the_change_that_fits():
    found = check(XYLO2, sketch("96-1024-10", XYLO2))
    assert found["fits"] is False
    assert found["violations"] == [
        "inputs: 96; the core has room for 16: group channels into 16",
        "hidden: 1024; the core has room for 1000: train 1000 neurons",
        "outputs: 10; the core has room for 8: decode at most 8 rows, with one head",
        "fan_in: 1120; the core has room for 63: prune until no hidden neuron receives through"
        " more than 63 weights",
        "fan_out: 1034; the core has room for 64: prune until no hidden neuron sends through more"
        " than 64 weights",
    ]
    assert found["use"]["fan_in"] == 96 + 1024
    assert found["utilization"]["hidden"] == 1.024
    small = check(XYLO2, sketch("16-32-2", XYLO2))
    assert (small["fits"], small["violations"]) == (True, [])
    assert small["use"] == {"inputs": 16, "hidden": 32, "outputs": 2, "fan_in": 48, "fan_out": 34}


def test_the_room_of_each_limit_is_the_last_that_fits():
    assert check(XYLO2, sketch("16-47-8", XYLO2))["fits"]  # 63 weights to a neuron, 55 from one
    over = check(XYLO2, sketch("16-48-8", XYLO2))["violations"]
    assert [line.split(":")[0] for line in over] == ["fan_in"]
    assert check(XYLO2, sketch("1-60-4", XYLO2))["fits"]
    over = check(XYLO2, sketch("1-61-4", XYLO2))["violations"]
    assert [line.split(":")[0] for line in over] == ["fan_out"]


@pytest.mark.parametrize(
    ("layer", "arrays", "said"),
    [
        (
            0,
            {"e_in": [2] * 11 + [3]},
            "`hidden0.w_in` has shifts of 2, 3; the chip has one for all",
        ),
        (0, {"e_rec": [8] * 12}, "`hidden0.w_rec` is shifted by 8; by more than 7 a weight leaves"),
        (-1, {"e_out": [0, 1, 0]}, "`readout.w_out` has shifts of 0, 1; the chip has one for all"),
        (
            -1,
            {"initial_out": [0, -5, 0]},
            "`readout.initial_out` of row 1 is -5; the chip's states",
        ),
    ],
)
def test_values_that_the_chip_does_not_hold_are_named(layer, arrays, said):
    whole = {name: np.array(values) for name, values in arrays.items()}
    found = with_arrays(network(), layer, **whole)
    (line,) = check(XYLO2, found)["violations"]
    assert line.startswith(said)
    with pytest.raises(UnsupportedError, match=r"the chip|leaves"):
        parameters(found)


def test_several_layers_and_biases_of_the_first_core_are_refused():
    (line,) = check(XYLO2, sketch("8-6-6-2", XYLO2))["violations"]
    assert line == "layers: 2 hidden ones; the chip has one. Train one"
    biased = with_arrays(network(XYLO1), 0, bias=np.arange(12))
    (line,) = check(XYLO1, biased)["violations"]
    assert line == "`bias`: the first core has none. Make a network without biases"


def test_other_contracts_and_kinds_are_refused_and_what_else_does_not_fit_is_said():
    found = check(XYLO2, sketch("96-64-2"))
    lines = found["violations"]
    assert "kind: `hidden0` is cuba_lif; xylo2 computes multi_spike_cuba_lif," in lines[0]
    fields = {line.split("`")[1] for line in lines if line.startswith("contract:")}
    assert fields >= {"adds_first", "by_increment", "decay", "delivery", "inputs_at_once", "reset"}
    assert not fields & {"rounding", "decay_frac", "weight_bits", "current_order"}
    assert any(line.startswith("inputs: 96;") for line in lines)
    with pytest.raises(RangeError, match="xylo2 computes"):
        runners(XYLO2, sketch("96-64-2"), None)
    of_core_1 = replace(network(XYLO1), contract=replace(network(XYLO1).contract, max_spikes=30))
    (line,) = check(XYLO1, of_core_1)["violations"]
    assert line.startswith("contract: `max_spikes` is 30; xylo1 computes 31.")
    assert PAPER.delivery == "sum"


def test_without_the_simulator_one_line_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "xylosim", None)
    with pytest.raises(ToolError, match="Xylo's simulator is missing: pip install xylosim"):
        simulator.load(2)
    with pytest.raises(ToolError, match="pip install xylosim"):
        runners(XYLO2, network(), tmp_path)


def test_a_project_has_the_core_s_parameters_and_a_golden_run(tmp_path):
    found = network()
    raster = inputs(found, 20)
    written = build(XYLO2, found, raster, tmp_path / "xylo")
    names = {path.name for path in (tmp_path / "xylo").iterdir()}
    assert written.files
    assert {"parameters.npz", "golden.npz", "use.json", "rsnn.nir"} <= names
    with np.load(tmp_path / "xylo" / "parameters.npz") as stored:
        assert str(stored["digest"]) == found.digest()
        assert stored["w_in"].shape == (14, 12, 1)
        assert np.array_equal(stored["w_in"][:, :, 0].T, found.hidden[0].w_in)
        assert int(stored["shift_in"]) == 6
    with np.load(tmp_path / "xylo" / "golden.npz") as stored:
        right = reference.run(found, raster).variables
        assert all(np.array_equal(stored[key], words) for key, words in right.items())


@pytest.mark.slow
def test_where_no_word_can_saturate_the_order_of_spikes_cannot_matter():
    rng = np.random.default_rng(5)
    at_once = replace(XYLO, delivery="sum", by_increment=False)
    proven = differing = 0
    for seed in range(12):
        found = network(shape="6-12-3", seed=seed)
        small = {name: found.hidden[0].values(name) // 8 for name in ("threshold", "bias")}
        small |= {"e_in": np.full(12, seed % 3), "threshold": small["threshold"] + 1}
        weights = {"w_in": found.hidden[0].w_in // 8, "w_rec": found.hidden[0].w_rec // 64}
        weights |= {"decay_syn": np.full(12, 1), "decay_mem": np.full(12, 2)}
        found = with_arrays(found, 0, **small, **(weights if seed % 2 else {}))
        if seed % 2:
            w_out, shifts = found.readout.w_out // 64, np.full(3, 2)
            found = with_arrays(found, -1, w_out=w_out, decay_syn=shifts, decay_mem=shifts)
        can_saturate = check(XYLO2, found)["can_saturate"]
        raster = np.minimum(inputs(found, seed=seed), 15)
        raster[rng.integers(50, size=9)] = 15
        right = reference.run(found, raster)
        same = count_differences(right, reference.run(replace(found, contract=at_once), raster))
        proven += not can_saturate
        differing += same > 0
        assert can_saturate or same == 0, seed
    assert min(proven, differing) > 1


def test_words_that_can_saturate_are_named_with_how_far_they_can_go():
    found = check(XYLO2, network())["can_saturate"]
    assert [line.split(":")[0] for line in found][:2] == ["hidden0.syn", "hidden0.mem"]
    assert check(XYLO2, sketch("4-6-2", XYLO2))["can_saturate"] == []
    one = with_arrays(sketch("1-1-1", XYLO2), 0, w_in=[[127]], e_in=[7], w_rec=[[0]])
    assert check(XYLO2, one)["can_saturate"] == []
    one = replace(one, contract=replace(one.contract, input_bits=4))
    assert check(XYLO2, one)["can_saturate"] == ["hidden0.syn: 0..243840"]
