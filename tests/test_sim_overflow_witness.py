from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import random_network
from overflow_cases import BY_HAND, contracts, pushing_raster, small_network

from base.errors import RangeError
from sim import reference
from sim.arithmetic.exact import Exact
from sim.bounds.layers import state_bounds
from sim.contract import PAPER
from sim.fast import runs
from sim.intermediates import asked_in, intermediates
from sim.network import IntegerNetwork
from sim.overflow.verdict import verdicts
from sim.overflow.witness import Witness, drive, words_of

SIDES = ("low", "high")


def feedforward(seed: int, **changes) -> IntegerNetwork:
    rng = np.random.default_rng(seed)
    contract = replace(
        PAPER,
        **BY_HAND[rng.integers(len(BY_HAND))],
        decay_frac=int(rng.choice([2, 4, 8])),
        frac_bits=int(rng.integers(5)),
        weight_bits=int(rng.integers(3, 9)),
    )
    return calm(
        random_network(rng, replace(contract, **changes), n_inputs=5, hidden=(3,), recurrent=False)
    )


def calm(network: IntegerNetwork) -> IntegerNetwork:
    """The same with decays that keep at most 0.95 of a state per step, so that it settles."""
    most = int(0.95 * (1 << network.contract.decay_frac))
    layers = []
    for layer in network.layers:
        decays = {k: np.minimum(getattr(layer, k), most) for k in ("decay_syn", "decay_mem")}
        layers.append(replace(layer, **decays))
    return replace(network, layers=tuple(layers))


def check(network: IntegerNetwork, witness: Witness) -> None:
    """Run a witness on the reference: its last step asks for the value it says."""
    trace = reference.run(network, witness.raster)
    index = network.layer_names.index(witness.layer)
    asked = asked_in(network, witness.raster, trace, index, np.array([witness.neuron]))
    assert len(witness.raster) == witness.step + 1
    assert witness.value in (int(end[-1, 0]) for end in asked[witness.variable])


@pytest.mark.slow
@settings(max_examples=80, deadline=None, derandomize=True)
@given(contracts(), st.integers(0, 2**32 - 1))
def test_all_steps_at_once_are_each_step_alone_and_lead_to_the_words_of_the_trace(contract, seed):
    rng = np.random.default_rng(seed)
    network = small_network(rng, contract)
    raster = pushing_raster(rng, network, 28)
    trace = reference.run(network, raster)
    states = [reference.initial_state(network)]
    for x in raster:
        states.append(reference.step(network, states[-1], x))
    for index, (name, layer) in enumerate(network.named_layers()):
        o = Exact(contract, layer)
        found = intermediates(network, raster, trace, index)
        asked = asked_in(network, raster, trace, index)
        assert list(asked) == words_of(layer)
        late = contract.delays(len(network.layers))[index]
        for t, state in enumerate(states[:-1]):
            source = state.arriving if late else raster[t]
            if index:
                sending = states[t if late else t + 1]
                source = sending.layers[index - 1].spk
            alone = layer.step(o, layer, state.layers[index], source)
            for field, value in alone._asdict().items():
                assert np.array_equal(value, getattr(found, field)[t]), (field, t)
        for variable, ends in asked.items():
            words = trace.variables[f"{name}.{variable}"]
            fitted = [o.fit(end, layer.STATES[variable]) for end in ends]
            if variable == "syn" and contract.adds_first:
                fitted = [o.decayed(end, "decay_syn") for end in fitted]
            assert ((words == fitted[0]) | (words == fitted[1])).all(), variable


@pytest.mark.slow
def test_inputs_alone_drive_currents_and_membranes_to_their_bounds_exactly():
    reached: dict[str, int] = {}
    for seed in range(25):
        network = feedforward(seed)
        bounds = state_bounds(network)["hidden0"]
        layer = network.hidden[0]
        for neuron in range(layer.n_neurons):
            silent = bounds.periods[neuron] == 0
            calm = network.contract.reset == "zero" and layer.threshold[neuron] > 0
            for variable, side, exact in (
                ("syn", "low", True),
                ("syn", "high", True),
                ("mem", "low", silent or calm),
                ("mem", "high", silent),
            ):
                if not exact:
                    continue
                bound = bounds.range_of(variable)[SIDES.index(side)][neuron]
                witness = drive(network, "hidden0", variable, neuron, side)
                assert witness.value == bound, (seed, variable, side, neuron)
                reached[f"{variable} {side}"] = reached.get(f"{variable} {side}", 0) + 1
        check(network, witness)
    assert min(reached.values()) > 10, reached


@pytest.mark.slow
def test_a_membrane_that_fires_comes_within_a_few_percent_of_its_upper_bound():
    """The bound needs a membrane just at threshold when the current is at its top."""
    shares = []
    for seed in range(12):
        network = feedforward(seed, decay_frac=8, reset="zero", fires_when=">")
        bounds = state_bounds(network)["hidden0"]
        for neuron in np.flatnonzero(bounds.periods).tolist():
            bound = int(bounds.mem_high[neuron])
            witness = drive(network, "hidden0", "mem", neuron, "high", rounds=2)
            assert witness.value <= bound
            shares.append(witness.value / max(bound, 1))
    assert np.median(shares) > 0.95, shares
    assert len(shares) > 10


def test_changes_are_kept_only_if_they_help_and_a_seed_repeats_them():
    network = calm(random_network(np.random.default_rng(5), PAPER, hidden=(6, 5)))
    bounds = state_bounds(network)["hidden1"]
    values = [
        drive(network, "hidden1", "syn", 4, "low", rounds=rounds).value for rounds in (0, 4, 8)
    ]
    assert values == sorted(values, reverse=True)
    assert bounds.syn_low[4] <= values[-1] < values[0] < 0
    again = drive(network, "hidden1", "syn", 4, "low", rounds=8)
    assert again.value == values[-1]
    check(network, again)


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
@pytest.mark.parametrize("variable", ["syn", "mem"])
def test_too_narrow_words_overflow_at_the_neuron_and_step_that_are_named(variable, overflow):
    network = calm(random_network(np.random.default_rng(2), PAPER, recurrent=False))
    needed = getattr(state_bounds(network)["hidden0"], f"{variable}_bits")
    changed = {f"{variable}_bits": needed - 1, f"overflow_{variable}": overflow}
    narrow = replace(network, contract=replace(network.contract, **changed))
    verdict = verdicts(narrow)[("syn", "mem").index(variable)]
    assert (verdict.needed, verdict.width) == (needed, needed - 1)
    first = verdict.overflows[0]
    assert not -(1 << (needed - 2)) <= first.value < 1 << (needed - 2)
    row = verdict.row()
    assert (row["cannot_overflow"], row["overflowing"]) == (False, len(verdict.overflows))
    check(narrow, first)
    # until then its words are those of the wide network, which holds the value lost here
    ours, theirs = (
        runs.run_backend(n, first.raster).variables[f"hidden0.{variable}"][:, first.neuron]
        for n in (narrow, network)
    )
    assert np.array_equal(ours[:-1], theirs[:-1])
    assert theirs[-1] == first.value != ours[-1]


def test_a_verdict_is_proof_or_witness_or_neither_and_says_so():
    network = calm(random_network(np.random.default_rng(1), PAPER, hidden=(6, 5)))
    bounds = state_bounds(network, unlimited=True)
    enough = max(b.mem_bits for b in bounds.values())
    kinds = set()
    for bits in (enough, enough - 1, enough - 2, enough - 6):
        contract = replace(network.contract, syn_bits=min(bits, 32), mem_bits=min(bits, 32))
        narrow = replace(network, contract=contract)
        for verdict in verdicts(narrow, rounds=1):
            row = verdict.row()
            kinds.add("safe" if row["cannot_overflow"] else row["overflowing"] > 0)
            assert row["cannot_overflow"] == (not verdict.overflows and not verdict.open)
            assert (row["farthest"] is None) == (row["not_excluded"] == 0)
            if verdict.cannot_overflow:
                assert verdict.needed <= verdict.width
            for witness in verdict.overflows:
                check(narrow, witness)
        if bits == enough:
            assert kinds == {"safe"}
    assert kinds == {"safe", True, False}


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (("hidden0", "mem", 0, "left"), "side is left; known: low, high"),
        (
            ("hidden1", "mem", 0, "low"),
            "there is no state hidden1.mem; known: hidden0.syn, hidden0.mem, readout.syn,"
            " readout.out",
        ),
        (("readout", "mem", 0, "low"), "there is no state readout.mem; known: hidden0.syn,"),
        (("hidden0", "syn", 8, "low"), "hidden0 has no neuron 8; it has 8, counted from 0"),
    ],
)
def test_a_state_that_is_not_there_is_refused(state, text):
    network = random_network(np.random.default_rng(0))
    with pytest.raises(RangeError) as caught:
        drive(network, *state)
    assert str(caught.value).startswith(text)


def test_the_readout_has_its_own_name_for_its_membrane():
    network = random_network(np.random.default_rng(0))
    assert [words_of(layer) for layer in network.layers] == [["syn", "mem"], ["syn", "out"]]
    witness = drive(network, "readout", "out", 1, "high")
    check(network, witness)
    assert witness.value > network.readout.initial_out[1]
