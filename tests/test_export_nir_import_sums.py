"""What NIR leaves to the reader's arithmetic: sums of weights, views, leaks and single values."""

import h5py
import nir
import numpy as np
import pytest
import torch
from foreign_graphs import DT, graph, textbook

from base.errors import DataError
from export.nir.import_graph import import_graph, order_of
from export.nir.layers import TimeStep
from rsnn.evaluate import decode
from rsnnctl.read_nir import read_nir

AT_ONCE = order_of("at-once", "zero")


def made(*arguments, **options):
    return graph(np.random.default_rng(4), *arguments, **options)


def raster_of(n_inputs=6):
    return (np.random.default_rng(9).random((300, n_inputs)) < 0.4).astype(np.uint8)


def imported(made):
    return import_graph(made, TimeStep(DT), AT_ONCE)


def read(folder, made):
    nir.write(folder / "theirs.nir", made)
    return read_nir(folder / "theirs.nir", dt=DT)


def assert_same(model, other):
    """Equal within the rounding of a sum."""
    ours, theirs = dict(model.named_parameters()), dict(other.named_parameters())
    assert set(ours) == set(theirs)
    for name, parameter in ours.items():
        assert torch.allclose(parameter, theirs[name], rtol=1e-12, atol=1e-12), name


def refused(made, text):
    with pytest.raises(DataError, match=text) as caught:
        imported(made)
    assert "\n" not in str(caught.value)


# Sums


def split(made, name, source, target):
    """Replace weights by two nodes that add up to them, one of them with a bias."""
    whole = made.nodes[name].weight
    part = np.random.default_rng(2).normal(size=whole.shape)
    made.nodes[name] = nir.Linear(whole - part)
    made.nodes["more"] = nir.Affine(part, np.full(len(whole), 0.3))
    made.edges += [(source, "more"), ("more", target)]
    return nir.Affine(whole, np.full(len(whole), 0.3))


@pytest.mark.parametrize(
    ("name", "source", "target"),
    [
        ("w0", "input", "layer0"),
        ("layer0_back", "layer0", "layer0"),
        ("w1", "layer0", "layer1"),
        ("w2", "layer1", "layer2"),
    ],
)
def test_weights_between_the_same_two_nodes_add_up(name, source, target, tmp_path):
    theirs, plain = made(), made()
    plain.nodes[name] = split(theirs, name, source, target)
    assert_same(read(tmp_path, theirs), imported(plain))


def test_an_edge_beside_weights_adds_one_to_one():
    theirs, plain = made(), made()
    theirs.edges += [("layer0", "layer0")]
    plain.nodes["layer0_back"] = nir.Linear(plain.nodes["layer0_back"].weight + np.eye(7))
    assert_same(imported(theirs), imported(plain))
    theirs, plain = made(n_inputs=7), made(n_inputs=7)
    theirs.edges += [("input", "layer0")]
    plain.nodes["w0"] = nir.Linear(plain.nodes["w0"].weight + np.eye(7))
    assert_same(imported(theirs), imported(plain))


def test_weights_that_meet_at_the_output_add_up():
    nodes = {
        "input": nir.Input(np.array([6])),
        "layer0": made(("LIF",)).nodes["layer0"],
        "w0": made(("LIF",)).nodes["w0"],
        "a": nir.Linear(np.full((2, 7), 3.0)),
        "b": nir.Linear(np.full((2, 7), -1.0)),
        "output": nir.Output(np.array([2])),
    }
    edges = [("input", "w0"), ("w0", "layer0"), ("layer0", "a"), ("layer0", "b")]
    edges += [("a", "output"), ("b", "output")]
    model = imported(nir.NIRGraph(nodes, edges, type_check=False))
    assert torch.equal(model.heads[0].w_out, torch.full((2, 7), 2.0).double())


def test_weights_of_different_shapes_that_meet_are_refused():
    theirs = made()
    split(theirs, "w1", "layer0", "layer1")
    theirs.nodes["more"] = nir.Linear(np.ones((5, 7)))
    refused(
        theirs,
        r"^weights of shapes \(8, 7\) and \(5, 7\) meet at one node \(`w1`, `more`\); they are"
        " added up, so make their shapes equal$",
    )
    theirs = made()
    theirs.edges += [("layer0", "layer1")]
    refused(theirs, r"shapes \(8, 7\) and \(7, 7\) meet at one node \(`w1`\); they are added up")


# Views


def flattened(shape=(2, 3), declared="input", where="input", **options):
    """A graph whose input, or what is behind a node, passes a Flatten."""
    theirs = made()
    if where == "input":
        theirs.nodes["input"] = nir.Input(np.array(shape))
    given = {"input": np.array(shape)} if declared == "input" else declared
    theirs.nodes["view"] = nir.Flatten(given, **{"start_dim": 0, **options})
    behind = [b for a, b in theirs.edges if a == where]
    theirs.edges = [edge for edge in theirs.edges if edge[0] != where]
    theirs.edges += [(where, "view"), *(("view", b) for b in behind)]
    return theirs


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((2, 3), {}),
        ((6,), {}),
        ((6,), {"start_dim": 1}),
        ((1, 6), {"start_dim": 1}),
        ((3, 1, 2), {"end_dim": 2}),
        ((2, 3), {"end_dim": 1}),
    ],
)
@pytest.mark.parametrize("declared", ["input", None])
def test_a_flattened_input_is_a_view(shape, options, declared):
    assert_same(imported(flattened(shape, declared, **options)), imported(made()))


@pytest.mark.parametrize("where", ["w0", "layer0", "layer1", "layer2"])
def test_a_flatten_between_layers_is_a_view(where, tmp_path):
    n = {"w0": 7, "layer0": 7, "layer1": 8, "layer2": 2}[where]
    theirs = flattened((n,), where=where)
    assert_same(read(tmp_path, theirs), imported(made()))


def test_flattens_in_a_row_are_one():
    theirs = flattened()
    theirs.nodes["again"] = nir.Flatten({"input": np.array([6])}, 0)
    theirs.edges.remove(("view", "w0"))
    theirs.edges += [("view", "again"), ("again", "w0")]
    assert_same(imported(theirs), imported(made()))


def test_channels_are_in_the_order_of_the_elements():
    torch_order = torch.arange(6).reshape(2, 3).flatten()
    assert list(torch_order) == list(range(6))
    model = imported(flattened())
    ours, _ = decode(model, raster_of())
    theirs, _ = decode(imported(made()), raster_of().reshape(300, 2, 3).reshape(300, 6))
    assert np.array_equal(ours, theirs)


def test_flattens_that_are_no_view_of_what_is_before_are_refused():
    refused(
        flattened((2, 3), {"input": np.array([3, 2])}), r"`view` flattens \(3, 2\), but `input`"
    )
    refused(
        flattened((2, 3), start_dim=1),
        r"^node `view` leaves \(2, 3\) of \(2, 3\), with `start_dim` 1 and `end_dim` -1; flatten"
        " all axes$",
    )
    refused(flattened((2, 4)), r"`w0` has weights of shape \(7, 6\); \(neurons, 8\) is needed")
    theirs = flattened()
    theirs.edges += [("layer0", "view")]
    refused(theirs, "^node `view` has 2 inputs; it flattens one$")
    theirs.edges = [("view", "view"), ("view", "w0")]
    refused(theirs, "^node `view` has 1 inputs; it flattens one$")
    theirs = flattened()
    theirs.edges += [("input", "layer0")]
    refused(theirs, r"node `input` has no shape \(channels,\); flatten the input")


# Leaks


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("scalar", [False, True])
def test_a_leak_to_another_voltage_is_a_bias(scalar, biased):
    theirs = made(("LIF", "LIF"), "LI", "flat", scalar, biased=biased)
    for name, leak in (("layer0", 0.03), ("layer1", -0.02), ("layer2", 0.5)):
        node = theirs.nodes[name]
        node.v_leak = leak * (1 + np.arange(node.r.size) / 4)
    theirs.nodes["layer1"].r = 0 * theirs.nodes["layer1"].r  # so that no bias of the input's is it
    model = imported(theirs)
    (first, second), out = textbook(theirs, raster_of(), euler=False)
    outputs, spikes = decode(model, raster_of(), dtype=torch.float64)
    assert 30 < first.sum() < first.size
    assert np.array_equal(spikes[0], first)
    assert np.array_equal(spikes[1], second)
    assert np.abs(outputs - out).max() < 1e-12


def test_a_leak_behind_a_current_that_is_not_kept_is_a_bias_too():
    theirs = made(("CubaLIF",), "CubaLI", None)
    time = TimeStep(DT, "euler")
    for name in ("layer0", "layer1"):
        theirs.nodes[name].tau_syn[:] = DT
        theirs.nodes[name].v_leak[:] = 0.01
    (first,), out = textbook(theirs, raster_of(), euler=True)
    outputs, spikes = decode(import_graph(theirs, time, AT_ONCE), raster_of(), dtype=torch.float64)
    assert 30 < first.sum() < first.size
    assert np.array_equal(spikes[0], first)
    assert np.abs(outputs - out).max() < 1e-12
    theirs.nodes["layer1"].tau_syn[1] = 2 * DT
    with pytest.raises(
        DataError, match=r"node `layer1`: `v_leak` is 0\.01, which no bias is where"
    ):
        import_graph(theirs, time, AT_ONCE)


# Single values


@pytest.mark.parametrize("kind", ["LIF", "CubaLIF"])
@pytest.mark.parametrize("shape", [(), (1,)])
def test_one_value_beside_arrays_stands_for_all_neurons(kind, shape, tmp_path):
    theirs = made((kind,), "LI", None)
    keys = [key for key, value in vars(theirs.nodes["layer0"]).items() if np.shape(value) == (7,)]
    assert "v_threshold" in keys
    for key in keys:
        mixed, plain = made((kind,), "LI", None), made((kind,), "LI", None)
        value = getattr(plain.nodes["layer0"], key)[0]
        setattr(plain.nodes["layer0"], key, np.full(7, value))
        setattr(mixed.nodes["layer0"], key, np.full(1, value))
        nir.write(tmp_path / "theirs.nir", mixed)
        with h5py.File(tmp_path / "theirs.nir", "r+") as file:  # nir writes arrays only
            del file[f"node/nodes/layer0/{key}"]
            file[f"node/nodes/layer0/{key}"] = np.full(shape, value)
        assert_same(read_nir(tmp_path / "theirs.nir", dt=DT), imported(plain))


def test_single_values_of_two_shapes_stand_for_all_neurons(tmp_path):
    theirs = made(("LIF",), "LI", None, True)
    nir.write(tmp_path / "theirs.nir", theirs)
    with h5py.File(tmp_path / "theirs.nir", "r+") as file:
        del file["node/nodes/layer0/tau"]
        file["node/nodes/layer0/tau"] = theirs.nodes["layer0"].tau[0]
    assert_same(read_nir(tmp_path / "theirs.nir", dt=DT), imported(theirs))


def test_parameters_of_different_shapes_are_named(tmp_path):
    theirs = made(("LIF",), "LI", "nested")
    cells = theirs.nodes["layer0"].nodes["cells"]
    cells.r, cells.tau = np.ones(3), np.float64(0.01)
    with pytest.raises(DataError) as caught:
        read(tmp_path, theirs)
    assert str(caught.value) == (
        f"{tmp_path}/theirs.nir: node `layer0.cells` has parameters of different shapes: `r` (3,),"
        " `v_leak` (7,), `v_reset` (7,), `v_threshold` (7,); one shape, or one value for all, is"
        " needed"
    )
