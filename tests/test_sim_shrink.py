"""The shrunk case still differs, is small, and costs no more runs than allowed."""

from dataclasses import replace

import numpy as np
import pytest
from faulty_backends import late_recurrence, other_contract, wrong_weight
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from networks import covering_contracts, networks, random_network, random_raster

from base.errors import MismatchError, RangeError, ToolError
from sim import reference
from sim.contract import PAPER
from sim.fast import runs
from sim.shrink import shrink
from sim.trace import first_difference

NARROW = replace(PAPER, syn_bits=14)
COARSE = replace(PAPER, weight_bits=4, frac_bits=0)


def make_case(contract=PAPER, **shape):
    rng = np.random.default_rng(3)
    shape = {"n_inputs": 96, "hidden": (64,), "n_heads": 3, "threshold": 300} | shape
    network = random_network(rng, contract, **shape)
    positive = [  # so that no neuron fires without input, which would be a shorter case
        replace(layer, threshold=np.abs(layer.threshold)) for layer in network.hidden
    ]
    network = replace(network, layers=(*positive, network.readout))
    return network, random_raster(rng, 200, network.n_inputs)


def differs(network, raster, backend):
    return first_difference(reference.run(network, raster), backend(network, raster))


def counted(backend):
    def counting(network, raster):
        counting.runs += 1
        return backend(network, raster)

    counting.runs = 0
    return counting


@pytest.mark.parametrize(
    ("contract", "backend", "most_hidden", "most_inputs", "most_steps"),
    [
        (COARSE, other_contract(fires_when=">="), 1, 2, 8),
        (PAPER, other_contract(rounding="floor"), 1, 2, 4),
        (NARROW, other_contract(overflow_syn="wrap"), 1, 3, 4),
        (PAPER, other_contract(reset="subtract"), 1, 3, 6),
        (PAPER, other_contract(current="new"), 1, 1, 2),
        (PAPER, wrong_weight(3, 5), 4, 6, 2),
        (PAPER, late_recurrence, 2, 3, 6),
    ],
    ids=["at threshold", "floor", "no saturation", "reset", "current", "weight", "delay"],
)
@pytest.mark.parametrize("hidden", [(64,), (40, 24)], ids=["one layer", "two layers"])
def test_a_planted_fault_is_shrunk_to_what_it_needs(
    contract, backend, most_hidden, most_inputs, most_steps, hidden
):
    network, raster = make_case(contract, hidden=hidden)
    assert differs(network, raster, backend) is not None
    backend = counted(backend)
    small, spikes = shrink(network, raster, backend)
    assert backend.runs <= 400
    found = differs(small, spikes, backend)
    assert found.step == len(spikes) - 1 < most_steps
    assert all(layer.n_neurons <= most_hidden for layer in small.hidden)
    assert small.n_inputs <= most_inputs
    assert small.readout.n_neurons == 1
    assert spikes.dtype == np.uint8
    assert sum(np.count_nonzero(w) for w in small.connections().values()) <= 4
    assert small.metadata == {"shrunk_from": network.digest()}
    assert small.contract == contract


def test_a_fault_in_every_step_with_a_spike_is_shrunk_to_one_of_everything():
    def wrong_at_spikes(network, raster):
        trace = reference.run(network, raster)
        trace.variables["readout.out"][:] += raster.any(1)[:, None]
        return trace

    network, raster = make_case(hidden=(5, 4), n_inputs=6)
    raster[:3] = 0
    small, spikes = shrink(network, raster, wrong_at_spikes)
    assert spikes.shape == (1, 1)
    assert [layer.n_neurons for layer in small.layers] == [1, 1, 1]
    assert not any(weights.any() for weights in small.connections().values())


def test_the_same_case_is_shrunk_to_the_same_bits():
    network, raster = make_case()
    first, second = (shrink(network, raster, late_recurrence) for _ in range(2))
    assert first[0].digest() == second[0].digest()
    assert np.array_equal(first[1], second[1])


def test_the_case_that_was_given_is_not_changed():
    network, raster = make_case()
    digest, spikes = network.digest(), raster.copy()
    shrink(network, raster, late_recurrence)
    assert network.digest() == digest
    assert np.array_equal(raster, spikes)


@pytest.mark.parametrize("tries", [1, 2, 7, 30])
def test_few_tries_give_a_larger_case_that_differs_as_well(tries):
    network, raster = make_case()
    backend = counted(late_recurrence)
    small, spikes = shrink(network, raster, backend, tries=tries)
    assert backend.runs == tries
    assert differs(small, spikes, late_recurrence) is not None


def test_cases_that_the_backend_refuses_are_not_taken():
    def picky(network, raster):
        if network.hidden[0].n_neurons < 5 or network.readout.n_heads < 2:
            raise ToolError("at least five neurons and two heads are needed")
        return late_recurrence(network, raster)

    network, raster = make_case()
    small, spikes = shrink(network, raster, picky)
    assert small.hidden[0].n_neurons == 5
    assert (small.readout.n_heads, small.readout.n_outputs) == (2, 1)
    assert differs(small, spikes, picky) is not None


def test_rows_of_the_readout_go_with_their_head_or_their_output():
    def one_row(network, raster):
        trace = runs.run_backend(network, raster)
        if network.readout.n_outputs == 2:
            trace.variables["readout.out"][5:, -1] += 1
        return trace

    network, raster = make_case()
    given = network.readout
    small, spikes = shrink(network, raster, one_row)
    assert (small.readout.n_heads, small.readout.n_outputs) == (1, 2)
    assert spikes.shape == (6, 1)
    pairs = np.stack((given.out_scale, given.initial_out), 1).reshape(3, 2, 2)
    left = np.stack((small.readout.out_scale, small.readout.initial_out), 1)
    assert left.tolist() in pairs.tolist()


def test_a_backend_that_agrees_is_refused_with_a_hint():
    network, raster = make_case()
    with pytest.raises(MismatchError) as caught:
        shrink(network, raster, runs.run_backend)
    assert str(caught.value) == (
        "run once more, the backend does not differ from the reference; does it give the same"
        " trace every time?"
    )


def test_no_tries_at_all_are_refused():
    network, raster = make_case()
    with pytest.raises(RangeError, match=r"^tries is 0; at least 1 is needed$"):
        shrink(network, raster, late_recurrence, tries=0)


@pytest.mark.slow
@settings(max_examples=30, deadline=None, derandomize=True)
@given(networks(covering_contracts()), st.integers(0, 2**32 - 1))
def test_a_case_that_differs_still_differs_when_shrunk(network, seed):
    flipped = "floor" if network.contract.rounding == "toward_zero" else "toward_zero"
    backend = counted(other_contract(rounding=flipped))
    raster = random_raster(np.random.default_rng(seed), 40, network.n_inputs)
    assume(differs(network, raster, backend) is not None)
    backend.runs = 0
    small, spikes = shrink(network, raster, backend, tries=100)
    assert backend.runs <= 100
    assert differs(small, spikes, backend).step == len(spikes) - 1
