"""Decays by shifting, currents that decay last, delays of their own: one neuron by hand."""

from dataclasses import replace

import numpy as np
import pytest
from networks import random_network, random_raster
from one_neuron import UNIT, one_neuron

from sim import reference
from sim.bounds.layers import highest_membranes, state_bounds
from sim.contract import PAPER
from sim.fast.simulator import Simulator
from sim.intermediates import asked_in
from sim.metrics import storage

SHIFT = replace(UNIT, decay="shift", current="new", fires_on="new_membrane")


def states(network, inputs):
    raster = np.array(inputs, np.uint8)[:, None]
    return {k: v[:, 0].tolist() for k, v in reference.run(network, raster).variables.items()}


def shifting(contract, **changes):
    """`one_neuron` under decays by shifting: the readout forgets all, unless changed."""
    found = one_neuron(replace(contract, decay="multiply"), **{"decay_mem": [0], **changes})
    readout = replace(found.readout, decay_mem=np.array([0]))
    return replace(found, layers=(found.hidden[0], readout), contract=contract)


@pytest.mark.parametrize(
    ("weight", "words"),
    [
        (10, [10, 8, 6, 5, 4, 3, 2, 1, 0, 0]),
        (-10, [-10, -7, -5, -3, -2, -1, 0, 0, 0, 0]),
        (3, [3, 2, 1, 0, 0, 0, 0, 0, 0, 0]),
    ],
)
def test_a_decay_by_shifting_takes_at_least_one_off_what_is_above_0(weight, words):
    network = shifting(SHIFT, w_in=[[weight]], decay_mem=[2], threshold=[99])
    assert states(network, [1] + [0] * 10)["hidden0.mem"][1:] == words


def test_a_shift_of_0_leaves_nothing_and_one_of_15_takes_one_off():
    quick = shifting(SHIFT, w_in=[[9]], threshold=[99])
    assert states(quick, [1, 0, 0, 0])["hidden0.mem"] == [0, 9, 0, 0]
    slow = shifting(SHIFT, w_in=[[9]], decay_mem=[15], threshold=[99])
    assert states(slow, [1, 0, 0, 0])["hidden0.mem"] == [0, 9, 8, 7]


def test_what_arrives_is_added_before_a_current_decays_or_after():
    half = {"w_in": [[8]], "decay_syn": [1 << 11], "threshold": [99]}
    after = states(one_neuron(replace(UNIT, current="new"), **half), [1, 1, 0])
    assert after["hidden0.syn"] == [0, 8, 12]
    first = states(one_neuron(replace(UNIT, current="new", adds_first=True), **half), [1, 1, 0])
    assert first["hidden0.syn"] == [0, 4, 6]
    assert first["hidden0.mem"] == [0, 4, 10]


def test_a_current_that_decays_last_overflows_before_it_decays():
    contract = replace(UNIT, adds_first=True, syn_bits=4)
    network = one_neuron(contract, w_in=[[8]], decay_syn=[1 << 11], threshold=[99])
    raster = np.ones((3, 1), np.uint8)
    trace = reference.run(network, raster)
    assert trace.variables["hidden0.syn"][:, 0].tolist() == [0, 3, 3]  # of 7 at most
    assert asked_in(network, raster, trace, 0)["syn"].high[:, 0].tolist() == [0, 8, 11]


@pytest.mark.parametrize(
    ("fields", "hidden", "out"),
    [
        ({"delay_steps": 1}, 1, 2),
        ({"delay_steps": 1, "inputs_at_once": True}, 0, 1),
        ({"delay_steps": 0}, 0, 0),
        ({"delay_steps": 0, "readout_delayed": True}, 0, 1),
        ({"delay_steps": 0, "inputs_at_once": True}, 0, 0),
        ({"delay_steps": 1, "readout_delayed": True}, 1, 2),
    ],
)
def test_inputs_and_readouts_have_delays_of_their_own(fields, hidden, out):
    contract = replace(UNIT, current="new", fires_on="new_membrane", **fields)
    network = one_neuron(contract, w_in=[[3]])
    raster = np.array([[1], [0], [0], [0]], np.uint8)
    trace = reference.run(network, raster).variables
    assert np.flatnonzero(trace["hidden0.spk"]).tolist() == [hidden]
    assert np.flatnonzero(trace["readout.syn"]).tolist() == [out]
    simulator = Simulator(network)
    simulator.step_block(raster[: out + 1])
    assert simulator.sent_counts.tolist() == [1]
    simulator.reset()
    simulator.step_block(raster[: hidden + 1])
    assert simulator.sent_counts.tolist() == [int(out == hidden)]
    assert simulator.returned_counts.tolist() == [0]


def test_layers_between_keep_the_delay_of_all():
    contract = replace(PAPER, delay_steps=1, inputs_at_once=True)
    assert contract.delays(4) == (0, 1, 1, 1)
    assert contract.delays(1) == (0,)
    other = replace(PAPER, delay_steps=0, readout_delayed=True)
    assert other.delays(4) == (0, 0, 0, 1)
    assert other.delays(1) == (0,)
    assert PAPER.delays(3) == (1, 1, 1)


def test_a_shift_is_stored_in_4_bits_and_no_shift_is_without_a_leak():
    rng = np.random.default_rng(3)
    by_factor = random_network(rng, replace(PAPER, decay_frac=12), hidden=(5,))
    by_shift = random_network(rng, replace(PAPER, decay="shift"), hidden=(5,))
    assert not any(layer.has_unity(by_shift.contract) for layer in by_shift.layers)
    unity = sum(2 * x.n_neurons for x in by_factor.layers if x.has_unity(by_factor.contract))
    n_decays = sum(2 * layer.n_neurons for layer in by_factor.layers)
    difference = storage(by_factor).dense_bits - storage(by_shift).dense_bits
    assert difference == 8 * n_decays + unity


def test_bounds_of_currents_that_decay_by_shifting_are_those_reached():
    """Worst cases of 9 per step: 9 more than what a step leaves, until nothing changes."""
    network = shifting(replace(SHIFT, fires_when=">"), w_in=[[9]], decay_syn=[2], threshold=[9999])
    found = states(network, [1] * 60)["hidden0.syn"]
    assert max(found) == state_bounds(network)["hidden0"].syn_high[0] == 36


def test_rounding_has_no_meaning_where_a_decay_is_a_shift():
    rng = np.random.default_rng(1)
    network = random_network(rng, replace(PAPER, decay="shift"), threshold=900)
    raster = random_raster(rng, 60, network.n_inputs)
    words = reference.run(network, raster)
    other = replace(network, contract=replace(network.contract, rounding="floor", decay_frac=3))
    again = reference.run(other, raster)
    assert all(np.array_equal(v, again.variables[k]) for k, v in words.variables.items())


@pytest.mark.parametrize("shift", [1, 3, 6])
def test_a_membrane_that_never_fires_stays_below_the_height_that_is_told(shift):
    for adds_first in (False, True):
        contract = replace(SHIFT, adds_first=adds_first)
        shifts = {"decay_syn": [shift], "decay_mem": [shift], "threshold": [2**31 - 1]}
        network = shifting(contract, w_in=[[9]], **shifts)
        reached = max(states(network, [1] * 900)["hidden0.mem"])
        (told,) = highest_membranes(network)["hidden0"]
        assert reached <= told <= 4 * reached + 4 * 4**shift
