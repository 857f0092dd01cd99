"""Adaptive thresholds: the equations on one neuron, and the same words in every backend."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import adaptive, covering_contracts, networks, random_network, random_raster
from overflow_cases import asked_words, violations

from base.errors import MismatchError, RangeError
from export.formats import backends
from export.nir.files import export_nir, import_nir
from sim import reference
from sim.artifact import load_network, load_vectors, save_network
from sim.bounds.layers import state_bounds
from sim.contract import PAPER
from sim.energy import ADD, MULTIPLY, READ, READ_BITS, energy
from sim.fast import runs
from sim.inspect import describe
from sim.kinds.adaptive_cuba_lif import AdaptiveCubaLIF
from sim.kinds.cuba_li import CubaLI
from sim.metrics import storage
from sim.network import IntegerNetwork
from sim.shrink import shrink
from sim.trace import count_differences
from sim.verify import verify

BACKENDS = {"numba": runs.run_backend, **backends()}


def one_neuron(contract=PAPER, *, threshold=10, step=4, decay=0.5, weight=6) -> IntegerNetwork:
    """A neuron whose membrane keeps all and whose current keeps nothing, driven by `weight`."""
    unity = 1 << contract.decay_frac
    layer = AdaptiveCubaLIF(
        w_in=np.array([[weight]]),
        w_rec=None,
        e_in=np.array([0]),
        e_rec=np.array([0]),
        decay_syn=np.array([0]),
        decay_mem=np.array([unity]),
        decay_threshold=np.array([int(decay * unity)]),
        threshold=np.array([threshold]),
        threshold_step=np.array([step]),
    )
    nothing = np.array([0])
    readout = CubaLI(np.array([[1]]), nothing, nothing, nothing, np.ones(1))
    return IntegerNetwork((layer, readout), contract, 0.004)


def test_a_spike_raises_the_threshold_which_falls_back_by_its_decay():
    """Worked by hand: 6 is added per step from step 2 on; a spike adds 4, which falls by halves."""
    network = one_neuron(replace(PAPER, frac_bits=0))
    trace = reference.run(network, np.ones((12, 1), np.uint8)).variables
    assert trace["hidden0.mem"][:, 0].tolist() == [0, 0, 6, 12, 0, 6, 12, 0, 6, 12, 0, 6]
    assert trace["hidden0.spk"][:, 0].tolist() == [0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0]
    assert trace["hidden0.adapt"][:, 0].tolist() == [0, 0, 0, 0, 4, 2, 1, 4, 2, 1, 4, 2]
    higher = reference.run(one_neuron(replace(PAPER, frac_bits=0), step=40), np.ones((12, 1)))
    assert higher.variables["hidden0.spk"][:, 0].tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0]


def test_subtraction_takes_the_raised_threshold_off():
    contract = replace(PAPER, frac_bits=0, reset="subtract", reset_drops_input=True)
    network = one_neuron(contract, threshold=10, step=3, decay=1.0)
    trace = reference.run(network, np.ones((9, 1), np.uint8)).variables
    assert trace["hidden0.mem"][:, 0].tolist() == [0, 0, 6, 12, 2, 8, 14, 1, 7]
    assert trace["hidden0.adapt"][:, 0].tolist() == [0, 0, 0, 0, 3, 3, 3, 6, 6]


@pytest.mark.slow
def test_a_step_of_nothing_is_the_neuron_without_adaptation():
    for i, contract in enumerate(covering_contracts()):
        rng = np.random.default_rng(i)
        plain = random_network(rng, contract, hidden=(6, 5), biased=i % 2 > 0)
        layers = [
            layer.replaced({"threshold_step": np.zeros(layer.n_neurons, int)})
            for layer in adaptive(rng, plain).hidden
        ]
        still = replace(plain, layers=(*layers, plain.readout))
        raster = random_raster(rng, 50, 12)
        found, right = (reference.run(n, raster).variables for n in (still, plain))
        assert all(np.array_equal(found[name], words) for name, words in right.items())
        assert not found["hidden0.adapt"].any()
        assert still.digest() != plain.digest()


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(covering_contracts())))
def test_every_backend_computes_every_word_under_every_contract(number):
    rng = np.random.default_rng(number)
    plain = random_network(
        rng, covering_contracts()[number], hidden=(7, 5), n_heads=2, recurrent=number % 3 > 0
    )
    network, raster = adaptive(rng, plain), random_raster(rng, 60, 12)
    found = verify(network, [raster, raster], BACKENDS)
    assert found.differences == 0
    assert set(found.not_run) == {"verilog"}
    assert {result.code for result in found.backends.values()} == {"generated"}
    assert (reference.run(network, raster).variables["hidden0.adapt"] != 0).mean() > 0.1


@pytest.mark.slow  # compiles C for each network; `make test-all` tries 100 per contract
@pytest.mark.parametrize("number", range(len(covering_contracts())))
def test_random_networks_of_every_contract_agree_in_every_backend(number):
    for seed in range(100 if "RSNN_TEST_ALL" in os.environ else 4):
        rng = np.random.default_rng((number, seed))
        shape = {"hidden": tuple(rng.integers(1, 7, rng.integers(1, 3)))}
        plain = random_network(
            rng,
            covering_contracts()[number],
            n_inputs=int(rng.integers(1, 9)),
            recurrent=bool(rng.integers(2)),
            biased=bool(rng.integers(2)),
            **shape,
        )
        network = adaptive(rng, plain)
        raster = random_raster(rng, 30, network.n_inputs)
        assert verify(network, [raster], BACKENDS).differences == 0, seed


@pytest.mark.slow  # compiles a kernel for nearly every network
@settings(max_examples=150, deadline=None, derandomize=True)
@given(networks(covering_contracts()), st.integers(0, 2**32 - 1))
def test_kernels_agree_and_no_input_leaves_the_bounds_at_any_width(plain, seed):
    rng = np.random.default_rng(seed)
    network = adaptive(rng, plain)
    raster = random_raster(rng, 40, network.n_inputs)
    trace = reference.run(network, raster)
    assert count_differences(trace, runs.run_backend(network, raster)) == 0
    assert not violations(asked_words(network, raster), state_bounds(network))


def test_files_nir_and_inspection_know_the_kind(tmp_path):
    network = adaptive(np.random.default_rng(3), random_network(np.random.default_rng(3)))
    path = tmp_path / "a.int.h5"
    assert save_network(network, path) == network.digest()
    assert load_network(path).digest() == network.digest()
    golden, trace = load_vectors(path)
    assert count_differences(reference.run(network, golden), trace) == 0
    assert "hidden0.adapt" in trace.variables
    export_nir(network, tmp_path / "a.nir")
    assert import_nir(tmp_path / "a.nir").digest() == network.digest()
    row = describe(network)["layers"][0]
    assert {"decay_threshold", "threshold_step"} <= set(row)
    plain = random_network(np.random.default_rng(3))
    c = network.contract
    more = network.hidden[0].n_neurons * (c.decay_frac + c.mem_bits)
    unity = 3 * network.hidden[0].has_unity(c) - 2 * plain.hidden[0].has_unity(c)
    more += network.hidden[0].n_neurons * unity
    assert storage(network).dense_bits - storage(plain).dense_bits == more


def test_the_third_word_of_a_neuron_has_the_membrane_s_width_and_costs_energy_and_state():
    plain = random_network(np.random.default_rng(3), replace(PAPER, syn_bits=16, mem_bits=24))
    network = adaptive(np.random.default_rng(3), plain)
    more = energy(network, 0.0).neurons - energy(plain, 0.0).neurons
    read = READ[0][1] / READ_BITS
    n, bits = network.hidden[0].n_neurons, network.contract.mem_bits
    assert more == pytest.approx(n * (MULTIPLY + ADD + 2 * bits * read))


@pytest.mark.parametrize("reader", ["norse", "snntorch"])
def test_readers_that_would_compute_something_else_are_refused_by_name(reader, tmp_path):
    network = adaptive(np.random.default_rng(3), random_network(np.random.default_rng(3)))
    with pytest.raises(RangeError, match=f"hidden0 is of kind adaptive_cuba_lif, which {reader} d"):
        export_nir(network, tmp_path / "a.nir", reader)
    assert not list(tmp_path.iterdir())


def test_a_step_below_nothing_and_an_array_of_another_size_are_refused():
    network = one_neuron()
    layer = network.layers[0]
    for array, error, text in (
        ([-1], RangeError, "hidden0.threshold_step holds -1; 0..2147483647 is possible"),
        ([1, 2], MismatchError, r"hidden0.threshold_step has shape \(2,\); \(1,\) is needed"),
    ):
        wrong = layer.replaced({"threshold_step": np.array(array)})
        with pytest.raises(error, match=text):
            replace(network, layers=(wrong, network.readout))


def test_a_fault_is_shrunk_to_the_one_neuron_that_shows_it():
    rng = np.random.default_rng(5)
    network = adaptive(rng, random_network(rng, hidden=(6,)))

    def wrong(network, raster):
        trace = reference.run(network, raster)
        words = trace.variables["hidden0.adapt"]
        words[words > 0] -= 1
        return trace

    small, raster = shrink(network, random_raster(rng, 60, 12), wrong)
    assert small.hidden[0].n_neurons == 1
    assert small.kinds() == {"hidden0": "adaptive_cuba_lif"}
    assert len(raster) <= 20
