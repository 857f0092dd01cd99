"""The compiled step against the definition: every state word, every step, no tolerance."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import (
    CHOICES,
    covering_contracts,
    networks,
    random_network,
    random_raster,
    with_arrays,
)
from one_neuron import UNIT, one_neuron

from base.errors import MismatchError
from export.quantization.precision import Precision
from export.quantize import quantize
from rsnn.data.raster import random_raster as sparse_raster
from rsnn.published import import_published
from sim import reference
from sim.contract import PAPER, NumericContract, signed_range
from sim.fast import runs
from sim.fast.arena import arrange
from sim.network import IntegerNetwork
from sim.trace import Trace, first_difference

CONTRACTS = covering_contracts()


def assert_equal(network: IntegerNetwork, raster: np.ndarray) -> Trace:
    expected = reference.run(network, raster)
    for _ in range(2):  # twice, because a second run must not see the first one's state
        found = runs.run_backend(network, raster)
        assert first_difference(expected, found) is None
    return expected


def test_the_contracts_tested_contain_every_pair_of_choices():
    for a in CHOICES:
        for b in CHOICES:
            if a < b:
                pairs = {(getattr(c, a), getattr(c, b)) for c in CONTRACTS}
                assert len(pairs) == len(CHOICES[a]) * len(CHOICES[b]), (a, b)
    assert CONTRACTS[0] == PAPER


@pytest.mark.slow
@pytest.mark.parametrize("contract", CONTRACTS, ids=range(len(CONTRACTS)))
def test_the_kernel_equals_the_reference_under_every_contract(contract):
    rng = np.random.default_rng(7)
    fired = 0
    for syn_bits, mem_bits in ((12, 13), (20, 24), (32, 32)):
        narrow = replace(contract, syn_bits=syn_bits, mem_bits=mem_bits)
        for shape in (
            {},
            {"hidden": (5, 9, 3), "n_heads": 3},
            {"recurrent": False, "hidden": (4, 4)},
            {"n_inputs": 1, "hidden": (1,), "n_outputs": 1},
        ):
            network = random_network(rng, narrow, **shape)
            trace = assert_equal(network, random_raster(rng, 150, network.n_inputs))
            fired += int(trace.variables["hidden0.spk"].sum())
    assert fired > 1000


@pytest.mark.slow
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
@given(networks(CONTRACTS), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_the_kernel_equals_the_reference_for_random_networks(network, n_steps, seed):
    raster = random_raster(np.random.default_rng(seed), n_steps, network.n_inputs)
    found = runs.run_backend(network, raster)
    assert first_difference(reference.run(network, raster), found) is None


@pytest.mark.slow
def test_the_kernel_equals_the_reference_under_contracts_drawn_from_all():
    rng = np.random.default_rng(11)
    for _ in range(24):
        choice = {name: values[rng.integers(len(values))] for name, values in CHOICES.items()}
        contract = replace(PAPER, **choice, syn_bits=14, mem_bits=16)
        network = random_network(rng, contract, hidden=(6, 5))
        assert_equal(network, random_raster(rng, 200, network.n_inputs))


@pytest.fixture
def small() -> IntegerNetwork:
    return random_network(np.random.default_rng(3), replace(PAPER, syn_bits=16, mem_bits=16))


def test_silent_and_always_firing_inputs_agree(small):
    for value in (0, 1):
        raster = np.full((200, 12), value, np.uint8)
        trace = assert_equal(small, raster)
        assert trace.variables["hidden0.syn"].any() == bool(
            value or trace.variables["hidden0.spk"].any()
        )


def test_a_single_step_agrees_and_holds_the_initial_state(small):
    trace = assert_equal(small, np.ones((1, 12), np.uint8))
    assert trace.n_steps == 1
    assert not trace.variables["hidden0.mem"].any()


def test_a_fully_pruned_row_and_an_empty_recurrence_agree(small):
    w_in = np.array(small.hidden[0].w_in)
    w_in[2] = 0
    raster = random_raster(np.random.default_rng(0), 200, 12)
    assert_equal(with_arrays(small, 0, w_in=w_in, w_rec=np.zeros((8, 8), int)), raster)


@pytest.mark.parametrize("decay", [0, 1 << PAPER.decay_frac])
def test_decays_of_zero_and_unity_agree(small, decay):
    network = with_arrays(small, 0, decay_syn=[decay] * 8, decay_mem=[decay] * 8)
    assert_equal(network, random_raster(np.random.default_rng(1), 300, 12))


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("weight", [-(2**15), 2**15 - 1])
def test_both_ends_of_every_range_agree_at_full_width(overflow, weight):
    contract = replace(
        PAPER,
        weight_bits=16,
        decay_frac=16,
        frac_bits=16,
        overflow_syn=overflow,
        overflow_mem=overflow,
    )
    network = random_network(np.random.default_rng(2), contract, n_inputs=299)
    unity = [1 << 16] * 8
    network = with_arrays(
        network,
        0,
        w_in=np.full((8, 299), weight),  # an odd number, or all that wraps would wrap to 0
        e_in=[0, 15] * 4,
        decay_syn=unity,
        decay_mem=unity,
        threshold=[signed_range(32)[1]] * 8,
    )
    trace = assert_equal(network, np.ones((50, 299), np.uint8))
    assert_leaves_its_word(trace.variables["hidden0.syn"], 32, 1 if weight > 0 else -1, overflow)


def assert_leaves_its_word(states, bits: int, sign: int, overflow: str) -> None:
    """A state driven one way ends at that end of its word, or wraps around to the other one."""
    if overflow == "saturate":
        assert (states[-1] == signed_range(bits)[sign > 0]).all()
    went_back = np.diff(states.astype(np.int64), axis=0) * sign < 0
    assert went_back.any() == (overflow == "wrap")


def test_thresholds_at_the_ends_of_the_membrane_agree(small):
    low, high = signed_range(16)
    network = with_arrays(small, 0, threshold=[low, high] * 4)
    trace = assert_equal(network, random_raster(np.random.default_rng(1), 200, 12))
    assert trace.variables["hidden0.spk"][:, 1::2].sum() == 0


def test_without_a_trace_the_output_is_the_same():
    rng = np.random.default_rng(4)
    network = random_network(rng, hidden=(9, 6), n_heads=2)
    raster = random_raster(rng, 300, network.n_inputs)
    with_trace = runs.run(network, raster, record=True)
    without = runs.run(network, raster)
    assert without.trace is None
    assert np.array_equal(without.out, with_trace.out)
    assert without.hidden_spikes == with_trace.hidden_spikes > 0


@pytest.mark.parametrize("delay_steps", [1, 0])
def test_counts_are_those_of_the_trace(delay_steps):
    rng = np.random.default_rng(6)
    network = random_network(rng, replace(PAPER, delay_steps=delay_steps), hidden=(9, 6))
    raster = random_raster(rng, 300, network.n_inputs)
    run = runs.run(network, raster, record=True)
    spikes = [run.trace.variables[f"hidden{i}.spk"] for i in range(2)]
    n = len(raster) - delay_steps
    assert raster[-1].any()
    assert spikes[0][-1].any()
    assert np.array_equal(run.input_counts, raster[:n].sum(0, dtype=int))
    assert np.array_equal(
        run.sent_counts, np.concatenate([s[:n].sum(0, dtype=int) for s in spikes])
    )
    assert np.array_equal(
        run.returned_counts, np.concatenate([s[:-1].sum(0, dtype=int) for s in spikes])
    )
    assert run.hidden_spikes == sum(int(s.sum()) for s in spikes)


def test_a_raster_of_other_width_is_refused(small):
    with pytest.raises(MismatchError, match="the network has 12 inputs"):
        runs.run(small, np.zeros((5, 96), np.uint8))


def fitted(reaches: list[np.ndarray], n_inputs: int) -> list[np.ndarray]:
    """Real reaches of 182 units, cut to 96 channels or padded to 192."""
    if n_inputs <= 182:
        return [reach[:, :n_inputs] for reach in reaches]
    return [np.pad(reach, ((0, 0), (0, n_inputs - reach.shape[1]))) for reach in reaches]


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 6, 8, 12, 16])
def test_published_networks_agree_over_synthetic_and_real_spikes(published, reaches, bits):
    for path in published:
        network = quantize(import_published(path), Precision(bits=bits))
        n_inputs = network.n_inputs
        rate = 20.0 if n_inputs == 96 else 14.0
        rasters = [sparse_raster(5000, n_inputs, dt=network.dt, rate=rate, seed=bits)]
        for raster in rasters + fitted(reaches, n_inputs):
            trace = assert_equal(network, raster)
            assert trace.variables["hidden0.spk"].any()
            assert trace.variables["readout.out"].any()


@pytest.mark.parametrize("fires_when", [">", ">="])
def test_a_membrane_exactly_at_threshold_agrees(fires_when):
    network = one_neuron(replace(UNIT, fires_when=fires_when))
    raster = np.array([[1], [1], [0], [0], [0], [0]], np.uint8)  # brings it to its threshold of 2
    trace = assert_equal(network, raster)
    assert trace.variables["hidden0.mem"].max() == 2
    assert trace.variables["hidden0.spk"].any() == (fires_when == ">=")


def neuron_of(contract: NumericContract, decay: int, **changes) -> IntegerNetwork:
    """One neuron whose membrane keeps what its current leaves, and whose decays are `decay`."""
    lowest = signed_range(contract.weight_bits)[0]
    values = {"w_in": [[lowest]], "decay_syn": [decay], "decay_mem": [decay]} | changes
    return one_neuron(contract, threshold=[signed_range(contract.mem_bits)[1]], **values)


FACTORS = [0, 1, 2, (1 << 15) - 1, 1 << 15, (1 << 15) + 1, (1 << 16) - 2, (1 << 16) - 1, 1 << 16]


@pytest.mark.parametrize("rounding", ["toward_zero", "floor"])
@pytest.mark.parametrize("decay", FACTORS)
@pytest.mark.parametrize("is_wide", [False, True])
def test_the_most_negative_word_decays_alike(rounding, decay, is_wide):
    contract = replace(PAPER, rounding=rounding, decay_frac=16, frac_bits=16, weight_bits=16)
    shift = [15] if is_wide else [0]  # -2^15 << 16 is -2^31; a further shift needs 64 bits
    network = neuron_of(contract, decay, e_in=shift)
    assert arrange(network).is_wide or not is_wide
    raster = np.array([[1], [1], [1], [0], [0], [0], [0], [0]], np.uint8)
    trace = assert_equal(network, raster)
    assert trace.variables["hidden0.syn"].min() == -(2**31)


@pytest.mark.parametrize("rounding", ["toward_zero", "floor"])
@pytest.mark.parametrize("sum_dtype", [np.int16, np.int32])
def test_small_negative_states_under_decay_end_where_the_rounding_says(rounding, sum_dtype):
    contract = replace(PAPER, rounding=rounding, frac_bits=0, weight_bits=8)
    decay = (1 << contract.decay_frac) - 1
    changes = {"w_in": [[-1]], "e_in": [0]}
    if sum_dtype == np.int32:
        contract = replace(contract, weight_bits=9)
    network = neuron_of(contract, decay, **changes)
    assert arrange(network).sum_dtype == sum_dtype
    trace = assert_equal(network, np.array([[1]] * 3 + [[0]] * 9, np.uint8))
    last = int(trace.variables["hidden0.syn"][-1, 0])
    assert (last == 0) == (rounding == "toward_zero")
    assert trace.variables["hidden0.mem"].min() < 0


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("bits", [2, 8, 31, 32])
@pytest.mark.parametrize("sign", [-1, 1])
def test_a_membrane_that_leaves_its_word_at_either_end_agrees(overflow, bits, sign):
    contract = replace(
        PAPER,
        mem_bits=bits,
        overflow_mem=overflow,
        weight_bits=16,
        frac_bits=16 if bits > 16 else 0,  # or all that wraps would wrap to 0
        fires_on="new_membrane",
    )
    weight = [[sign * ((1 << 15) - 1)]]
    unity = 1 << contract.decay_frac
    network = neuron_of(contract, unity, w_in=weight, e_in=[0])
    trace = assert_equal(network, np.ones((12, 1), np.uint8))
    assert_leaves_its_word(trace.variables["hidden0.mem"], bits, sign, overflow)
