"""Bounds that know how long a neuron needs from a spike to its next: worst cases on tiny networks,
found by trying everything, and long runs."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from networks import covering_contracts, double_exp, random_network, random_raster
from overflow_cases import asked_words, violations

from sim import reference
from sim.arithmetic.evaluated import Evaluated
from sim.arithmetic.exact import Exact
from sim.arithmetic.intervals import Interval, Intervals
from sim.arithmetic.symbols import equations
from sim.bounds.invariant import invariant
from sim.bounds.layers import state_bounds
from sim.contract import PAPER
from sim.intermediates import asked_in
from sim.kinds.cuba_li import CubaLI
from sim.kinds.double_exp_lif import DoubleExpLIF
from sim.network import IntegerNetwork

CONTRACT = replace(
    PAPER, fires_on="new_membrane", frac_bits=0, delay_steps=0, current="new", refractory_steps=2
)
STRONG = 120


def driven(w_rec, contract=CONTRACT, *, rise=0.6, syn=0.9, mem=0.5, **arrays) -> IntegerNetwork:
    """Neurons that spike when their own input does, unless they wait, whatever the others do."""
    n, unity = len(w_rec), 1 << contract.decay_frac
    layer = DoubleExpLIF(
        w_direct=np.eye(n, dtype=int) * STRONG,
        w_rec=np.array(w_rec),
        e_direct=np.full(n, 12),
        e_rec=np.zeros(n, int),
        decay_rise=np.full(n, int(rise * unity)),
        decay_syn=np.full(n, int(syn * unity)),
        decay_mem=np.full(n, int(mem * unity)),
        threshold=np.full(n, STRONG << 11),
        **arrays,
    )
    nothing = np.array([0])
    slow = np.array([unity // 2])
    readout = CubaLI(np.full((1, n), 8), slow, nothing, nothing, np.ones(1))
    return IntegerNetwork((layer, readout), contract, 0.0005)


@pytest.mark.parametrize("rounding", ["floor", "toward_zero"])
@pytest.mark.parametrize("steps", [0, 1, 4, 30])
def test_the_worst_rise_is_that_of_spikes_which_come_together(rounding, steps):
    """Reached exactly on both sides, by spikes of one sign as often as a refractory period lets."""
    contract = replace(CONTRACT, rounding=rounding, refractory_steps=steps)
    rng = np.random.default_rng(steps)
    w_rec = rng.integers(-90, 91, (4, 4))
    network = driven(w_rec, contract, rise=rng.uniform(0.6, 0.95))
    bounds = state_bounds(network)["hidden0"]
    assert bounds.periods.tolist() == [steps + 1] * 4
    low, high = bounds.range_of("rise")
    for neuron, row in enumerate(w_rec):
        raster = np.zeros((steps + 240, 4), np.uint8)
        raster[:: steps + 1] = row > 0
        assert asked_words(network, raster)["hidden0.rise"][1, neuron] == high[neuron]
        raster[:: steps + 1] = row < 0
        assert asked_words(network, raster)["hidden0.rise"][0, neuron] == low[neuron]


def test_a_refractory_period_is_worked_by_hand():
    """Halves of 64 every third step: 64 + 8 + 1 = 73; in `syn`, three quarters kept."""
    network = driven([[0, 64], [0, 0]], rise=0.5, syn=0.75)
    bounds = state_bounds(network)["hidden0"]
    assert bounds.range_of("rise").high.tolist() == [73, 0]
    # 64 / (1 - 1/8) = 73.14, 36.57, 18.29 arrive a step later: at most 73.14 + 3/4 (...) at once
    waves = [512 / 7 / 2**age for age in (0, 1, 2)]
    last = (waves[2] + 0.75 * waves[1] + 0.75**2 * waves[0]) / (1 - 0.75**3)
    sizes = [last := last * 0.75 + wave for wave in waves]
    assert bounds.range_of("syn").high.tolist() == [int(max(sizes)), 0]
    quick = state_bounds(replace(network, contract=replace(CONTRACT, refractory_steps=0)))
    assert quick["hidden0"].range_of("rise").high[0] == 127
    assert quick["hidden0"].range_of("syn").high[0] == 505  # 4 x 127, less what rounding loses


def reachable(network, most):
    """Every state that any inputs lead the hidden layer to, and the ends of what words are asked.

    Returns:
        The ends (low, high) by state, and whether all states were seen.
    """
    (layer, _), c = network.layers, network.contract
    n = layer.n_neurons
    inputs = np.array(list(np.ndindex(*[2] * n)))
    states = np.array([[layer.initial(s) for s in layer.STATES]])
    seen, ends = {states[0].tobytes()}, {}
    while len(states) and len(seen) < most:
        old = layer.words()(*(np.repeat(states[:, i], len(inputs), 0) for i in range(5)))
        o = Exact(c, layer)
        update = layer.step(o, layer, old, np.tile(inputs, (len(states), 1)))
        for state, values in update.asked(o).items():
            low, high = np.min(values, (0, 1)), np.max(values, (0, 1))
            if state in ends:
                low, high = np.minimum(low, ends[state][0]), np.maximum(high, ends[state][1])
            ends[state] = low, high
        new = np.stack([np.asarray(getattr(update, s), np.int64) for s in layer.STATES], 1)
        fresh = {row.tobytes(): row for row in new}
        states = np.array([row for key, row in fresh.items() if key not in seen])
        seen |= set(fresh)
    return ends, len(seen) < most


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("rounding", ["floor", "toward_zero"])
@pytest.mark.parametrize("current", ["new", "previous"])
def test_no_state_that_any_inputs_lead_to_leaves_the_bounds(overflow, rounding, current):
    """Tiny networks, all states: random phases, any spikes, narrow words."""
    rng = np.random.default_rng(7)
    whole, near = 0, []
    for number in range(8):
        contract = replace(
            CONTRACT,
            **{"overflow_syn": overflow, "overflow_mem": overflow, "rounding": rounding},
            **{"current": current, "refractory_steps": int(rng.integers(0, 4))},
            **{"syn_bits": 5 if number % 4 == 0 else 12, "decay_frac": 4},
        )
        w_rec = rng.integers(-7, 8, (2, 2))
        decays = {name: rng.uniform(0.1, 0.8) for name in ("rise", "syn", "mem")}
        if number == 4:  # of one sign: what is below 0 was wrapped
            w_rec, decays["rise"] = [[6, 7], [5, 7]], 0.8
            contract = replace(contract, refractory_steps=2)
        network = driven(w_rec, contract, **decays, bias=rng.integers(-3, 4, 2))
        bounds = state_bounds(network)["hidden0"]
        found, is_whole = reachable(network, 8_000)
        whole += is_whole
        for state, (low, high) in found.items():
            ends = bounds.range_of(state)
            assert (low >= ends.low).all(), (number, state)
            assert (high <= ends.high).all(), (number, state)
            if is_whole and state == "rise" and contract.syn_bits == 12:
                near.append((low == ends.low).all() and (high == ends.high).all())
    assert whole >= 4
    assert all(near)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(0, len(covering_contracts()), 3))
def test_bounds_of_the_step_alone_hold_for_kinds_that_have_bounds_of_their_own(number):
    """Under contracts in which a spike leaves a membrane above threshold, or clears it late."""
    rng = np.random.default_rng(number)
    for _ in range(3):
        network = random_network(rng, covering_contracts()[number], hidden=(5,), n_inputs=4)
        raster = random_raster(rng, 120, 4)
        trace = reference.run(network, raster)
        layer = network.hidden[0]
        ranges, periods = invariant(network.contract, layer, np.ones(4, np.int64), unlimited=False)
        for state, found in asked_in(network, raster, trace, 0).items():
            assert (found.low >= ranges[state].low).all(), state
            assert (found.high <= ranges[state].high).all(), state
        for neuron, period in enumerate(periods):
            times = np.flatnonzero(trace.variables["hidden0.spk"][:, neuron])
            assert len(times) == 0 or period > 0
            assert (np.diff(times) >= period).all()


@dataclass(frozen=True)
class TwoPaths(DoubleExpLIF):
    """A kind whose spikes reach `syn` at once and by way of `rise`."""

    @staticmethod
    def step(o, layer, old, source):
        update = DoubleExpLIF.step(o, layer, old, source)
        asked = update.asked_syn + o.scaled(update.acc)
        return update._replace(asked_syn=asked, syn=o.fit(asked, "syn"))


def test_spikes_that_arrive_by_two_paths_are_counted_where_both_are_largest_together():
    """64 every third step: 64 + 18.3, 73.1, 36.6 arrive in the steps of a period."""
    layer = driven([[0, 64], [0, 0]], rise=0.5, syn=0.75).layers[0]
    ranges, _ = invariant(CONTRACT, TwoPaths(**vars(layer)), np.ones(2, np.int64), unlimited=False)
    rise = [512 / 7 / 2**age for age in (0, 1, 2)]
    waves = [64 + rise[2], rise[0], rise[1]]
    last = (waves[2] + 0.75 * waves[1] + 0.75**2 * waves[0]) / (1 - 0.75**3)
    sizes = [last := last * 0.75 + wave for wave in waves]
    assert ranges["syn"].high.tolist() == [int(max(sizes)), 0]


def test_a_word_that_begins_elsewhere_is_no_filter_of_spikes():
    """A readout that begins at 5000 and is asked for more than spikes would make of it."""
    nothing = np.array([0])
    half = np.array([1 << PAPER.decay_frac - 1])
    layer = CubaLI(np.array([[8]]), nothing, half, np.array([5000]), np.ones(1))
    ranges, _ = invariant(CONTRACT, layer, np.array([4]), unlimited=True)
    assert (ranges["out"].low.tolist(), ranges["out"].high.tolist()) == ([0], [2508])


def test_known_ranges_and_computed_ones_both_hold():
    layer = driven([[0, 64], [0, 0]]).layers[0]
    o = Intervals(CONTRACT, layer)
    state = layer.words()(*[Interval(np.array([0, 0]), np.array([1, 1]))] * 5)
    rise = equations(layer, CONTRACT)["asked_rise"]
    for low, high, expected in ((-9, 900, (0, 64)), (1, 60, (1, 60)), (-9, 7, (0, 7))):
        known = {rise: Interval(np.array([low, -9]), np.array([high, 9]))}
        found = Evaluated(o, layer, state, state.spk, known).of(rise)
        assert (found.low[0], found.high[0]) == expected


def test_a_neuron_whose_threshold_is_below_its_reset_spikes_while_it_waits():
    network = driven([[0, 9], [9, 0]])
    layer = network.layers[0].replaced({"threshold": np.array([-1, STRONG << 11])})
    network = replace(network, layers=(layer, network.readout))
    assert state_bounds(network)["hidden0"].periods.tolist() == [1, 1]
    at = replace(network, contract=replace(CONTRACT, fires_when=">="))
    for threshold, period in ((0, 1), (1, 3)):
        layer = network.layers[0].replaced({"threshold": np.array([threshold, STRONG << 11])})
        again = replace(at, layers=(layer, network.readout))
        assert state_bounds(again)["hidden0"].periods.tolist() == [period] * 2
    raster = np.ones((60, 2), np.uint8)
    assert not violations(asked_words(network, raster), state_bounds(network))


def test_what_is_kept_is_at_most_a_threshold_that_it_must_not_reach():
    """The sum of a step: what is kept, at most 9 or 10 without loss, and an input of 3."""
    for when, most in ((">", 13), (">=", 12)):
        network = driven([[0]], replace(CONTRACT, fires_when=when), mem=1.0)
        arrays = {"w_direct": [[3]], "e_direct": [0], "threshold": [10]}
        layer = network.layers[0].replaced({k: np.array(v) for k, v in arrays.items()})
        network = replace(network, layers=(layer, network.readout))
        assert state_bounds(network)["hidden0"].range_of("mem").high.tolist() == [most]


def test_others_need_not_spike_when_a_neuron_does():
    """Each would keep the other down for long."""
    network = driven([[0, -90], [-90, 0]])
    layer = network.layers[0].replaced({"e_rec": np.array([15, 15])})
    network = replace(network, layers=(layer, network.readout))
    assert state_bounds(network)["hidden0"].periods.tolist() == [3, 3]


def test_what_needs_time_to_come_back_counts_as_well():
    """The input of a step takes a third of the way, and nothing else drives the membrane."""
    network = driven([[0, 0], [0, 0]], mem=1.0)
    layer = network.layers[0].replaced({"threshold": np.full(2, STRONG * 3 * 4096 - 1)})
    network = replace(network, layers=(layer, network.readout))
    assert state_bounds(network)["hidden0"].periods.tolist() == [5, 5]
    raster = np.ones((40, 2), np.uint8)
    times = np.flatnonzero(reference.run(network, raster).variables["hidden0.spk"][:, 0])
    assert set(np.diff(times).tolist()) == {5}


def test_layers_above_know_it_too():
    """A readout of half decays: 16 every third step is 16 / (1 - 1/8)."""
    bounds = state_bounds(driven([[0, 0], [0, 0]]))
    assert bounds["readout"].syn_high.tolist() == [18]
    every = state_bounds(driven([[0, 0], [0, 0]], replace(CONTRACT, refractory_steps=0)))
    assert every["readout"].syn_high.tolist() == [31]


@pytest.mark.slow
def test_long_runs_of_several_layers_stay_within():
    for seed in (0, 2, 5):
        rng = np.random.default_rng(seed)
        plain = random_network(rng, PAPER, hidden=(6, 5), n_inputs=4)
        network = double_exp(rng, plain, refractory_steps=seed)
        raster = random_raster(rng, 800, 4)
        assert not violations(asked_words(network, raster), state_bounds(network))
