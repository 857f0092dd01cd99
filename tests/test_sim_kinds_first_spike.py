"""A layer whose first spike decides: against a loop over events, and in every backend."""

from dataclasses import replace

import numpy as np
import pytest
from first_spike_networks import CONTRACT, T, drawn
from networks import random_network

from base.errors import DataError, MismatchError, UnsupportedError
from export.firmware.arithmetic import arithmetic_of
from export.firmware.decoder import export_c
from export.formats import backends
from hw_targets.machines.c_cost import worst_case
from rsnnctl.backends import backends as backends_of
from rsnnctl.verifying import Stimulus, verify_file
from sim import reference
from sim.artifact import load_network, load_vectors, save_network
from sim.bounds.layers import state_bounds
from sim.fast import runs
from sim.fast.first_spikes import first_spikes, run_backend
from sim.fast.simulator import Simulator
from sim.inputs import first_events
from sim.intermediates import asked_in
from sim.kinds.cuba_li import CubaLI
from sim.kinds.first_spike import FirstSpike
from sim.live.decoder import Decoder
from sim.metrics import evaluate_run
from sim.shrink import shrink
from sim.trace import count_differences
from sim.verify import verify


def event_by_event(network, times):
    """First spikes and potentials, from the events in their order."""
    layer, (low, high) = network.layers[0], (0, T)
    v, t = np.zeros(layer.n_neurons, np.int64), np.full(layer.n_neurons, T)
    unity = 1 << network.contract.decay_frac
    for now in range(low, high):
        decayed = np.sign(v) * (np.abs(v) * layer.decay_mem // unity)
        is_open = t == T
        v = np.where(is_open, decayed + layer.w_in[:, times == now].sum(1, dtype=np.int64), v)
        t = np.where(is_open & (v > layer.threshold), now, t)
    return t, v


@pytest.mark.parametrize("leak", [False, True])
def test_first_spikes_potentials_and_decision_are_those_of_the_events(leak):
    decided = set()
    for seed in range(40):
        network, times, raster = drawn(seed, leak=leak)
        trace = reference.run(network, raster).variables
        t, v = event_by_event(network, times)
        assert trace["readout.t"][-1].tolist() == t.tolist()
        assert trace["readout.v"][-1].tolist() == v.tolist()
        assert trace["readout.fired"][-1].tolist() == (t < T).tolist()
        first = min(range(10), key=lambda j: (t[j], -v[j], j))
        assert network.readout.decode(trace["readout.out"])[-1].tolist() == [first // 2]
        order = sorted(range(10), key=lambda j: (-trace["readout.out"][-1, j], j))
        assert order == sorted(range(10), key=lambda j: (t[j], -v[j], j))
        decided.add(first // 2)
    assert len(decided) > 3


def test_what_comes_after_a_sample_changes_nothing():
    network, _, raster = drawn(1)
    longer = np.concatenate([raster, np.ones((5, 24), np.uint8)])
    trace = reference.run(network, longer).variables
    for name in ("v", "t", "out", "fired"):
        assert (trace[f"readout.{name}"][T - 1 :] == trace[f"readout.{name}"][T - 1]).all(), name
    assert trace["readout.t"].max() == T


def test_of_equals_the_first_neuron_decides():
    network, _, _ = drawn(2)
    layer = network.layers[0].replaced(
        {"w_in": np.full((10, 24), 30), "threshold": np.full(10, 100), "label": np.arange(10)[::-1]}
    )
    same = replace(network, layers=(layer,))
    raster = np.zeros((T, 24), np.uint8)
    raster[3, :6] = 1
    out = reference.run(same, raster).variables["readout.out"][-1:]
    assert len(set(out[0].tolist())) == 1
    assert same.readout.decode(out).tolist() == [[9.0]]


def test_a_second_event_of_an_input_counts_only_where_it_may():
    network, times, raster = drawn(3)
    again, first = raster.copy(), int(times.argmin())
    again[times[first] + 1 :, first] = 1
    once = reference.run(network, again).variables
    assert np.array_equal(once["readout.v"], reference.run(network, raster).variables["readout.v"])
    often = replace(network, contract=replace(network.contract, inputs_once=False))
    assert not np.array_equal(reference.run(often, again).variables["readout.v"], once["readout.v"])
    assert often.digest() != network.digest()


def test_the_first_events_of_a_raster_are_found_block_by_block():
    rng = np.random.default_rng(0)
    raster = (rng.random((40, 9)) < 0.1) * rng.integers(-3, 4, (40, 9)).astype(np.int8)
    whole, seen = first_events(raster, np.zeros(9, bool))
    assert whole.dtype == np.int8
    for j in range(9):
        events = np.flatnonzero(raster[:, j])
        kept = np.flatnonzero(whole[:, j])
        assert kept.tolist() == events[:1].tolist()
        assert seen[j] == bool(events.size)
    one, between = first_events(raster[:17], np.zeros(9, bool))
    assert np.array_equal(np.concatenate([one, first_events(raster[17:], between)[0]]), whole)


@pytest.mark.slow  # compiles kernels and C
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"inputs_once": False},
        {"delay_steps": 1},
        {"mem_bits": 11, "overflow_mem": "wrap", "rounding": "floor"},
        {"mem_bits": 11, "frac_bits": 2, "fires_when": ">="},
        {"input_bits": 3, "input_signed": True},
    ],
    ids=str,
)
def test_every_backend_computes_every_word(fields):
    narrow = "mem_bits" in fields
    for seed, leak in ((0, False), (1, True)):
        network, _, raster = drawn(seed, leak=leak)
        layer = network.layers[0]
        if narrow:
            layer = layer.replaced({"lead_step": np.full(10, 60), "lead_start": np.full(10, 960)})
        network = replace(network, layers=(layer,), contract=replace(CONTRACT, **fields))
        values = raster.astype(network.input_dtype)
        if "input_bits" in fields:
            values = np.random.default_rng(seed).integers(-4, 4, (T, 24)).astype(np.int8)
        rasters = [values, np.concatenate([values, values[::-1]])]
        found = verify(network, rasters, {"numba": runs.run_backend, **backends()})
        assert found.differences == 0
        assert set(found.not_run) == {"verilog"}


def test_a_decoder_gives_the_decision_and_starts_anew():
    network, _, raster = drawn(5)
    decoder = Decoder(network)
    expected = network.readout.decode(reference.run(network, raster).variables["readout.out"])
    for _ in range(2):
        found = [decoder.step(row.astype(bool)) for row in raster]
        assert np.array_equal(found, expected)
        decoder.reset()


def test_a_file_holds_the_kind(tmp_path):
    network, _, _ = drawn(6)
    save_network(network, tmp_path / "a.int.h5")
    found = load_network(tmp_path / "a.int.h5")
    assert found.digest() == network.digest()
    assert isinstance(found.readout, FirstSpike)
    golden, trace = load_vectors(tmp_path / "a.int.h5")
    assert count_differences(reference.run(network, golden), trace) == 0
    header, _ = (path.read_text() for path in export_c(network, tmp_path))
    assert "class is that of the row with the largest word:\n * row 0: class 0\n" in header
    assert " * 24 inputs, 10 readout rows, one step" in header


def test_operations_are_those_of_the_events():
    network, times, raster = drawn(7)
    found = evaluate_run(network, runs.run(network, raster), None)
    present = network.layers[0].w_in[:, times < T]
    assert found.effective_acs == np.count_nonzero(present) / T
    assert found.activation_sparsity == 0.0


@pytest.mark.slow
def test_a_failing_network_shrinks_to_the_neuron_that_matters():
    network, _, raster = drawn(8)

    def faulty(given, inputs):
        trace = runs.run_backend(given, inputs)
        trace.variables["readout.v"][:] = np.minimum(trace.variables["readout.v"], 50)
        return trace

    small, kept = shrink(network, raster, faulty)
    assert small.readout.n_neurons < 10
    assert count_differences(reference.run(small, kept), faulty(small, kept)) > 0


def test_other_readouts_need_a_hidden_layer():
    network, _, _ = drawn(9)
    readout = CubaLI(
        w_out=np.ones((2, 24), int),
        decay_syn=np.zeros(2, int),
        decay_mem=np.zeros(2, int),
        initial_out=np.zeros(2, int),
        out_scale=np.ones(2),
    )
    with pytest.raises(MismatchError, match="one or more hidden layers followed by one readout"):
        replace(network, layers=(readout,))


def sparse(rasters):
    """Samples (n_samples, n_steps, n_inputs) as events: `ptr`, `index`, `tick`."""
    sample, tick, index = np.nonzero(rasters)
    ptr = np.searchsorted(sample, np.arange(len(rasters) + 1))
    return ptr, index, tick


@pytest.mark.slow
@pytest.mark.parametrize("fires_when", [">", ">="])
@pytest.mark.parametrize("frac_bits", [0, 3])
def test_the_engine_without_a_clock_finds_first_spikes_and_potentials(fires_when, frac_bits):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        network, _, _ = drawn(seed, fires_when=fires_when, frac_bits=frac_bits)
        layer = network.layers[0]
        threshold = layer.threshold.astype(int) << frac_bits
        threshold[seed % 10] = -3 if seed % 2 else 0  # which fire without any event
        step = layer.lead_step.astype(int) << frac_bits
        changed = {"threshold": threshold, "lead_step": step, "lead_start": T * step}
        network = replace(network, layers=(layer.replaced(changed),))
        rasters = (rng.random((9, T + 3, 24)) < rng.choice([0.0, 0.02, 0.3], (9, 1, 1))).astype(
            "u1"
        )
        found = first_spikes(network, *sparse(rasters))
        for k, raster in enumerate(rasters):
            trace = reference.run(network, raster).variables
            assert found.t[k].tolist() == trace["readout.t"][-1].tolist()
            assert found.v[k].tolist() == trace["readout.v"][-1].tolist()
            decided = network.readout.decode(trace["readout.out"])[-1, 0]
            assert found.classes(network)[k] == decided
            outcome = run_backend(network, raster)
            assert count_differences(reference.run(network, raster), outcome) == 0


def test_a_sample_ends_when_all_neurons_have_fired():
    network, _, raster = drawn(1)
    easy = network.layers[0].replaced({"threshold": np.full(10, 0), "w_in": np.full((10, 24), 5)})
    tick, index = np.nonzero(raster)
    found = first_spikes(replace(network, layers=(easy,)), [0, len(tick)], index, tick)
    assert found.n_events.tolist() == [np.count_nonzero(tick == tick[0])]
    assert found.t.tolist() == [[tick[0]] * 10]


def test_what_the_engine_cannot_compute_is_refused_by_name():
    network, _, raster = drawn(2)
    wide = network.layers[0].replaced({"decay_mem": np.full(10, 4095)})
    for refused, text in (
        (replace(network, layers=(wide,)), "potentials leak; the event-driven engine computes"),
        (drawn(2, inputs_once=False)[0], "`inputs_once` is False; .* needs True"),
        (drawn(2, delay_steps=1)[0], "`delay_steps` is 1; .* needs 0"),
        (drawn(2, input_bits=2)[0], "inputs have several bits"),
        (random_network(np.random.default_rng(0)), "the layers are cuba_lif, cuba_li; the engine"),
    ):
        with pytest.raises(UnsupportedError, match=text):
            first_spikes(refused, [0], [], [])
    layer = network.layers[0].replaced(
        {"lead_step": np.full(10, 8), "lead_start": np.full(10, 128)}
    )
    narrow = replace(network, layers=(layer,), contract=replace(network.contract, mem_bits=10))
    with pytest.raises(UnsupportedError, match="may leave their word of 10 bits"):
        first_spikes(narrow, [0], [], [])
    low = layer.replaced({"w_in": -np.abs(layer.w_in), "threshold": np.zeros(10, int)})
    with pytest.raises(UnsupportedError, match="may leave their word of 10 bits"):
        first_spikes(replace(narrow, layers=(low,)), [0], [], [])
    uneven = network.layers[0].replaced({"lead_start": network.layers[0].lead_start * 2})
    starts = np.where(np.arange(10) == 3, uneven.lead_start, network.layers[0].lead_start)
    with pytest.raises(UnsupportedError, match="neurons have samples of different lengths"):
        first_spikes(
            replace(network, layers=(uneven.replaced({"lead_start": starts}),)), [0], [], []
        )
    with pytest.raises(UnsupportedError, match="the input has 15 steps, a sample 16"):
        run_backend(network, raster[:-1])
    for events, text in (
        (([0, 2], [0, 1], [3, 2]), "not ordered by step"),
        (([0, 1], [0], [-1]), "an event is in step -1"),
        (([0, 1], [24], [0]), r"name inputs 24\.\.24; there are 0\.\.23"),
        (([0, 1], [0, 1], [0]), "there are 2 inputs, 1 ticks"),
        (([0, 2], [0], [0]), "samples up to 2"),
    ):
        with pytest.raises((DataError, MismatchError), match=text):
            first_spikes(network, *events)
    assert first_spikes(network, [0, 1, 2], [0, 1], [3, 2]).n_events.tolist() == [1, 1]


@pytest.mark.slow
def test_verify_says_which_comparison_it_made(tmp_path, monkeypatch):
    network, _, raster = drawn(3)
    path = tmp_path / "a.int.h5"
    save_network(network, path)
    found = verify_file(path, Stimulus(steps=T))
    kinds = {name: result.what for name, result in found.backends.items()}
    assert kinds.pop("events") == kinds.pop("c-events") == "first spikes and potentials"
    assert set(kinds.values()) == {"state words"}
    assert found.differences == 0
    assert found.backends["events"].words == 2 * 2 * 10
    text = "events (hand-written): 40 first spikes and potentials, 0 differences"
    assert text in list(found.lines())
    assert "events" not in backends_of(random_network(np.random.default_rng(0)))
    layer = network.readout
    long = replace(network, layers=(layer.replaced({"lead_start": layer.lead_step * 130}),))
    save_network(long, path)  # its golden run has 100 steps
    found = verify_file(path, Stimulus(steps=130))
    assert found.backends["events"].words == 2 * 2 * 10
    assert (found.differences, found.steps, set(found.not_run)) == (0, 260, {"verilog"})

    def late(given, inputs):
        outcome = run_backend(given, inputs)
        outcome.variables["readout.t"][0, -1] += 1
        return outcome

    wrong = verify(network, [raster], {"events": late}).backends["events"]
    assert wrong.differences == 1
    assert (wrong.first.difference.step, wrong.first.difference.variable) == (T - 1, "t")
    small, kept = shrink(network, raster, late)
    assert small.readout.n_neurons == 1
    assert count_differences(reference.run(small, kept), late(small, kept)) == 1


def test_the_range_of_a_potential_is_that_of_weights_that_come_once():
    network, _, _ = drawn(4, frac_bits=2)
    layer = network.layers[0]
    low, high = layer.limits(network.contract)["asked_v"]
    assert low.tolist() == (np.minimum(layer.w_in, 0).sum(1, dtype=int) * 4).tolist()
    assert high.tolist() == (np.maximum(layer.w_in, 0).sum(1, dtype=int) * 4).tolist()
    assert "asked_v" not in layer.limits(replace(network.contract, inputs_once=False))
    assert layer.limits(network.contract)["t"].high.tolist() == [T] * 10
    narrow = replace(network.contract, mem_bits=9, overflow_mem="wrap")
    assert "asked_v" not in layer.limits(narrow)


def test_a_sample_whose_lead_is_no_multiple_of_its_step_ends_at_0():
    network, _, raster = drawn(0)
    layer = network.layers[0]
    step = layer.lead_step.astype(int)
    odd = layer.replaced({"lead_start": 5 * step + 3, "threshold": np.full(10, 1 << 20)})
    trace = reference.run(replace(network, layers=(odd,)), raster).variables
    assert trace["readout.lead"][4:, 0].tolist() == [3] + [0] * (T - 5)
    assert trace["readout.t"][-1].tolist() == [6] * 10
    assert odd.limits(network.contract)["t"].high.tolist() == [6] * 10


def test_inputs_that_have_had_their_event_are_known_from_block_to_block():
    network, _, raster = drawn(1)
    raster[6:] |= raster[:-6]  # second events
    simulator = Simulator(network)
    blocks = [simulator.step_block(raster[:7]), simulator.step_block(raster[7:])]
    out = np.concatenate([block.out for block in blocks])
    assert np.array_equal(out, reference.run(network, raster).variables["readout.out"])
    simulator.reset()
    assert np.array_equal(simulator.step_block(raster).out, out)


def test_what_words_were_asked_to_hold_counts_first_events_alone():
    network, _, raster = drawn(2)
    trace = reference.run(network, raster | raster[::-1])
    asked = asked_in(network, raster | raster[::-1], trace, 0)
    for state in ("v", "t", "lead", "out"):
        assert np.array_equal(asked[state].high, trace.variables[f"readout.{state}"]), state


def test_a_potential_that_can_wrap_on_one_side_has_no_limits():
    layer = drawn(3)[0].layers[0].replaced({"w_in": np.full((10, 24), 100)})
    wrapping = replace(CONTRACT, overflow_mem="wrap", mem_bits=12)
    assert "asked_v" not in layer.limits(wrapping)  # up to 2400, a word to 2047
    saturating = replace(wrapping, overflow_mem="saturate")
    assert layer.limits(saturating)["asked_v"].high.tolist() == [2400] * 10


def test_bounds_count_each_input_once_and_the_steps_of_a_sample():
    for seed in range(6):
        network, _, raster = drawn(seed, frac_bits=seed % 2, leak=seed > 3)
        layer = network.layers[0]
        step = layer.lead_step.astype(int) * 4
        layer = layer.replaced({"lead_step": step, "lead_start": T * step})
        network = replace(network, layers=(layer,))
        bounds = state_bounds(network)["readout"]
        low, high = layer.limits(network.contract)["asked_v"]
        assert bounds.range_of("v").low.tolist() == low.tolist()
        assert bounds.range_of("v").high.tolist() == high.tolist()
        assert bounds.range_of("t").high.tolist() == [T] * 10
        most = np.where(high > layer.threshold, T * step + high, high)  # of those that can fire
        assert bounds.range_of("out").high.tolist() == most.tolist()
        for given in (raster, np.ones_like(raster), np.concatenate([raster, raster[::-1]])):
            trace = reference.run(network, given)
            for state, asked in asked_in(network, given, trace, 0).items():
                ends = bounds.range_of(state)
                assert (asked.low >= ends.low).all(), state
                assert (asked.high <= ends.high).all(), state
    often = replace(network, contract=replace(network.contract, inputs_once=False))
    assert state_bounds(often)["readout"].range_of("v").high.max() > high.max()


def test_the_worst_step_on_a_target_is_refused_and_not_a_traceback(tmp_path):
    network, _, _ = drawn(0)
    with pytest.raises(UnsupportedError, match="one layer of kind first_spike, of which the worst"):
        worst_case(network, None, tmp_path, "fast")
    assert arithmetic_of(network)
