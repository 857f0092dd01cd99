"""A fault in what each backend of Python runs is found at its step, neuron and variable.

Faults in ONNX models are in test_export_formats_onnx.py, those in compiled C in
test_export_formats_c.py.
"""

import numpy as np
import pytest
from faulty_backends import choosing, flipping
from networks import random_network, random_raster, with_arrays

from export.formats import backends
from export.nir import files as export
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


def threshold(network):
    moved = np.sort(network.hidden[0].threshold)[::-1] - 1000
    return with_arrays(network, 0, threshold=moved)


FAULTS = {
    "weight": flipping(0, "w_in", 3, 2),
    "recurrent weight": flipping(0, "w_rec", 1),
    "decay": flipping(-1, "decay_mem", 1),
    "threshold": threshold,
    "rounding": choosing(rounding="floor"),
}


def check_found(name, network, raster, fault):
    place = first_difference(reference.run(network, raster), reference.run(fault(network), raster))
    every = {"numba": runs.run_backend, **backends()}
    result = verify(network, [raster], {name: every[name]}).backends[name]
    assert place is not None
    assert result.first.difference == place
    assert result.first.operands["step"] == place.step


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_in_a_written_graph_is_found_where_it_shows(network, raster, fault, monkeypatch):
    right = export.to_graph
    monkeypatch.setattr(export, "to_graph", lambda n, *reader: right(fault(network), *reader))
    check_found("nir", network, raster, fault)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_fault_in_what_the_kernels_read_is_found_where_it_shows(
    network, raster, fault, monkeypatch
):
    from sim.fast import tuned

    right = tuned.arrange
    monkeypatch.setattr(tuned, "arrange", lambda n: right(fault(n)))
    check_found("numba", network, raster, fault)


def test_verify_has_these_backends_by_default():
    assert {"nir", "onnxruntime", "onnx-reference"} <= set(backends())
