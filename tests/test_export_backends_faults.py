"""A fault in what any backend is given is found at its step, neuron and variable.

Faults in written ONNX models are in test_export_formats_onnx.py, those in C sources in
test_export_formats_c.py.
"""

import os

import numpy as np
import pytest
from faulty_backends import choosing, flipping
from networks import random_network, random_raster, with_arrays

from rsnnctl.backends import backends
from sim import reference
from sim.trace import first_difference
from sim.verify import verify

BACKENDS = backends()


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


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fault_in_what_a_backend_is_given_is_found_where_it_shows(
    backend, network, raster, fault
):
    """Whatever a format leaves out or reads wrongly would hide one of them."""
    place = first_difference(reference.run(network, raster), reference.run(fault(network), raster))

    def faulty(network, raster):
        return BACKENDS[backend](fault(network), raster)

    report = verify(network, [raster], {backend: faulty})
    if reason := report.not_run.get(backend):
        (pytest.fail if os.environ.get("RSNN_REQUIRE_TOOLS") == "1" else pytest.skip)(reason)
    first = report.backends[backend].first
    assert place is not None
    assert first.difference == place
    assert first.operands["step"] == place.step
