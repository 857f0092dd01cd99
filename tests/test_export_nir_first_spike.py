"""First spikes in NIR: neurons that integrate and fire, and the same integers read back."""

import nir
import numpy as np
import pytest
from first_spike_networks import T, drawn

from base.errors import RangeError
from export.nir.files import export_nir, import_nir, to_graph
from sim import reference


@pytest.mark.parametrize("leak", [False, True])
def test_its_graph_says_integrate_and_fire_and_reads_back_as_the_same_network(tmp_path, leak):
    network, _, _ = drawn(4, leak=leak, frac_bits=2)
    export_nir(network, tmp_path / "a.nir")
    assert import_nir(tmp_path / "a.nir").digest() == network.digest()
    graph = nir.read(tmp_path / "a.nir")
    assert list(map(tuple, graph.edges)) == [
        ("input", "readout_w_in"),
        ("readout_w_in", "readout"),
        ("readout", "output"),
    ]
    layer, neuron = network.readout, graph.nodes["readout"]
    assert type(neuron) is (nir.LIF if leak else nir.IF)
    assert np.array_equal(graph.nodes["readout_w_in"].weight, layer.w_in)
    unity = 1 << network.contract.decay_frac
    gain = 1 - layer.decay_mem / unity if leak else 1
    assert np.allclose(neuron.v_threshold, layer.threshold * gain / 4)
    if leak:
        assert np.allclose(np.exp(-network.dt / neuron.tau), layer.decay_mem / unity)
    with pytest.raises(RangeError, match="is of kind first_spike, which norse does not compute"):
        export_nir(network, tmp_path / "b.nir", "norse")


def test_a_reader_of_the_nodes_alone_finds_the_same_first_spikes():
    """Integrate, fire, reset: the first spike of each neuron is that of the contract."""
    network, _, raster = drawn(6)
    neuron = to_graph(network).nodes["readout"]
    weights = to_graph(network).nodes["readout_w_in"].weight
    v, first = np.zeros(10), np.full(10, T)
    for step, row in enumerate(raster):
        v = v + neuron.r * (weights @ row)
        fires = v > neuron.v_threshold
        first[fires & (first == T)] = step
        v = np.where(fires, neuron.v_reset, v)
    words = reference.run(network, raster).variables
    assert first.tolist() == words["readout.t"][-1].tolist()
    assert (first < T).any()
