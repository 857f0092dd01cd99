from dataclasses import replace

import numpy as np
import pytest
from networks import covering_contracts, random_network, random_raster

from base.errors import MismatchError, RangeError
from sim import reference
from sim.artifact import load_network, save_network
from sim.bounds.layers import state_bounds
from sim.contract import PAPER, signed_range
from sim.fast import runs
from sim.intermediates import asked_in
from sim.metrics import storage
from sim.overflow.witness import drive


def network_with(bias):
    network = random_network(np.random.default_rng(0), hidden=(1,), n_inputs=1, recurrent=False)
    return replace(network, layers=(replace(network.hidden[0], bias=bias), network.readout))


def test_a_bias_is_added_in_every_step_and_the_first():
    network = network_with(np.array([-7]))
    hidden = replace(network.hidden[0], decay_syn=np.array([1 << network.contract.decay_frac]))
    network = replace(network, layers=(hidden, network.readout))
    trace = reference.run(network, np.zeros((4, 1), np.uint8))
    assert trace.variables["hidden0.syn"][:, 0].tolist() == [-7, -14, -21, -28]


def test_a_bias_of_zeros_changes_the_digest_but_no_word_and_none_changes_neither():
    network = network_with(None)
    zeros = network_with(np.array([0]))
    raster = random_raster(np.random.default_rng(1), 50, 1)
    assert network.digest() != zeros.digest()
    for name, words in reference.run(network, raster).variables.items():
        assert np.array_equal(words, reference.run(zeros, raster).variables[name])


@pytest.mark.slow
@pytest.mark.parametrize("contract", covering_contracts())
def test_biased_networks_run_as_the_reference_within_their_bounds(contract):
    rng = np.random.default_rng(2)
    network = random_network(rng, contract, hidden=(8, 20), biased=True, n_heads=2)
    raster = random_raster(rng, 120, network.n_inputs)
    expected = reference.run(network, raster)
    found = runs.run_backend(network, raster)
    bounds = state_bounds(network)
    for name, words in expected.variables.items():
        assert np.array_equal(words, found.variables[name]), name
    for index, (name, layer) in enumerate(network.named_layers()):
        asked = asked_in(network, raster, expected, index, np.arange(layer.n_neurons))
        for variable, values in asked.items():
            low, high = bounds[name].range_of(variable)
            assert (values.low >= low).all(), (name, variable)
            assert (values.high <= high).all(), (name, variable)


def test_biases_at_both_ends_of_the_word_run_as_the_reference():
    low, high = signed_range(network_with(None).contract.syn_bits)
    raster = random_raster(np.random.default_rng(3), 60, 1)
    for end in (low, high):
        network = network_with(np.array([end]))
        expected = reference.run(network, raster)
        found = runs.run_backend(network, raster)
        for name, words in expected.variables.items():
            assert np.array_equal(words, found.variables[name]), name


def test_a_saved_bias_comes_back_and_is_counted(tmp_path):
    network = random_network(np.random.default_rng(4), biased=True)
    digest = save_network(network, tmp_path / "a.int.h5")
    assert load_network(tmp_path / "a.int.h5").digest() == digest
    bare = tuple(replace(layer, bias=None) for layer in network.layers)
    more = storage(network).dense_bits - storage(replace(network, layers=bare)).dense_bits
    n = sum(layer.n_neurons for layer in network.layers)
    assert more == n * network.contract.syn_bits


def test_a_bias_that_does_not_fit_is_refused():
    high = signed_range(network_with(None).contract.syn_bits)[1]
    with pytest.raises(RangeError, match=rf"hidden0.bias holds {high + 1}; .* is possible"):
        network_with(np.array([high + 1]))
    with pytest.raises(MismatchError, match=r"hidden0.bias has shape \(2,\); \(1,\) is needed"):
        network_with(np.array([0, 0]))


def test_the_range_of_a_biased_current_is_reached_on_both_sides():
    contract = replace(PAPER, frac_bits=2, delay_steps=0)  # so that inputs act in the first step
    network = random_network(
        np.random.default_rng(6), contract, hidden=(6,), recurrent=False, biased=True
    )
    layer = replace(network.hidden[0], bias=np.array([900, -900, 5, -5, 0, 4000]))
    layer = replace(layer, decay_syn=np.full(6, 3000))
    network = replace(network, layers=(layer, network.readout))
    bounds = state_bounds(network)["hidden0"]
    for neuron in range(6):
        for side, end in (("low", bounds.syn_low), ("high", bounds.syn_high)):
            witness = drive(network, "hidden0", "syn", neuron, side)
            assert witness.value == end[neuron], (neuron, side)
    assert bounds.syn_low[5] > 0  # a bias that no input outweighs
