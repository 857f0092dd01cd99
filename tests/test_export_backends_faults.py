"""A fault in what each backend of Python runs is found at its step, neuron and variable.

Faults in ONNX models are in test_export_formats_onnx.py, those in compiled C in
test_export_formats_c.py.
"""

from dataclasses import replace

import numpy as np
import pytest
from networks import random_network, random_raster

from export.formats import backends
from export.formats import nir as export
from sim import reference
from sim.fast import runs
from sim.trace import first_difference
from sim.verify import verify


@pytest.fixture
def network():
    return random_network(np.random.default_rng(4), hidden=(6,))


@pytest.fixture
def raster():
    return random_raster(np.random.default_rng(5), 80, 12)


def weight(network):
    (layer, *others) = network.layers
    w_in = layer.w_in.copy()
    w_in[3, 2] ^= 1
    return replace(network, layers=(replace(layer, w_in=w_in), *others))


def recurrent_weight(network):
    (layer, *others) = network.layers
    w_rec = layer.w_rec.copy()
    w_rec[1] ^= 1
    return replace(network, layers=(replace(layer, w_rec=w_rec), *others))


def decay(network):
    *others, readout = network.layers
    decays = readout.decay_mem.copy()
    decays[1] ^= 1
    return replace(network, layers=(*others, replace(readout, decay_mem=decays)))


def threshold(network):
    (layer, *others) = network.layers
    moved = np.sort(layer.threshold)[::-1] - 1000
    return replace(network, layers=(replace(layer, threshold=moved), *others))


def rounding(network):
    return replace(network, contract=replace(network.contract, rounding="floor"))


FAULTS = (weight, recurrent_weight, decay, threshold, rounding)


def check_found(name, network, raster, fault):
    place = first_difference(reference.run(network, raster), reference.run(fault(network), raster))
    every = {"numba": runs.run_backend, **backends()}
    result = verify(network, [raster], {name: every[name]}).backends[name]
    assert place is not None
    assert result.first.difference == place
    assert result.first.operands["step"] == place.step


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_written_graph_is_found_where_it_shows(network, raster, fault, monkeypatch):
    right = export.to_graph
    monkeypatch.setattr(export, "to_graph", lambda n, *reader: right(fault(network), *reader))
    check_found("nir", network, raster, fault)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_what_the_kernels_read_is_found_where_it_shows(
    network, raster, fault, monkeypatch
):
    from sim.fast import simulator

    right = simulator.arrange
    monkeypatch.setattr(simulator, "arrange", lambda n: right(fault(n)))
    check_found("numba", network, raster, fault)


def test_verify_has_these_backends_by_default():
    assert {"nir", "onnxruntime", "onnx-reference"} <= set(backends())
