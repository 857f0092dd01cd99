"""Double-exponential synapses and a refractory period: the equations on one neuron, and the same
words in every backend."""

import os
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import covering_contracts, double_exp, networks, random_network, random_raster
from overflow_cases import asked_words, violations

from base.errors import RangeError, UnsupportedError
from export.formats import backends
from export.nir.files import export_nir
from sim import reference
from sim.artifact import load_network, load_vectors, save_network
from sim.bounds.layers import state_bounds
from sim.contract import PAPER, NumericContract
from sim.fast import runs
from sim.kinds.cuba_li import CubaLI
from sim.kinds.double_exp_lif import DoubleExpLIF
from sim.network import IntegerNetwork
from sim.trace import count_differences
from sim.verify import verify

BACKENDS = {"numba": runs.run_backend, **backends()}
CONTRACT = replace(PAPER, fires_on="new_membrane", frac_bits=0, delay_steps=0, current="new")


def one_neuron(contract=CONTRACT, *, direct=6, recurrent=None, threshold=10, **arrays):
    """A neuron whose membrane keeps all; `rise` and `syn` lose a half and three quarters."""
    unity = 1 << contract.decay_frac
    layer = DoubleExpLIF(
        w_direct=np.array([[direct]]),
        w_rec=None if recurrent is None else np.array([[recurrent]]),
        e_direct=np.array([0]),
        e_rec=np.array([0]),
        decay_rise=np.array([unity // 2]),
        decay_syn=np.array([unity // 4]),
        decay_mem=np.array([unity]),
        threshold=np.array([threshold]),
        **{name: np.array([value]) for name, value in arrays.items()},
    )
    nothing = np.array([0])
    readout = CubaLI(np.array([[1]]), nothing, nothing, nothing, np.ones(1))
    return IntegerNetwork((layer, readout), contract, 0.0005)


def words(network, raster):
    trace = reference.run(network, np.array(raster, np.uint8)[:, None]).variables
    return {key.partition(".")[2]: v[:, 0].tolist() for key, v in trace.items() if "hidden" in key}


def test_an_input_reaches_the_membrane_at_once_and_a_spike_clears_it():
    found = words(one_neuron(), [1] * 6)
    assert found["mem"] == [6, 0, 6, 0, 6, 0]
    assert found["spk"] == [0, 1, 0, 1, 0, 1]
    assert not any(found["rise"] + found["syn"] + found["wait"])


def test_a_neuron_that_waits_integrates_nothing_for_as_many_steps_as_the_contract_says():
    found = words(one_neuron(replace(CONTRACT, refractory_steps=3)), [1] * 8)
    assert found["spk"] == [0, 1, 0, 0, 0, 0, 1, 0]
    assert found["wait"] == [0, 3, 2, 1, 0, 0, 3, 2]
    assert found["mem"] == [6, 0, 0, 0, 0, 6, 0, 0]


def test_a_spike_is_in_rise_a_step_later_and_in_syn_and_mem_two_steps_later():
    """Worked by hand: 16 at t + 1 falls by halves in `rise`, is summed in `syn`."""
    found = words(one_neuron(recurrent=16, direct=100, threshold=99), [1, 0, 0, 0, 0, 0])
    assert found["spk"] == [1, 0, 0, 0, 0, 0]
    assert found["rise"] == [0, 16, 8, 4, 2, 1]
    assert found["syn"] == [0, 0, 16, 4 + 8, 3 + 4, 1 + 2]
    assert found["mem"] == [0, 0, 16, 28, 35, 38]
    late = replace(CONTRACT, current="previous")
    found = words(one_neuron(late, recurrent=16, direct=100, threshold=99), [1, 0, 0, 0, 0, 0])
    assert found["mem"] == [0, 0, 0, 16, 28, 35]


def test_currents_flow_while_a_neuron_waits_but_the_membrane_stays():
    contract = replace(CONTRACT, refractory_steps=4)
    network = one_neuron(contract, recurrent=16, direct=100, threshold=99)
    found = words(network, [1, 0, 0, 0, 0, 0])
    assert found["syn"] == [0, 0, 16, 12, 7, 3]
    assert found["mem"] == [0, 0, 0, 0, 0, 3]


def test_a_bias_comes_in_each_step_and_a_membrane_may_begin_anywhere():
    found = words(one_neuron(bias=2, initial_mem=5), [0] * 5)
    assert found["mem"] == [7, 9, 0, 2, 4]
    found = words(one_neuron(replace(CONTRACT, refractory_steps=9), initial_mem=99), [0, 0])
    assert (found["spk"], found["wait"]) == ([1, 0], [9, 8])


def test_a_membrane_that_rests_exactly_at_threshold_stays_silent():
    """The trap of the mapping: the resting value is the threshold."""
    unity = 1 << CONTRACT.decay_frac
    network = one_neuron(threshold=1000, bias=25, initial_mem=1000)
    layer = network.layers[0].replaced({"decay_mem": np.array([unity - unity * 25 // 1000 - 1])})
    network = replace(network, layers=(layer, network.readout))
    found = words(network, [0] * 400)
    assert not any(found["spk"])
    assert max(found["mem"]) <= 1000


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(covering_contracts())))
@pytest.mark.parametrize("refractory_steps", [0, 2])
def test_every_backend_computes_every_word_under_every_contract(number, refractory_steps):
    rng = np.random.default_rng(number)
    plain = random_network(
        rng, covering_contracts()[number], hidden=(7, 6), n_heads=2, recurrent=number % 3 > 0
    )
    network = double_exp(rng, plain, refractory_steps=refractory_steps)
    raster = random_raster(rng, 60, 12)
    found = verify(network, [raster, raster], BACKENDS)
    assert found.differences == 0
    assert set(found.not_run) == {"nir", "verilog"}
    assert {result.code for result in found.backends.values()} == {"generated"}
    trace = reference.run(network, raster).variables
    assert (trace["hidden0.wait"] != 0).any() == bool(refractory_steps)
    assert 0.01 < trace["hidden0.spk"].mean() < 0.9


@pytest.mark.slow  # compiles C for each network; `make test-all` tries 100 per contract
@pytest.mark.parametrize("number", range(len(covering_contracts())))
def test_random_networks_of_every_contract_agree_in_every_backend(number):
    for seed in range(100 if "RSNN_TEST_ALL" in os.environ else 4):
        rng = np.random.default_rng((number, seed))
        plain = random_network(
            rng,
            covering_contracts()[number],
            n_inputs=int(rng.integers(1, 9)),
            hidden=tuple(rng.integers(1, 7, rng.integers(1, 3))),
            recurrent=bool(rng.integers(2)),
        )
        network = double_exp(rng, plain, refractory_steps=int(rng.choice([0, 1, 3, 255])))
        raster = random_raster(rng, 30, network.n_inputs)
        assert verify(network, [raster], BACKENDS).differences == 0, seed


@pytest.mark.slow  # compiles a kernel for nearly every network
@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks(covering_contracts()), st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_kernels_agree_and_no_input_leaves_the_bounds_at_any_width(plain, seed, refractory_steps):
    rng = np.random.default_rng(seed)
    network = double_exp(rng, plain, refractory_steps=refractory_steps)
    raster = random_raster(rng, 40, network.n_inputs)
    trace = reference.run(network, raster)
    assert count_differences(trace, runs.run_backend(network, raster)) == 0
    assert not violations(asked_words(network, raster), state_bounds(network))


@pytest.mark.slow
def test_the_count_of_a_refractory_period_has_the_range_that_it_can_have():
    network = one_neuron(replace(CONTRACT, refractory_steps=200))
    wait = state_bounds(network)["hidden0"].range_of("wait")
    assert (wait.low.tolist(), wait.high.tolist()) == ([0], [200])
    assert state_bounds(one_neuron(threshold=1 << 20))["hidden0"].range_of("wait").high == [0]


def test_files_hold_the_kind_and_the_field_only_where_it_counts(tmp_path):
    rng = np.random.default_rng(3)
    plain = random_network(rng)
    network = double_exp(rng, plain, refractory_steps=4)
    assert save_network(network, tmp_path / "a.int.h5") == network.digest()
    assert load_network(tmp_path / "a.int.h5").digest() == network.digest()
    golden, trace = load_vectors(tmp_path / "a.int.h5")
    assert count_differences(reference.run(network, golden), trace) == 0
    assert {"hidden0.rise", "hidden0.wait"} <= set(trace.variables)
    assert "refractory_steps" not in plain.contract.written()
    assert "refractory_steps" not in plain.contract.identity()
    assert network.contract.written()["refractory_steps"] == 4
    assert NumericContract.from_dict(network.contract.written()) == network.contract
    other = replace(network, contract=replace(network.contract, refractory_steps=5))
    assert other.digest() != network.digest()


def test_other_kinds_refuse_a_refractory_period_and_this_one_other_orders():
    rng = np.random.default_rng(3)
    plain = random_network(rng)
    text = "hidden0 is of kind cuba_lif, which does not compute `refractory_steps` 4"
    with pytest.raises(RangeError, match=text):
        replace(plain, contract=replace(plain.contract, refractory_steps=4))
    network = double_exp(rng, plain)
    for field, value in (("reset", "subtract"), ("fires_on", "previous_membrane")):
        text = f"hidden0 is of kind double_exp_lif, which does not compute `{field}` {value}"
        with pytest.raises(RangeError, match=text):
            replace(network, contract=replace(network.contract, **{field: value}))
    with pytest.raises(RangeError, match=r"`refractory_steps` is 256; it is a whole number 0"):
        replace(PAPER, refractory_steps=256)


@pytest.mark.parametrize("reader", ["exact", "norse", "snntorch"])
def test_nir_refuses_it_and_says_what_it_lacks(reader, tmp_path):
    rng = np.random.default_rng(3)
    network = double_exp(rng, random_network(rng))
    text = (
        "hidden0 is of kind double_exp_lif, for which NIR has no node: its current-based neuron"
        " has no `rise`, no `wait`; export C or ONNX"
    )
    with pytest.raises(UnsupportedError, match=text):
        export_nir(network, tmp_path / "a.nir", reader)
    assert not list(tmp_path.iterdir())
