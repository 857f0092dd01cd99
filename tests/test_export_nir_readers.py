"""Graphs for one reader each: its discretization finds our decays, and the contract is there."""

import json
from dataclasses import replace

import h5py
import nir
import numpy as np
import pytest
from networks import LOIHI_LIKE, random_network, with_arrays

from base.errors import FileError, RangeError
from export.nir.files import METADATA_KEY, export_nir, import_nir, to_graph
from export.nir.readers import READERS, reader_named
from sim.artifact import save_network
from sim.contract import PAPER, SNNTORCH
from sim.fast import runs
from sim.network import IntegerNetwork

AT_ONCE = replace(LOIHI_LIKE, delay_steps=0)


@pytest.fixture
def positive():
    """A network of two layers and two heads, all thresholds positive, decays 0 and 1 among it."""
    shape = {"hidden": (5, 4), "n_heads": 2}
    network = random_network(np.random.default_rng(2), **shape, threshold=7, min_threshold=1)
    for i, layer in enumerate(network.hidden):
        changes = {}
        for name, values in (
            ("threshold", [3]),
            ("decay_mem", [0, 4096]),
            ("decay_syn", [4096, 0]),
        ):
            changes[name] = np.concatenate([values, getattr(layer, name)[len(values) :]])
        network = with_arrays(network, i, **changes)
    return network


def metadata(graph):
    return json.loads(graph.metadata[METADATA_KEY])


@pytest.mark.parametrize("reader", READERS)
def test_each_file_names_its_reader_and_comes_back_exactly(positive, reader, tmp_path):
    path = tmp_path / "net.nir"
    export_nir(positive, path, reader)
    assert nir.read(path).check_types()
    assert metadata(nir.read(path))["for"] == reader
    assert import_nir(path).digest() == positive.digest()


@pytest.mark.parametrize(("reader", "dt"), [("norse", 0.004), ("snntorch", 1e-4)])
def test_forward_euler_finds_our_decays_gains_and_thresholds(positive, reader, dt):
    graph = to_graph(positive, reader)
    for i, layer in enumerate(positive.hidden):
        node = next(n for name, n in graph.nodes.items() if name.endswith(f"hidden{i}"))
        node = node.nodes["lif"] if reader == "snntorch" else node
        for decay, tau, gain in (
            (layer.decay_mem / 4096, node.tau_mem, node.r),
            (layer.decay_syn / 4096, node.tau_syn, node.w_in),
        ):
            assert np.allclose(1 - dt / tau, decay, rtol=0, atol=1e-15)
            assert np.allclose(dt / tau * gain, 1.0, rtol=1e-12)
        w_in = next(n for name, n in graph.nodes.items() if name.endswith(f"hidden{i}_w_in")).weight
        shifted = layer.w_in.astype(int) << layer.e_in.astype(int)[:, None]
        # whatever is in the weights and what in the threshold, their ratio is ours
        ratio = w_in / node.v_threshold[:, None]
        assert np.allclose(ratio, shifted * 64 / (layer.threshold[:, None] + 0.5), rtol=1e-12)
    if reader == "snntorch":
        assert all(np.unique(n.v_threshold).size == 1 for n in [node])


def test_names_for_snntorch_sort_in_the_order_of_signals(positive):
    names = list(to_graph(positive, "snntorch").nodes)
    assert names == sorted(names)
    assert [name.partition("_")[2] for name in names] == [
        "input",
        "hidden0_w_in",
        "hidden0",
        "hidden1_w_in",
        "hidden1",
        "readout_w_out",
        "readout",
        "output",
    ]


def test_the_file_says_what_its_reader_does_otherwise(positive):
    differs = metadata(to_graph(positive, "norse"))["reader_differs"]
    assert differs == {"current": "new", "fires_on": "new_membrane", "delay_steps": 0}
    same = random_network(np.random.default_rng(1), AT_ONCE)
    assert metadata(to_graph(same, "norse"))["reader_differs"] == {}
    assert metadata(to_graph(positive))["reader_differs"] == {}


LATE = {"fires_on": "reset_membrane", "reset_delay": True}
SUBTRACT = {"reset": "subtract", "reset_drops_input": False}


@pytest.mark.parametrize("reader", ["norse", "snntorch"])
@pytest.mark.parametrize(
    ("contract", "differs"),
    [
        (AT_ONCE, {}),
        (replace(AT_ONCE, delay_steps=1), {"delay_steps": 0}),
        (replace(AT_ONCE, fires_on="reset_membrane"), {}),  # of a cleared membrane the same
        (replace(AT_ONCE, **LATE, reset_drops_input=False), {}),  # cleared before the next input
        (replace(AT_ONCE, **LATE), {"reset_delay": False}),
        (replace(AT_ONCE, **SUBTRACT), {"reset": "zero", "reset_drops_input": True}),
        (SNNTORCH, {"reset": "zero"}),
        (PAPER, {"current": "new", "fires_on": "new_membrane", "delay_steps": 0}),
    ],
)
def test_a_reader_differs_in_what_makes_it_spike_otherwise(contract, differs, reader):
    network = random_network(np.random.default_rng(1), contract, min_threshold=1)
    assert reader_named(reader).differs(network) == differs
    theirs = IntegerNetwork(network.layers, AT_ONCE, network.dt)  # zero, as both come
    raster = (np.random.default_rng(2).random((300, network.n_inputs)) < 0.3).astype(np.uint8)
    spikes, expected = (
        runs.run_backend(each, raster).variables["hidden0.spk"] for each in (network, theirs)
    )
    assert expected.any()
    assert np.array_equal(spikes, expected) == (not differs)


def test_a_threshold_that_a_cleared_membrane_passes_tells_the_orders_apart():
    contract = replace(AT_ONCE, fires_on="reset_membrane")
    network = with_arrays(random_network(np.random.default_rng(1), contract), 0, threshold=[-1] * 8)
    assert reader_named("norse").differs(network) == {"fires_on": "new_membrane"}


def test_what_a_reader_cannot_express_is_refused_with_neuron_and_way_out(positive):
    threshold = positive.hidden[1].threshold.copy()
    threshold[2] = -5
    negative = with_arrays(positive, 1, threshold=threshold)
    text = r"hidden1: neuron 2 has threshold -5; snntorch has one positive .* `reader=norse`"
    with pytest.raises(RangeError, match=text):
        to_graph(negative, "snntorch")
    to_graph(negative, "norse")
    scale = positive.readout.out_scale.copy()
    scale[1] = 0
    with pytest.raises(RangeError, match=r"row 1 has out_scale 0, which snntorch can only keep in"):
        to_graph(with_arrays(positive, -1, out_scale=scale), "snntorch")
    with pytest.raises(RangeError, match="`reader` is brian; known: exact, norse, snntorch"):
        reader_named("brian")


def test_an_edited_graph_for_a_reader_is_refused(positive, tmp_path):
    path = tmp_path / "net.nir"
    for edit, text in (
        (("n2_hidden0/nodes/lif/tau_mem", 0.5), "`tau_mem` of node `lif` was edited"),
        (("n2_hidden0/nodes/w_rec/weight", 0.5), "digest is|no multiple|`weight` of node"),
    ):
        export_nir(positive, path, "snntorch")
        with h5py.File(path, "r+") as file:
            file["node/nodes"][edit[0]][...] += edit[1]
        with pytest.raises(FileError, match=text):
            import_nir(path)


def test_the_command_names_the_reader_on_stdout_what_it_must_know_on_stderr(run, positive):
    save_network(positive, "a.int.h5")
    done = run("export-nir", "a.int.h5", "--for", "norse")
    assert done.out == "a.nir\n"
    assert "from_nir(graph, dt=0.004)" in done.err
    assert "`fires_on` new_membrane" in done.err
    assert run("import-nir", "a.nir", "-o", "b.int.h5").out.endswith(positive.digest() + "\n")
    assert "fires_on" not in run("export-nir", "a.int.h5").err
    assert "'exact', 'norse'" in run("export-nir", "a.int.h5", "--for", "x").err
