"""ONNX in integers: both models, both engines, every contract; faults in what is written."""

import json
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from networks import covering_contracts, networks, random_network, random_raster
from onnx import numpy_helper

from base.errors import FileError, MismatchError, RangeError
from export.formats.onnx import FORMAT
from export.nir.files import METADATA_KEY, to_graph
from export.onnx import engines, models
from export.onnx.models import export_onnx, initial_states, to_scan_model, to_step_model
from export.quantization.precision import Precision
from export.quantize import quantize
from rsnn.data.raster import random_raster as independent_spikes
from rsnn.published import import_published
from sim import reference
from sim.contract import PAPER
from sim.trace import empty_trace, first_difference, variable_names
from sim.verify import verify

INTEGERS = {
    onnx.TensorProto.UINT8,
    onnx.TensorProto.INT8,
    onnx.TensorProto.INT32,
    onnx.TensorProto.INT64,
}

BACKENDS = FORMAT.backends


@pytest.fixture
def network():
    return random_network(np.random.default_rng(1), hidden=(5, 4), n_heads=2)


@pytest.fixture
def raster():
    return random_raster(np.random.default_rng(2), 60, 12)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("contract", covering_contracts(), ids=lambda c: f"{c.reset}-{c.rounding}")
def test_every_choice_of_the_contract_gives_the_words_of_the_reference(contract, backend, raster):
    rng = np.random.default_rng(3)
    for widths in ({}, {"syn_bits": 11, "mem_bits": 12, "weight_bits": 12, "frac_bits": 0}):
        network = random_network(rng, replace(contract, **widths), hidden=(6, 5), n_heads=3)
        expected = reference.run(network, raster)
        assert any(expected.variables[f"{name}.spk"].any() for name in network.layer_names[:-1])
        assert first_difference(expected, BACKENDS[backend](network, raster)) is None


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True)
@given(networks(covering_contracts()))
def test_networks_of_all_shapes_and_widths_agree(network):
    raster = random_raster(np.random.default_rng(0), 24, network.n_inputs)
    expected = reference.run(network, raster)
    for run in BACKENDS.values():
        assert first_difference(expected, run(network, raster)) is None


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
def test_published_networks_agree_over_2000_steps(published, bits):
    for path in published:
        network = quantize(import_published(path), Precision(bits=bits))
        raster = independent_spikes(2000, network.n_inputs, dt=network.dt)
        report = verify(network, [raster], BACKENDS)
        assert report.not_run == {}
        assert report.differences == 0, path
        assert report.words == 2 * 2000 * (3 * 64 + 2 * 2)


def test_one_step_and_an_empty_raster_are_no_special_cases(network):
    for n_steps in (0, 1, 2):
        raster = np.ones((n_steps, 12), np.uint8)
        for run in BACKENDS.values():
            assert first_difference(reference.run(network, raster), run(network, raster)) is None


def test_a_batch_is_as_many_streams(network, raster):
    import onnxruntime as runtime

    other = random_raster(np.random.default_rng(9), 60, 12)
    model = to_scan_model(network).SerializeToString()
    session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = variable_names(network)
    both = np.stack([raster, other], 1)
    feeds = initial_states(network, batch=2) | {"raster": both}
    found = session.run([f"{name}.trace" for name in names], feeds)
    for stream in range(2):
        expected = reference.run(network, both[:, stream])
        for name, array in zip(names, found, strict=True):
            assert np.array_equal(array[:, stream], expected.variables[name]), name


def nodes_of(graph):
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from nodes_of(attribute.g)


@pytest.mark.parametrize("make", [to_step_model, to_scan_model])
def test_all_operators_and_tensors_are_of_integers(make, network):
    model = onnx.shape_inference.infer_shapes(make(network), strict_mode=True)
    bodies = [a.g for node in model.graph.node for a in node.attribute if a.HasField("g")]
    for graph in (model.graph, *bodies):
        assert {tensor.data_type for tensor in graph.initializer} <= INTEGERS
        for value in (*graph.input, *graph.output, *graph.value_info):
            kind = value.type.tensor_type.elem_type
            assert kind in INTEGERS | {onnx.TensorProto.BOOL}, value.name
    assert {node.op_type for node in nodes_of(model.graph)} <= {
        *("Add", "Cast", "Div", "Greater", "GreaterOrEqual", "Identity", "MatMul"),
        *("MatMulInteger", "Max", "Min", "Mod", "Mul", "Scan", "Sub", "Where"),
    }


def test_the_same_network_gives_the_same_bytes_which_name_its_digest(network, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        export_onnx(network, tmp_path / folder / "step.onnx", tmp_path / folder / "scan.onnx")
    for name in ("step.onnx", "scan.onnx"):
        content = (tmp_path / "a" / name).read_bytes()
        assert content == (tmp_path / "b" / name).read_bytes()
        model = onnx.load_from_string(content)
        onnx.checker.check_model(model, full_check=True)
        metadata = json.loads(model.metadata_props[0].value)
        assert metadata["digest"] == network.digest()
        assert metadata["contract"] == network.contract.written()
        same_text = json.loads(to_graph(network).metadata[METADATA_KEY])
        for field in ("contract", "digest", "dt", "layers", "n_heads", "provenance"):
            assert metadata[field] == same_text[field], field


def test_a_network_larger_than_a_model_can_be_is_refused(network, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "MAX_BYTES", 400)
    with pytest.raises(RangeError, match=r"take \d+ bytes in ONNX; a model holds at most 400\."):
        export_onnx(network, tmp_path / "step.onnx", tmp_path / "scan.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_named_and_channels_are_counted(network, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match=r"file/step\.onnx: cannot be written"):
        export_onnx(network, tmp_path / "file" / "step.onnx", tmp_path / "scan.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    for run in BACKENDS.values():
        with pytest.raises(MismatchError, match="the network has 12 inputs"):
            run(network, np.zeros((3, 11), np.uint8))


def test_without_onnxruntime_verify_says_so_and_runs_the_other(network, raster, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    report = verify(network, [raster], BACKENDS)
    assert report.not_run == {
        "onnxruntime": "this backend needs onnxruntime; install it with pip install"
        " 'rsnnctl[onnxruntime]'"
    }
    assert set(report.backends) == {"onnx-reference"}


def change_weight(network):
    (layer, *others) = network.layers
    w_in = layer.w_in.copy()
    w_in[3, 2] ^= 1
    return replace(network, layers=(replace(layer, w_in=w_in), *others))


def change_decay(network):
    *others, readout = network.layers
    decay = readout.decay_mem.copy()
    decay[1] -= 1
    return replace(network, layers=(*others, replace(readout, decay_mem=decay)))


def change_comparison(network):
    return replace(network, contract=replace(network.contract, fires_when=">="))


def plant_weight(graph):
    for tensor in graph.initializer:
        if tensor.name == "hidden0.w_in":
            array = numpy_helper.to_array(tensor).copy()
            array[2, 3] ^= 1
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def plant_decay(graph):
    for tensor in graph.initializer:
        if tensor.name == "readout.decay_mem":
            array = numpy_helper.to_array(tensor).copy()
            array[1] -= 1
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))


def plant_comparison(graph):
    for node in graph.node:
        if node.op_type == "Greater":
            node.op_type = "GreaterOrEqual"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("plant", "same_as"),
    [
        (plant_weight, change_weight),
        (plant_decay, change_decay),
        (plant_comparison, change_comparison),
    ],
)
@pytest.mark.parametrize("kind", ["step", "scan"])
def test_a_fault_in_a_written_model_is_found_where_it_shows(
    plant, same_as, kind, backend, monkeypatch
):
    contract = replace(PAPER, frac_bits=0)
    network = random_network(np.random.default_rng(4), contract, hidden=(6,), threshold=3)
    layer, readout = network.layers
    ties = replace(layer, threshold=layer.threshold * 0)  # a silent membrane is at threshold
    network = replace(network, layers=(ties, readout))
    raster = random_raster(np.random.default_rng(5), 80, 12)
    raster[:4] = 1

    make = {"step": to_step_model, "scan": to_scan_model}[kind]

    def faulty(network):
        model = make(network)
        body = model.graph if kind == "step" else model.graph.node[0].attribute[0].g
        plant(body)
        return model

    monkeypatch.setattr(engines, f"to_{kind}_model", faulty)
    half = len(raster) // 2
    faulty_steps = range(half) if kind == "step" else range(half, len(raster))
    changed = trace_with(network, raster, same_as(network), faulty_steps)
    place = first_difference(reference.run(network, raster), changed)
    found = verify(network, [raster], {backend: BACKENDS[backend]}).backends[backend].first
    assert place is not None
    assert found.difference == place


def trace_with(network, raster, changed, steps):
    """The reference's trace, with another network at some steps."""
    trace = empty_trace(network, len(raster))
    state = reference.initial_state(network)
    for t, x in enumerate(raster):
        state = reference.step(changed if t in steps else network, state, x)
        reference.keep(trace, network, t, state)
    return trace
