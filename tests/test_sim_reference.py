"""The definition itself: against scalar arithmetic written out here, and on its corner cases."""

from dataclasses import replace

import numpy as np
import pytest
from networks import CHOICES, FLOOR_SUBTRACT, random_network, random_raster, under
from one_neuron import UNIT, one_neuron

from base.errors import MismatchError
from sim import reference
from sim.contract import PAPER, SNNTORCH
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork
from sim.trace import first_difference


def scalar_paper_run(network: IntegerNetwork, raster) -> dict[str, list[list[int]]]:
    """The published dynamics for one hidden layer in Python's own unbounded integers."""
    c, (hidden, readout) = network.contract, network.layers
    n, rows = hidden.n_neurons, readout.n_neurons
    spk, syn, mem = [0] * n, [0] * n, [0] * n
    read, out = [0] * rows, [int(v) for v in readout.initial_out]
    arriving = [0] * network.n_inputs
    kept = {"spk": [], "syn": [], "mem": [], "read": [], "out": []}

    def decay(x, d):
        magnitude = abs(x) * int(d) // 2**c.decay_frac
        return magnitude if x >= 0 else -magnitude

    def saturate(x, bits):
        return max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, x))

    for x in raster:
        new_spk, new_syn, new_mem = [], [], []
        for i in range(n):
            acc = sum(
                int(hidden.w_in[i, j]) << int(hidden.e_in[i]) for j in range(len(x)) if arriving[j]
            )
            acc += sum(int(hidden.w_rec[i, k]) << int(hidden.e_rec[i]) for k in range(n) if spk[k])
            fires = mem[i] > int(hidden.threshold[i])
            new_spk.append(int(fires))
            new_mem.append(
                0 if fires else saturate(decay(mem[i], hidden.decay_mem[i]) + syn[i], c.mem_bits)
            )
            new_syn.append(
                saturate(decay(syn[i], hidden.decay_syn[i]) + (acc << c.frac_bits), c.syn_bits)
            )
        new_out = [
            saturate(decay(out[k], readout.decay_mem[k]) + read[k], c.mem_bits) for k in range(rows)
        ]
        read = [
            saturate(
                decay(read[k], readout.decay_syn[k])
                + (sum(int(readout.w_out[k, i]) for i in range(n) if spk[i]) << c.frac_bits),
                c.syn_bits,
            )
            for k in range(rows)
        ]
        spk, syn, mem, out, arriving = new_spk, new_syn, new_mem, new_out, list(x)
        for name, value in zip(kept, (spk, syn, mem, read, out), strict=True):
            kept[name].append(value)
    return kept


@pytest.mark.parametrize("bits", [10, 16, 32])
def test_the_paper_contract_is_the_published_step_in_plain_integers(bits):
    rng = np.random.default_rng(bits)
    contract = replace(PAPER, syn_bits=bits, mem_bits=bits)
    for _ in range(5):
        network = random_network(rng, contract, threshold=2 ** min(bits - 4, 14))
        raster = random_raster(rng, 120, network.n_inputs)
        found = reference.run(network, raster).variables
        expected = scalar_paper_run(network, raster)
        assert sum(map(sum, expected["spk"])) > 0
        for name, key in (
            ("hidden0.spk", "spk"),
            ("hidden0.syn", "syn"),
            ("hidden0.mem", "mem"),
            ("readout.syn", "read"),
            ("readout.out", "out"),
        ):
            assert np.array_equal(found[name], expected[key]), name


def states(network: IntegerNetwork, inputs: list[int]) -> dict[str, list[int]]:
    raster = np.array(inputs, np.uint8)[:, None]
    return {k: v[:, 0].tolist() for k, v in reference.run(network, raster).variables.items()}


def test_a_spike_takes_one_step_to_the_current_and_two_to_the_membrane():
    found = states(one_neuron(UNIT), [1, 0, 0, 0])
    assert found["hidden0.syn"] == [0, 1, 0, 0]
    assert found["hidden0.mem"] == [0, 0, 1, 1]


def test_with_the_new_current_it_reaches_the_membrane_in_the_same_step():
    found = states(one_neuron(replace(UNIT, current="new")), [1, 0, 0])
    assert found["hidden0.mem"] == [0, 1, 1]


def test_a_membrane_exactly_at_threshold_is_silent_or_fires_as_the_contract_says():
    inputs = [1, 1, 0, 0, 0, 0]  # brings the membrane to the threshold of 2
    strict = states(one_neuron(UNIT), inputs)
    assert strict["hidden0.mem"] == [0, 0, 1, 2, 2, 2]
    assert sum(strict["hidden0.spk"]) == 0
    equal = states(one_neuron(replace(UNIT, fires_when=">=")), inputs)
    assert equal["hidden0.spk"] == [0, 0, 0, 0, 1, 0]
    assert equal["hidden0.mem"] == [0, 0, 1, 2, 0, 0]


def test_the_old_membrane_fires_a_step_after_the_new_one_would():
    inputs = [1, 1, 1, 0, 0, 0]
    old = states(one_neuron(UNIT), inputs)
    new = states(one_neuron(replace(UNIT, fires_on="new_membrane")), inputs)
    assert old["hidden0.mem"] == [0, 0, 1, 2, 3, 0]
    assert old["hidden0.spk"] == [0, 0, 0, 0, 0, 1]
    assert new["hidden0.mem"] == [0, 0, 1, 2, 0, 0]
    assert new["hidden0.spk"] == [0, 0, 0, 0, 1, 0]


@pytest.mark.parametrize(
    ("reset", "drops", "after"), [("zero", True, 0), ("zero", False, 1), ("subtract", True, 1)]
)
def test_the_reset_keeps_what_the_contract_says(reset, drops, after):
    contract = replace(UNIT, reset=reset, reset_drops_input=drops)
    found = states(one_neuron(contract), [1] * 6)
    assert found["hidden0.mem"][:5] == [0, 0, 1, 2, 3]
    assert found["hidden0.mem"][5] == after


def test_subtracting_and_keeping_the_input_loses_nothing():
    found = states(one_neuron(replace(UNIT, reset="subtract", reset_drops_input=False)), [1] * 7)
    assert found["hidden0.mem"] == [0, 0, 1, 2, 3, 2, 3]


RESETS = {"fires_on": "reset_membrane", "current": "new", "delay_steps": 0}


def test_a_delayed_reset_acts_in_the_step_after_the_spike():
    contract = replace(UNIT, **RESETS, reset="subtract", reset_drops_input=False, reset_delay=True)
    found = states(one_neuron(contract), [1, 1, 1, 1, 0, 0, 1])
    assert found["hidden0.mem"] == [1, 2, 3, 2, 2, 2, 3]
    assert found["hidden0.spk"] == [0, 0, 1, 0, 0, 0, 1]
    zero = states(one_neuron(replace(contract, reset="zero")), [1, 1, 1, 1, 0, 0, 1])
    assert zero["hidden0.mem"] == [1, 2, 3, 1, 1, 1, 2]
    dropped = replace(contract, reset="zero", reset_drops_input=True)
    assert states(one_neuron(dropped), [1, 1, 1, 1, 0])["hidden0.mem"] == [1, 2, 3, 0, 0]


def test_a_membrane_above_twice_the_threshold_is_tested_after_its_reset():
    """Threshold 2. Without delay 7 fires and leaves 5, which is tested as 3 and left at 3."""
    contract = replace(UNIT, **RESETS, reset="subtract", reset_drops_input=False)
    at_once = states(one_neuron(contract, w_in=[[7]]), [1, 0, 0, 0, 0])
    assert at_once["hidden0.mem"] == [5, 3, 3, 3, 3]
    assert at_once["hidden0.spk"] == [1, 1, 0, 0, 0]  # 3 - 2 is not over, though 3 is
    other = replace(contract, fires_on="new_membrane")
    assert states(one_neuron(other, w_in=[[7]]), [1, 0, 0])["hidden0.mem"] == [5, 3, 1]
    late = states(one_neuron(replace(contract, reset_delay=True), w_in=[[7]]), [1, 0, 0, 0])
    assert late["hidden0.mem"] == [7, 5, 3, 1]
    assert late["hidden0.spk"] == [1, 1, 1, 0]


def test_without_delay_a_spike_passes_all_layers_in_its_step_but_the_recurrent_one():
    unity = 1 << PAPER.decay_frac
    contract = replace(
        PAPER, frac_bits=0, current="new", fires_on="new_membrane", fires_when=">=", delay_steps=0
    )
    one, none, full = np.array([1]), np.array([0]), np.array([unity])
    first = CubaLIF(np.array([[1]]), np.array([[1]]), none, none, none, none, one)
    second = CubaLIF(np.array([[1]]), None, none, none, none, none, one)
    readout = CubaLI(np.array([[5]]), none, full, none, np.ones(1))
    network = IntegerNetwork((first, second, readout), contract, 0.004)
    found = reference.run(network, np.array([[0], [1], [0], [0]], np.uint8)).variables
    assert found["hidden0.spk"][:, 0].tolist() == [0, 1, 1, 1]  # its own spikes arrive a step later
    assert found["hidden1.spk"][:, 0].tolist() == [0, 1, 1, 1]
    assert found["readout.out"][:, 0].tolist() == [0, 5, 10, 15]


def test_negative_states_decay_towards_zero_or_to_minus_one_as_the_rounding_says():
    half = 1 << (UNIT.decay_frac - 1)
    changes = {"w_in": [[-5]], "decay_mem": [half]}
    zero = states(one_neuron(UNIT, **changes), [1, 0, 0, 0, 0, 0, 0, 0])
    assert zero["hidden0.mem"] == [0, 0, -5, -2, -1, 0, 0, 0]
    floor = states(one_neuron(replace(UNIT, rounding="floor"), **changes), [1, 0, 0, 0, 0, 0, 0, 0])
    assert floor["hidden0.mem"] == [0, 0, -5, -3, -2, -1, -1, -1]


@pytest.mark.parametrize("weight", [127, -128])
def test_both_ends_saturate_or_wrap(weight):
    sign = 1 if weight > 0 else -1
    unity = 1 << UNIT.decay_frac
    changes = {"w_in": [[weight]], "decay_syn": [unity], "threshold": [127]}
    narrow = replace(UNIT, syn_bits=8, mem_bits=8)
    high = states(one_neuron(narrow, **changes), [1] * 8)
    end = 127 if sign > 0 else -128
    assert high["hidden0.syn"][1:] == [end] * 7
    assert high["hidden0.mem"][3:] == [end] * 5
    around = states(one_neuron(replace(narrow, overflow_syn="wrap"), **changes), [1] * 4)
    assert around["hidden0.syn"] == [
        0,
        weight,
        (2 * weight + 128) % 256 - 128,
        (3 * weight + 128) % 256 - 128,
    ]


def test_the_smallest_integer_survives_a_decay_of_unity():
    lowest = -(2**31)
    raster = np.zeros((3, 1), np.uint8)
    network = one_neuron(replace(UNIT, overflow_mem="wrap"))
    readout = replace(network.readout, initial_out=np.array([lowest]))
    found = reference.run(replace(network, layers=(network.hidden[0], readout)), raster)
    assert found.variables["readout.out"][:, 0].tolist() == [lowest] * 3


def test_a_decay_of_zero_forgets_everything():
    found = states(one_neuron(UNIT, decay_mem=[0], threshold=[100]), [1, 0, 1, 0, 0])
    assert found["hidden0.mem"] == [0, 0, 1, 0, 1]


def test_a_neuron_whose_threshold_is_below_rest_always_fires():
    found = states(one_neuron(UNIT, threshold=[-1]), [0] * 4)
    assert found["hidden0.spk"] == [1] * 4
    assert found["readout.out"] == [0, 0, 1, 2]


@pytest.mark.slow
def test_every_choice_of_the_contract_changes_what_some_network_computes():
    rng = np.random.default_rng(5)
    for base in (PAPER, FLOOR_SUBTRACT, SNNTORCH):
        narrow = replace(base, syn_bits=14, mem_bits=15, frac_bits=4)
        coarse = replace(narrow, weight_bits=2, frac_bits=0)  # membranes are often at threshold
        networks = (
            random_network(rng, narrow, hidden=(20,), threshold=1500, biased=True),
            random_network(rng, coarse, hidden=(20,), threshold=8, biased=True),
        )
        raster = random_raster(rng, 300, networks[0].n_inputs)
        for name, value in ((n, v) for n, values in CHOICES.items() for v in values):
            if value == getattr(base, name):
                continue
            same = all(
                first_difference(
                    reference.run(network, raster),
                    reference.run(under(network, **{name: value}), raster),
                )
                is None
                for network in networks
            )
            # without a delay of its own, a spike by the old membrane is a step late by itself, and
            # a delay that is that of all layers is none of its own
            alike = {
                "reset_delay": base.fires_on == "previous_membrane",
                "inputs_at_once": base.delay_steps == 0,
                "readout_delayed": base.delay_steps == 1,
            }
            assert same == alike.get(name, False), name


def test_a_raster_of_other_width_is_refused_with_both_numbers():
    network = random_network(np.random.default_rng(0))
    with pytest.raises(MismatchError, match=r"shape \(5, 11\); the network has 12 inputs"):
        reference.run(network, np.zeros((5, 11), np.uint8))
