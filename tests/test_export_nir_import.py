"""Graphs without a contract become float models, or are refused by node and reason."""

import json
import re
from pathlib import Path

import nir
import numpy as np
import pytest
import torch
from foreign_graphs import DT, graph, textbook

from base.errors import DataError, RangeError
from export.nir.import_graph import FIRES, ORDERS, RESETS, import_graph, order_of
from export.nir.layers import TimeStep
from rsnn.checkpoint import load_model, save_model
from rsnn.evaluate import decode
from rsnnctl.read_nir import read_nir

AT_ONCE = order_of("at-once", "zero")


def raster_of(n_steps=300, n_inputs=6):
    return (np.random.default_rng(9).random((n_steps, n_inputs)) < 0.4).astype(np.uint8)


CHAINS = pytest.mark.parametrize(
    ("hidden", "last", "recurrence"),
    [
        (("LIF",), "LI", None),
        (("CubaLIF",), "CubaLI", "flat"),
        (("CubaLIF", "LIF"), "LI", "nested"),
        (("LIF", "CubaLIF", "LIF"), "CubaLI", "flat"),
    ],
)


def assert_equal(spikes, out, found):
    """The textbook's result and the model's, step by step."""
    outputs, trains = found
    for theirs, spk in zip(spikes, trains, strict=True):
        assert 30 < theirs.sum() < theirs.size  # it fires
        assert np.array_equal(spk, theirs)
    assert np.abs(outputs - out).max() < 1e-12 * max(1.0, np.abs(out).max())


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("discretization", ["exact", "euler"])
@pytest.mark.parametrize("scalar", [False, True])
@CHAINS
def test_every_kind_of_node_computes_its_equations(
    hidden, last, recurrence, scalar, discretization, biased, tmp_path
):
    made = graph(np.random.default_rng(5), hidden, last, recurrence, scalar, biased=biased)
    nir.write(tmp_path / "theirs.nir", made)
    model = read_nir(tmp_path / "theirs.nir", dt=DT, discretization=discretization)
    assert model.architecture.bias == biased
    raster = raster_of()
    theirs = textbook(made, raster, discretization == "euler")
    assert_equal(*theirs, decode(model, raster, dtype=torch.float64))


@pytest.mark.parametrize("biased", [False, True])
@CHAINS
def test_in_the_published_order_each_variable_and_connection_waits_a_step(
    hidden, last, recurrence, biased
):
    made = graph(np.random.default_rng(5), hidden, last, recurrence, biased=biased)
    model = import_graph(made, TimeStep(DT), order_of("published", "zero"))
    raster = raster_of()
    theirs = textbook(made, raster, euler=False, published=True)
    assert_equal(*theirs, decode(model, raster, dtype=torch.float64))


def test_biases_of_zero_make_a_model_without_and_one_layers_bias_is_enough():
    made = changed(put("w1", nir.Affine(np.ones((8, 7)), np.zeros(8))))
    assert not import_graph(made, TimeStep(DT), AT_ONCE).architecture.bias
    model = import_graph(changed(biased), TimeStep(DT), AT_ONCE)
    assert model.hidden[1].bias.all()
    assert not model.hidden[0].bias.any()
    assert not model.heads[0].bias.any()


def test_a_chain_that_ends_in_spikes_or_in_weights_gets_a_readout_that_passes_them_on():
    made = graph(np.random.default_rng(4), ("LIF",), "LI", None)
    ends_in_spikes = nir.NIRGraph(
        {name: made.nodes[name] for name in ("input", "w0", "layer0", "output")},
        [("input", "w0"), ("w0", "layer0"), ("layer0", "output")],
        type_check=False,
    )
    ends_in_weights = nir.NIRGraph(
        {name: made.nodes[name] for name in ("input", "w0", "layer0", "w1", "output")},
        [("input", "w0"), ("w0", "layer0"), ("layer0", "w1"), ("w1", "output")],
        type_check=False,
    )
    raster = raster_of()
    for theirs, weights in (
        (ends_in_spikes, np.eye(7)),
        (ends_in_weights, made.nodes["w1"].weight),
    ):
        model = import_graph(theirs, TimeStep(DT), AT_ONCE)
        out, (spk,) = decode(model, raster, dtype=torch.float64)
        assert np.abs(out - spk @ weights.T).max() < 1e-12
    ends_in_weights.nodes["w1"] = nir.Affine(made.nodes["w1"].weight, np.array([0.5, -2.0]))
    model = import_graph(ends_in_weights, TimeStep(DT), AT_ONCE)
    out, (spk,) = decode(model, raster, dtype=torch.float64)
    assert np.abs(out - spk @ weights.T - [0.5, -2.0]).max() < 1e-12


def test_orders_and_resets_are_options():
    made = graph(np.random.default_rng(4), ("LIF",), "LI", None)
    raster = raster_of()
    trains = {
        (order, reset): decode(import_graph(made, TimeStep(DT), order_of(order, reset)), raster)
        for order in ORDERS
        for reset in RESETS
    }
    n_spikes = {key: int(spk[0].sum()) for key, (_, spk) in trains.items()}
    assert n_spikes["at-once", "subtract"] > n_spikes["at-once", "zero"]
    assert n_spikes["published", "zero"] < n_spikes["at-once", "zero"]
    text = "`order` is late; known: at-once, snntorch, delayed-reset, published"
    with pytest.raises(RangeError, match=text):
        order_of("late", "zero")
    with pytest.raises(RangeError, match="`reset` is soft; known: zero, zero-keep-input, subtract"):
        order_of("at-once", "soft")
    with pytest.raises(RangeError, match="`fires` is on; known: above, at"):
        order_of("at-once", "zero", "on")


def test_the_page_names_every_order_and_reset():
    page = (Path(__file__).resolve().parents[1] / "docs" / "nir.md").read_text(encoding="utf-8")
    for option, known in (("--order", ORDERS), ("--reset", RESETS), ("--fires", FIRES)):
        (values,) = re.findall(rf"^\| .+ \| `{option}` \| (.+) \|$", page, re.MULTILINE)
        assert re.findall("`([a-z-]+)`", values) == list(known)


def test_the_order_stays_with_the_model_and_reaches_the_integers(tmp_path):
    from export.quantize import quantize

    made = graph(np.random.default_rng(4))
    model = import_graph(made, TimeStep(DT), AT_ONCE)
    save_model(model, tmp_path / "m.rsnn.h5", {})
    back, _ = load_model(tmp_path / "m.rsnn.h5")
    assert (back.architecture.order, back.architecture.initial_out) == (AT_ONCE, 0.0)
    network = quantize(back)
    assert network.contract.current == "new"
    assert network.contract.fires_on == "new_membrane"
    assert network.contract.delay_steps == 0
    assert not network.readout.initial_out.any()


def changed(change):
    made = graph(np.random.default_rng(4), ("CubaLIF", "LIF"), "LI", "flat")
    change(made)
    return made


def put(name, node):
    return lambda made: made.nodes.update({name: node})


def set_value(name, key, value):
    def change(made):
        node = made.nodes[name]
        setattr(node, key, np.full_like(getattr(node, key), value))

    return change


def link(*edges):
    return lambda made: made.edges.extend(edges)


def unlink(edge):
    return lambda made: made.edges.remove(edge)


def nest(made):
    inner = made
    for _ in range(12):
        inner = nir.NIRGraph({"input": made.nodes["input"], "g": inner}, [], type_check=False)
        inner.nodes["output"] = made.nodes["output"]
    made.nodes = {"input": made.nodes["input"], "g": inner, "output": made.nodes["output"]}


def biased(made):
    made.nodes["w1"] = nir.Affine(made.nodes["w1"].weight, np.ones(8))


CONV = nir.Conv1d(9, np.ones((2, 6, 1)), 1, 0, 1, 1, np.zeros(2))
REFUSED = {
    "a convolution": (
        put("w0", CONV),
        r"node `w0` is a Conv1d; only Input, Output, Linear, Affine",
    ),
    "a delay": (put("w1", nir.Delay(np.ones(7))), "node `w1` is a Delay; only"),
    "a cycle across layers": (link(("layer1", "w0")), "node `w0` has 2 inputs; it may have one"),
    "a direct cycle across layers": (
        link(("layer1", "layer0")),
        r"node `layer0` is fed by `w0` and `layer1`; one may feed it",
    ),
    "two ways": (
        link(("layer0", "w2")),
        r"`layer0` feeds|`w2` has weights of shape|`w2` has 2 inp",
    ),
    "a leak": (
        set_value("layer0", "v_leak", -0.1),
        "node `layer0`: `v_leak` is -0.1, which no bias is where a current decays with `tau_syn`",
    ),
    "a reset": (set_value("layer1", "v_reset", 0.1), "node `layer1`: `v_reset` is 0.1"),
    "no threshold": (set_value("layer1", "v_threshold", 0), "`v_threshold` is 0.0; it is above"),
    "one threshold below 0": (
        set_value("layer1", "v_threshold", np.repeat([1.0, -0.5], [7, 1])),
        "node `layer1`: `v_threshold` is -0.5; it is above the rest",
    ),
    "no time": (set_value("layer0", "tau_mem", 0), "`tau_mem` is 0.0; it is longer than 0 s"),
    "NaN": (set_value("layer0", "r", np.nan), "node `layer0`: `r` holds NaN or infinity"),
    "too large": (set_value("layer1", "r", 1e308), r"weight \(with its gain\)` holds NaN or inf"),
    "wrong shapes": (put("w1", nir.Linear(np.ones((8, 5)))), r"shape \(8, 5\); \(neurons, 7\) is"),
    "odd recurrence": (put("layer0_back", nir.Linear(np.ones((6, 7)))), r"\(6, 7\); \(7, 7\) fits"),
    "wrong parameters": (
        put("layer1", nir.LI(*(np.ones(3) for _ in range(2)), np.zeros(3))),
        r"`layer1` does not spike but feeds `layer2`|`r` has shape \(3,\)",
    ),
    "a missing edge": (unlink(("w1", "layer1")), "`layer0` feeds nothing; a layer feeds one"),
    "a missing node": (lambda m: m.nodes.pop("w1"), "there is no node `w1`"),
    "a stray node": (put("lost", nir.Linear(np.ones((2, 2)))), "node `lost` is not on the way"),
    "no spikes": (
        lambda m: m.nodes.update(layer0=m.nodes["layer2"], layer1=m.nodes["layer2"]),
        "does not spike but feeds|has shape",
    ),
    "two outputs": (put("o", nir.Output(np.array([2]))), "the graph has 2 Output nodes; it needs"),
    "two-dimensional input": (put("input", nir.Input(np.array([2, 3]))), "has no shape .channels,"),
    "deep nests": (nest, "nested more than 8 deep, or in a circle"),
    "a circle": (lambda m: m.nodes.update(w1=m), "inner graph|nested more than 8 deep"),
    "a bias too large": (
        put("w1", nir.Affine(np.ones((8, 7)), np.full(8, 1e308))),
        r"node `layer1`: `bias \(with its gain\)` holds NaN or infinity",
    ),
    "millions of inputs": (
        put("input", nir.Input(np.array([10**12]))),
        r"\(7, 6\); \(neurons, 1000000000000\) is needed",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_represented_is_refused_by_node_and_reason(case):
    change, text = REFUSED[case]
    with pytest.raises((DataError, RangeError), match=text) as caught:
        import_graph(changed(change), TimeStep(DT), AT_ONCE)
    assert "\n" not in str(caught.value)


def test_layers_larger_than_memory_are_refused_before_they_are_made():
    n = 10**6
    made = nir.NIRGraph(
        {
            "input": nir.Input(np.array([n])),
            "cells": nir.LIF(*(np.ones(n) for _ in range(2)), np.zeros(n), np.ones(n)),
            "output": nir.Output(np.array([n])),
        },
        [("input", "cells"), ("cells", "output")],
        type_check=False,
    )
    with pytest.raises(RangeError, match="would have 1000000000000 weights; at most 67108864"):
        import_graph(made, TimeStep(DT), AT_ONCE)


def test_steps_and_discretizations_that_make_no_sense_are_refused():
    with pytest.raises(RangeError, match="`dt` is 0; a step is longer than 0 s"):
        TimeStep(0)
    with pytest.raises(RangeError, match="`discretization` is rk4; known: exact, euler"):
        TimeStep(DT, "rk4")
    made = graph(np.random.default_rng(4))
    with pytest.raises(DataError, match=r"shorter than a step of 0.1 s, where forward Euler"):
        import_graph(made, TimeStep(0.1, "euler"), AT_ONCE)


@pytest.mark.slow
def test_a_biased_graph_of_others_goes_all_the_way_to_integers_and_out_again(run, tmp_path):
    nir.write(tmp_path / "theirs.nir", graph(np.random.default_rng(4), biased=True))
    assert run("import-nir", "theirs.nir", "--dt", DT).code == 0
    np.save("raster.npy", raster_of(1500))  # a second and a half is soon calibrated on
    done = run("quantize", "theirs.rsnn.h5", "--calibration", "raster.npy", "-o", "t.int.h5")
    assert done.code == 0
    assert "biases" in done.out
    assert run("verify", "t.int.h5", "--input", "raster.npy", "--steps", 300).code == 0
    assert run("export-nir", "t.int.h5").code == 0
    assert run("import-nir", "t.nir", "-o", "back.int.h5").code == 0
    digests = [
        json.loads(run("inspect", file, "--json").out)["digest"]
        for file in ("t.int.h5", "back.int.h5")
    ]
    assert digests[0] == digests[1]


@pytest.mark.slow
def test_the_command_asks_for_dt_and_says_what_it_took(run, tmp_path):
    nir.write(tmp_path / "theirs.nir", graph(np.random.default_rng(4)))
    done = run("import-nir", "theirs.nir")
    assert done.code == 1
    assert done.err == (
        "Error: theirs.nir carries no numeric contract, and NIR has no time step; give --dt in"
        " seconds, such as --dt 0.001\n"
    )
    done = run("import-nir", "theirs.nir", "--dt", DT)
    assert done.out.startswith("theirs.rsnn.h5\ndigest ")
    assert "discretization exact, order at-once, reset zero, fires above" in done.err.replace(
        "\n", " "
    )
    inputs = json.loads(run("inspect", "theirs.rsnn.h5", "--json").out)["provenance"]["inputs"]
    assert inputs["graph"] == "theirs.nir"
    assert run("quantize", "theirs.rsnn.h5", "-o", "t.int.h5").code == 0
    assert run("verify", "t.int.h5").code == 0
    assert run("export-nir", "t.int.h5").code == 0
    done = run("import-nir", "t.nir", "--dt", DT)
    assert "--dt is 0.001, but t.nir carries a numeric contract" in done.err
