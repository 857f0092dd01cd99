import os
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network
from overflow_cases import (
    BY_HAND,
    EVERY,
    asked_words,
    contracts,
    pushing_raster,
    small_network,
    violations,
)

from sim.arithmetic.exact import Exact
from sim.arithmetic.ranges import UNBOUNDED
from sim.bounds.layers import LONGEST, LayerBounds, bits_for, highest_membranes, state_bounds
from sim.contract import MAX_STATE_BITS, PAPER, NumericContract, signed_range
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork

MANY = 2000 if "RSNN_TEST_ALL" in os.environ else 300


@pytest.mark.slow
@settings(max_examples=MANY, deadline=None, derandomize=True)
@given(contracts(), st.integers(0, 2**32 - 1))
def test_no_input_drives_a_state_beyond_its_bounds(contract, seed):
    rng = np.random.default_rng(seed)
    network = small_network(rng, contract)
    found = asked_words(network, pushing_raster(rng, network, 28))
    assert not violations(found, state_bounds(network))
    wide = state_bounds(network, unlimited=True)
    if all(
        b.syn_bits <= contract.syn_bits and b.mem_bits <= contract.mem_bits for b in wide.values()
    ):
        assert not violations(found, wide)


def neuron(
    contract: NumericContract = PAPER,
    *,
    w_in: list[int],
    w_rec: int = 0,
    decay_syn: int = 0,
    decay_mem: int = 0,
    threshold: int,
) -> IntegerNetwork:
    """One hidden neuron, and a readout that receives a spike as 100 and forgets it at once."""
    hidden = CubaLIF(
        w_in=np.array([w_in]),
        w_rec=np.array([[w_rec]]) if w_rec else None,
        e_in=np.array([0]),
        e_rec=np.array([0]),
        decay_syn=np.array([decay_syn]),
        decay_mem=np.array([decay_mem]),
        threshold=np.array([threshold]),
    )
    nothing = np.array([0])
    w_out = np.array([[min(100, signed_range(contract.weight_bits)[1])]])
    readout = CubaLI(w_out, nothing, nothing, nothing, np.ones(1))
    return IntegerNetwork((hidden, readout), contract, 0.004)


def ends(bounds: LayerBounds, variable: str) -> tuple[int, int]:
    """Range over all neurons of a layer."""
    low, high = bounds.range_of(variable)
    return int(low.min()), int(high.max())


def reachable(network: IntegerNetwork) -> dict[str, list[int]] | None:
    """The range one neuron's words can be asked to hold, by trying every input in every state.

    None if it has too many states.
    """
    weights = network.hidden[0].w_in[0].tolist()
    sums = {sum(some) for n in range(len(weights) + 1) for some in combinations(weights, n)}
    asked: dict[str, list[int]] = {"syn": [], "mem": []}
    seen = {(0, 0, 0)}
    todo = list(seen)
    while todo:
        words = np.array(todo).T
        todo = []
        for total in sorted(sums):
            states, found = many_steps(network, words, total)
            for variable, values in found.items():
                asked[variable] += [int(values.min()), int(values.max())]
            for state in states:
                if state not in seen:
                    seen.add(state)
                    todo.append(state)
        if len(seen) > 3000:
            return None
    return asked


def many_steps(network: IntegerNetwork, words: np.ndarray, total: int):
    """One step of a neuron from many states (spk, syn, mem); its inputs add up to `total`.

    Its new states, and the values the two words were asked to hold, all (n_states,).
    """
    layer = network.hidden[0]
    summed = replace(layer, w_in=np.array([[total]]))
    o = Exact(network.contract, summed)
    old = layer.words()(*words[:, :, None])
    update = summed.step(o, summed, old, np.ones((words.shape[1], 1)))
    new = [np.asarray(getattr(update, state), np.int64)[:, 0].tolist() for state in layer.STATES]
    asked = {state: np.concatenate(values) for state, values in update.asked(o).items()}
    return zip(*new, strict=True), asked


@pytest.mark.slow
def test_no_state_that_one_neuron_can_be_in_leaves_the_bounds_and_most_are_exact():
    rng = np.random.default_rng(3)
    exact = checked = 0
    while checked < 300:
        mem_bits = int(rng.choice([4, 5, 6]))
        contract = replace(
            PAPER,
            **EVERY[rng.integers(len(EVERY))],
            decay_frac=int(rng.choice([1, 2, 4])),
            frac_bits=int(rng.integers(2)),
            weight_bits=4,
            syn_bits=int(rng.choice([4, 5, 6])),
            mem_bits=mem_bits,
        )
        low, high = signed_range(mem_bits)
        unity = contract.largest_decay
        network = neuron(
            contract,
            w_in=rng.integers(-8, 8, rng.integers(1, 4)).tolist(),
            w_rec=int(rng.choice([0, 0, -8, 3])),
            decay_syn=int(rng.integers(unity + 1)),
            decay_mem=int(rng.integers(unity + 1)),
            threshold=int(rng.choice([*rng.integers(low, high + 1, 3), low, high])),
        )
        asked = reachable(network)
        if asked is None:
            continue
        bounds = state_bounds(network)["hidden0"]
        for variable, values in asked.items():
            first, last = ends(bounds, variable)
            assert first <= min(values), (variable, contract)
            assert max(values) <= last, (variable, contract)
            exact += (first == min(values)) + (max(values) == last)
        checked += 1
    assert exact > 0.75 * 4 * checked


def test_a_reset_by_subtraction_is_from_the_least_membrane_that_fires():
    """The least that fires is 4; 14/16 of it are 3, of which 4 are taken off."""
    contract = replace(PAPER, frac_bits=0, decay_frac=4, fires_when=">=", reset="subtract")
    network = neuron(contract, w_in=[3], decay_mem=14, threshold=4)
    asked = reachable(network)["mem"]
    assert ends(state_bounds(network)["hidden0"], "mem") == (min(asked), max(asked)) == (-1, 5)


def test_a_bound_that_is_one_too_small_is_caught():
    rng = np.random.default_rng(0)
    caught = []
    for _ in range(30):
        network = small_network(rng, PAPER)
        found = asked_words(network, pushing_raster(rng, network, 28))
        bounds = state_bounds(network)
        for name, (lowest, highest) in found.items():
            layer, variable = name.split(".")
            word = "syn" if variable == "syn" else "mem"  # `out` is bounded as `mem`
            field, end = (f"{word}_low", lowest + 1), (f"{word}_high", highest - 1)
            for key, value in (field, end):
                wrong = bounds | {layer: replace(bounds[layer], **{key: value})}
                assert violations(found, wrong) == [name]
                caught.append(key)
    assert set(caught) == {"syn_low", "syn_high", "mem_low", "mem_high"}


def of_two_contracts(rng, field, value, other):
    """A random network under a random contract with `field` at `value`, and then at `other`."""
    choices = BY_HAND[rng.integers(len(BY_HAND))] | {field: value}
    contract = replace(PAPER, **choices, mem_bits=12)
    network = small_network(rng, replace(contract, decay_frac=4, frac_bits=2))
    return network, replace(network, contract=replace(network.contract, **{field: other}))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value", "other"),
    [
        ("rounding", "floor", "toward_zero"),
        ("reset_drops_input", False, True),
        ("reset", "subtract", "zero"),
        ("overflow_mem", "wrap", "saturate"),
        ("fires_on", "new_membrane", "previous_membrane"),
        ("fires_when", ">", ">="),
        ("reset_delay", True, False),
    ],
)
def test_bounds_that_ignore_a_choice_of_the_contract_are_violated(field, value, other):
    """So the random networks do tell contracts apart: the bounds of another contract fail."""
    rng = np.random.default_rng(1)
    failed = 0
    for _ in range(40):
        network, wrong = of_two_contracts(rng, field, value, other)
        found = asked_words(network, pushing_raster(rng, network, 28))
        assert not violations(found, state_bounds(network))
        failed += bool(violations(found, state_bounds(wrong)))
    assert failed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("field", "value", "other"), [("current", "new", "previous"), ("delay_steps", 0, 1)]
)
def test_bounds_are_the_same_however_long_a_spike_travels(field, value, other):
    rng = np.random.default_rng(1)
    for _ in range(40):
        network, same = of_two_contracts(rng, field, value, other)
        bounds, others = state_bounds(network), state_bounds(same)
        for layer, found in bounds.items():
            for key, array in vars(found).items():
                assert np.array_equal(array, vars(others[layer])[key]), (layer, key)


def test_a_decay_of_unity_has_no_bound_and_silence_has_the_bound_zero():
    network = random_network(np.random.default_rng(0), PAPER, recurrent=False)
    layer = network.hidden[0]
    endless = replace(layer, decay_syn=np.full(8, 1 << PAPER.decay_frac))
    network = replace(network, layers=(endless, network.readout))
    unlimited = state_bounds(network, unlimited=True)["hidden0"]
    assert unlimited.syn_bits == 64 > MAX_STATE_BITS
    assert (unlimited.syn_high[layer.w_in.max(1) > 0] == UNBOUNDED).all()
    within = state_bounds(network)["hidden0"]
    assert 33 <= within.syn_bits <= 34  # a saturated word and one more sum
    silent = replace(endless, w_in=np.zeros((8, 12), int))
    bounds = state_bounds(replace(network, layers=(silent, network.readout)))
    assert not bounds["hidden0"].syn.any()


def test_the_limit_of_a_decaying_sum_is_exact_on_both_sides():
    """Worked by hand: x' = trunc(x / 2) + 10 stands still at 19, floor(x / 2) - 10 at -20."""
    for rounding, low in (("toward_zero", -19), ("floor", -20)):
        contract = replace(PAPER, decay_frac=1, frac_bits=0, rounding=rounding)
        network = neuron(contract, w_in=[10, -10], decay_syn=1, threshold=100)
        assert ends(state_bounds(network)["hidden0"], "syn") == (low, 19)


def test_neurons_that_cannot_fire_send_nothing_not_even_by_mutual_excitation():
    contract = replace(PAPER, frac_bits=0)
    shy = neuron(contract, w_in=[5, 4], w_rec=100, threshold=9)
    bounds = state_bounds(shy)
    assert bounds["hidden0"].periods.tolist() == [0]
    assert ends(bounds["hidden0"], "syn") == (0, 9)
    assert ends(bounds["readout"], "syn") == (0, 0)
    bold = neuron(contract, w_in=[5, 4], w_rec=100, threshold=8)
    assert ends(state_bounds(bold)["hidden0"], "syn") == (0, 109)


def test_a_spike_that_clears_the_membrane_leaves_time_before_the_next():
    """Without decay of the membrane and with 3 per step, threshold 8 is passed in 3 steps."""
    contract = replace(PAPER, frac_bits=0)
    unity = 1 << contract.decay_frac
    for threshold, drops, period, limit in (
        (2, False, 1, 199),
        (2, True, 2, 133),
        (8, False, 3, 114),
        (8, True, 4, 106),
    ):
        network = neuron(
            replace(contract, reset_drops_input=drops),
            w_in=[3],
            decay_mem=unity,
            threshold=threshold,
        )
        slow = replace(network.readout, decay_syn=np.array([unity // 2]))
        network = replace(network, layers=(*network.hidden, slow))
        bounds = state_bounds(network)
        assert bounds["hidden0"].periods.tolist() == [period]
        assert ends(bounds["readout"], "syn")[1] == limit
        found = asked_words(network, np.ones((60, 1), np.uint8))["readout.syn"]
        assert limit - 3 <= found.max() <= limit
    never = neuron(contract, w_in=[3], decay_mem=unity - 1, threshold=2**30)
    assert state_bounds(never)["hidden0"].periods.tolist() == [0]
    late = neuron(contract, w_in=[3], decay_mem=unity, threshold=2**30)
    assert state_bounds(late)["hidden0"].periods.tolist() == [LONGEST]


def test_firing_cuts_the_upper_side_of_a_membrane():
    network = neuron(PAPER, w_in=[100, -100], decay_syn=3000, decay_mem=4090, threshold=10_000)
    bounds = state_bounds(network)["hidden0"]
    drive = ends(bounds, "syn")[1]
    decayed = 10_000 * 4090 // 4096
    assert ends(bounds, "mem")[1] == decayed + drive
    assert ends(bounds, "mem")[0] < -100 * drive
    assert highest_membranes(network)["hidden0"][0] > 100 * drive


def test_the_least_width_holds_both_ends_of_twos_complement():
    low, high = np.array([-128, -129, 0, 0, -UNBOUNDED]), np.array([127, 0, 128, 0, 0])
    assert bits_for(low, high).tolist() == [8, 9, 9, 1, 64]
