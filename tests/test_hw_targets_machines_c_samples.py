"""First spikes on targets: samples event by event beside steps, their instructions and bounds."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from first_spike_networks import T, drawn
from tools import need

from base.errors import RangeError, UnsupportedError
from export.firmware import templates
from export.firmware.events.code import fewest_events
from hw_targets import targets
from hw_targets.machines import c_samples
from hw_targets.machines.c_cost import Cost, Instructions, Samples, violations
from hw_targets.machines.c_machine import Sizes
from hw_targets.machines.c_samples import by_events, clocked, count_samples, worst_sample
from hw_targets.machines.target import Limits, check, run_whole, runners
from rsnnctl.verifying import verify_session
from sim import reference
from sim.artifact import save_network
from sim.verify import verify

TARGETS = targets()
RIGHT = templates.template


@pytest.fixture(params=sorted(name for name, each in TARGETS.items() if each.kinds is None))
def target(request):
    found = TARGETS[request.param]
    for program, package in found.tools.items():
        need(program, package)
    return found


def machine_of(name):
    for program, package in TARGETS[name].tools.items():
        need(program, package)
    return import_module(f"hw_targets.{name}").MACHINE


def verified(target, network, rasters, folder):
    runs = {
        name: lambda _, raster, run=run: run_whole(run, raster)
        for name, run in runners(target, network, folder).items()
    }
    return verify(network, rasters, runs, writer=target.format)


@pytest.mark.slow
def test_both_forms_are_verified_on_every_target_and_a_fault_in_either_is_found(
    target, tmp_path, monkeypatch
):
    """The faults are in the time of a spike by events, and in the bits of a step's bitmap."""
    network, _, raster = drawn(1)
    (tool,) = target.backends
    both = f"{target.name} ({tool})", f"{target.name} (events)"
    rasters = [raster, raster[::-1], np.ones((T + 3, 24), np.uint8)]
    found = verified(target, network, rasters, tmp_path / "right")
    assert tuple(found.backends) == both
    assert [each.what for each in found.backends.values()] == [
        "state words",
        "first spikes and potentials",
    ]
    assert found.backends[both[1]].words == 3 * 2 * 10
    assert (found.differences, found.not_run) == (0, {})
    for i, (right, wrong) in enumerate(
        (
            ("deliver(state, c)", "deliver(state, first)"),
            ("sample->t[i] = sample->now", "sample->t[i] = (uint16_t)(sample->now + 1u)"),
        )
    ):
        monkeypatch.setattr(
            templates, "template", lambda name, a=right, b=wrong: RIGHT(name).replace(a, b)
        )
        differs = verified(target, network, rasters, tmp_path / f"fault{i}").backends
        assert [differs[name].differences > 0 for name in both] == [i == 0, i == 1]


@pytest.mark.slow
def test_what_events_cannot_compute_is_not_run_and_other_networks_have_one_form(tmp_path):
    need("cc", "gcc")
    leaking, _, raster = drawn(3, leak=True)
    found = verified(TARGETS["host_c"], leaking, [raster], tmp_path)
    assert list(found.backends) == ["host_c (cc)"]
    assert found.not_run["host_c (events)"].startswith("potentials leak; the event-driven engine")
    network, _, raster = drawn(3)
    run = runners(TARGETS["host_c"], network, tmp_path / "b")["host_c (events)"]
    with pytest.raises(UnsupportedError, match=r"^the input has 15 steps, a sample 16$"):
        run_whole(run, raster[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [(T,), (5, 11, 3), (16, 4), (9, 9), (15, 5)])
def test_blocks_of_an_input_end_as_the_whole_does(sizes, tmp_path):
    need("cc", "gcc")
    network, _, raster = drawn(4)
    raster = np.concatenate([raster, np.ones((4, 24), np.uint8)])[: sum(sizes)]
    blocks = np.split(raster, np.cumsum(sizes)[:-1])
    run = runners(TARGETS["host_c"], network, tmp_path)["host_c (events)"]
    trace = reference.run(network, raster)
    given = []
    for block, outcome in run(iter(blocks), len(raster)):
        given.append(block)
        for name, words in outcome.variables.items():
            assert (words[0] == trace.variables[name][-1]).all()
    assert np.array_equal(np.concatenate(given), raster)


@pytest.mark.slow
def test_a_recording_is_compared_in_both_forms(tmp_path, monkeypatch):
    need("cc", "gcc")
    network, _, raster = drawn(5)
    path = tmp_path / "a.int.h5"
    save_network(network, path)
    np.save(tmp_path / "r.npy", np.concatenate([raster] * 3))
    monkeypatch.setattr("rsnnctl.verifying._BLOCK_STEPS", 7)
    found = verify_session(path, "host_c", tmp_path / "r.npy")
    events = found.backends["host_c (events)"]
    assert (found.differences, events.what) == (0, "first spikes and potentials")
    assert events.words == 5 * 2 * 10  # after 21 steps, which make a sample, and 28, 35, 42, 48
    short = verify_session(path, "host_c", tmp_path / "r.npy", steps=T - 1)
    assert list(short.backends) == ["host_c (cc)"]
    assert short.not_run == {"host_c (events)": "the input has 15 steps, a sample 16"}
    text = "sample->v[i] = sample->sum[i]"
    monkeypatch.setattr(
        templates, "template", lambda name: RIGHT(name).replace(text, text + " + 1")
    )
    found = verify_session(path, "host_c", tmp_path / "r.npy")
    assert found.backends["host_c (cc)"].differences == 0
    wrong = found.backends["host_c (events)"]
    assert (wrong.differences, wrong.first.difference.step) == (5 * 10, 20)


@pytest.mark.slow
def test_a_check_has_the_instructions_of_a_sample_in_each_form():
    target = TARGETS["cortex_m4"]
    machine_of("cortex_m4")
    network, _, _ = drawn(2)
    found = check(target, network)
    assert (found["fits"], found["violations"], found["not_checked"]) == (True, [], [])
    by_step = [found[f"instructions_{name}"] for name in ("min", "mean", "max", "worst_case")]
    assert by_step == sorted(by_step)
    assert found["instructions_clocked"] == pytest.approx(T * found["instructions_mean"])
    names = ("decision", "events", "worst_sample")
    by_sample = [found[f"instructions_{name}"] for name in names]
    assert by_sample == sorted(set(by_sample))
    assert found["instructions_mean_bitmap"] > found["instructions_mean"]
    assert found["instructions_events"] < found["instructions_clocked"]
    assert found["worst_sample_ms"] == pytest.approx(by_sample[-1] * 1.5 / 64e3)
    assert check(target, network) == found


@pytest.mark.slow
def test_a_leak_leaves_the_clocked_form_alone():
    machine_of("cortex_m4")
    leaking, _, _ = drawn(2, leak=True)
    found = check(TARGETS["cortex_m4"], leaking)
    assert found["fits"]
    assert found["instructions_clocked"] > found["instructions_worst_case"]
    for name in ("instructions_events", "instructions_decision", "worst_sample_ms"):
        assert found[name] is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cortex_m0plus", "cortex_m4", "rv32imc"])
@pytest.mark.parametrize("kept", [1.0, 0.2])
def test_no_sample_takes_more_than_the_bounds(name, kept, tmp_path):
    """Neurons that fire at once, by turns, or never; inputs at once, or at a tick each."""
    machine = machine_of(name)
    rng = np.random.default_rng(1)
    network, _, _ = drawn(1)
    layer = network.layers[0]
    few = layer.w_in * (rng.random(layer.w_in.shape) < kept)
    network = replace(network, layers=(layer.replaced({"w_in": few}),))
    cost = count_samples(network, machine)
    worst = cost.instructions.worst_case, cost.samples.worst_case
    rasters = [
        c_samples.sample(network, ticks)
        for ticks in (np.zeros(24, int), np.full(24, T - 1), np.arange(24) % T, np.arange(24) // 2)
    ]
    most = [0, 0]
    for i, threshold in enumerate(
        (layer.threshold, np.arange(10) * round(30 * kept), np.arange(10) - 5)
    ):
        other = replace(network, layers=(network.layers[0].replaced({"threshold": threshold}),))
        folder = tmp_path / str(i)
        folder.mkdir()
        steps = clocked(other, machine, rasters, folder)
        samples = by_events(other, machine, rasters, folder)
        for each in samples:
            assert each.at_first.count <= each.at_all.count + 1
        most = np.maximum(most, (steps.max(), max(each.at_all.count for each in samples)))
    assert (most < worst).all()
    assert (most > 0.4 * np.array(worst)).all()


def test_a_machine_that_counts_nothing_is_refused(tmp_path):
    network, _, _ = drawn(0)
    machine = import_module("hw_targets.host_c").MACHINE
    text = "^what cc makes counts no instructions; name an emulator$"
    for use in (
        lambda: count_samples(network, machine),
        lambda: machine.run_samples(network, [], tmp_path, tmp_path),
    ):
        with pytest.raises(RangeError, match=text):
            use()


@pytest.mark.slow
def test_a_sample_that_is_too_large_to_be_counted_is_said(monkeypatch):
    machine_of("cortex_m4")
    monkeypatch.setattr(c_samples, "_MOST_VALUES", T * 24 - 1)
    network, _, _ = drawn(0)
    found = check(TARGETS["cortex_m4"], network)
    assert (found["fits"], found["not_checked"]) == (
        None,
        [
            "a sample has 16 steps of 24 inputs, which are too many to be counted here; verify it"
            " on the target all the same"
        ],
    )
    monkeypatch.setattr(c_samples, "_MOST_VALUES", T * 24)
    assert check(TARGETS["cortex_m4"], network)["fits"]


@pytest.mark.slow
def test_neurons_that_fire_at_no_threshold_have_no_worst_step():
    machine_of("cortex_m4")
    network, _, _ = drawn(0)
    layer = network.layers[0]
    low = {"w_in": np.full((10, 24), -128), "threshold": np.full(10, 5)}
    steps = {"lead_step": np.full(10, 1 << 13), "lead_start": np.full(10, (1 << 17) - 1)}
    narrow = replace(
        network,
        layers=(layer.replaced(low | steps),),
        contract=replace(network.contract, mem_bits=18, frac_bits=6),
    )
    (line,) = check(TARGETS["cortex_m4"], narrow)["not_checked"]
    assert line.startswith("membranes reach an end of their words, where neurons do not all fire")


@pytest.mark.slow
def test_a_network_that_no_machine_can_hold_is_measured_but_not_counted():
    machine = machine_of("cortex_m0plus")
    network, _, _ = drawn(1, n=100, n_inputs=3000)
    cost = count_samples(network, machine)
    assert cost.sizes.flash > 300_000
    assert (cost.instructions, cost.samples) == (None, None)


def test_the_time_of_a_sample_is_checked_where_events_can_wait_for_it():
    small = replace(TARGETS["cortex_m4"], limits=Limits(clock_hz=1e6, cycles_per_instruction=1.5))
    network, _, _ = drawn(0)  # a step of 1 ms, a sample of 16
    steps = Instructions(1, 1.0, 1.0, 1, 9000)
    events = Samples(20_000.0, 5000.0, 6000.0, 12_000)
    for samples, found in (
        (replace(events, worst_case=10_000), []),
        (
            events,
            [
                "time: 12000 instructions in the worst sample take 18 ms at 1 MHz; a sample lasts"
                " 16 ms. Clock it at 1 MHz, or use fewer neurons or a longer step"
            ],
        ),
        (
            Samples(20_000.0),
            [
                "time: 9000 instructions in the worst step take 13.5 ms at 1 MHz; a step lasts 1"
                " ms. Clock it at 14 MHz, or use fewer neurons or a longer step"
            ],
        ),
    ):
        assert violations(network, small, Cost(Sizes(1, 1), steps, samples)) == found


@pytest.mark.slow
def test_the_worst_sample_is_that_of_the_networks_own_code(monkeypatch, tmp_path):
    """Thresholds are a table at least where the network's are; comparisons begin at once."""
    machine = machine_of("cortex_m4")
    network, _, _ = drawn(0)
    alike = network.layers[0].replaced({"threshold": np.full(10, 200)})
    written = []
    right = c_samples.by_events

    def spied(changed, *given):
        written.append(changed)
        return right(changed, *given)

    monkeypatch.setattr(c_samples, "by_events", spied)
    for i, some in enumerate((network, replace(network, layers=(alike,)))):
        folder = tmp_path / str(i)
        folder.mkdir()
        worst_sample(some, machine, folder)
    assert [len(set(each.readout.threshold.tolist())) for each in written] == [2, 2, 2, 1]
    assert [fewest_events(each) for each in written] == [0] * 4
