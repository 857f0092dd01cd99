"""The spiking network: golden traces, definition and kernel, and each variant by hand."""

from dataclasses import replace

import numpy as np
import pytest
from rate_networks import random_rate_network, stored_network

from base.errors import DataError, MismatchError, RangeError
from rsnn.rate import spiking
from rsnn.rate.spiking import STATES, LIFNetwork, mapped, resumptions
from rsnn.rate.spiking_kernel import Trial, draw_start, run_trials


@pytest.fixture(scope="module")
def golden(shared):
    with np.load(shared / "seeds" / "golden_lif_traces.npz") as found:
        return dict(found)


def compared_times(n_steps: int) -> np.ndarray:
    """The first step that integrates, where times in seconds are compared as published."""
    times = 0.00005 * np.arange(n_steps + 50)
    return np.array([np.argmax(times > times[i] + 0.002) for i in range(n_steps + 1)])


def trial(network, golden, **choices) -> Trial:
    generator = np.random.default_rng(1)
    return Trial(network, golden["u"][:, None], golden["v0"], generator, record=True, **choices)


@pytest.mark.parametrize("factor", [20, 30, 50])
def test_the_golden_trials_have_every_spike_and_state(shared, golden, factor):
    network = mapped(stored_network(shared), factor)
    run = trial(network, golden, noise=0.0, resumes=compared_times(20_000))
    snapshots, window = [], []
    stops = sorted({*golden["snapshot_steps"], *range(4940, 5140), 20_000})
    last = 0
    for stop in stops:
        run.advance(int(stop) - last)
        last = int(stop)
        if stop in golden["snapshot_steps"]:
            snapshots.append(run.states.copy())
        if 4940 <= stop < 5140:
            window.append(run.states[:, golden["units"]])
    done = run.finish()
    assert np.array_equal(done.spike_steps, golden[f"spike_step_{factor}"])
    assert np.array_equal(done.spike_units, golden[f"spike_unit_{factor}"])
    assert np.abs(done.out[9::10] - golden[f"out_{factor}"]).max() < 1e-9
    for ours, theirs in ((snapshots, "snapshots"), (window, "window")):
        expected = golden[f"{theirs}_{factor}"]
        assert np.abs(np.array(ours) - expected).max() < 1e-9 * max(1, np.abs(expected).max())
    assert done.out[9_999:].max() == pytest.approx(
        {20: 5.0577, 30: 2.6618, 50: 1.1554}[factor], abs=5e-5
    )


def test_the_golden_noisy_trial_has_every_spike(shared, golden):
    run = trial(mapped(stored_network(shared), 30), golden, resumes=compared_times(20_000))
    done = run.finish()
    assert np.array_equal(done.spike_steps, golden["noisy_spike_step_30"])
    assert np.array_equal(done.spike_units, golden["noisy_spike_unit_30"])
    assert np.abs(done.out[9::10] - golden["noisy_out_30"]).max() < 1e-9
    assert np.array_equal(np.bincount(done.spike_units, minlength=200), done.spike_counts)


def test_counting_refractory_steps_differs_where_times_were_rounded(shared, golden):
    """Up to the first such spike, all spikes are the same."""
    rounded = compared_times(20_000)
    counted = resumptions(mapped(stored_network(shared), 30), 20_000)
    assert set(counted - rounded) == {0, 1}
    first = np.nonzero(counted - rounded)[0]
    spikes = golden["spike_step_20"]
    first_hit = min(step for step in first if step in spikes)
    done = trial(mapped(stored_network(shared), 20), golden, noise=0.0).finish()
    same = spikes[spikes <= first_hit + 40]
    assert len(same) > 100
    assert np.array_equal(done.spike_steps[: len(same)], same)
    assert not np.array_equal(done.spike_steps, spikes)


VARIANTS = [
    {},
    {"filter": "single"},
    {"refractory": False},
    {"downsample": 10},
    {"downsample": 3, "filter": "single"},
]


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_kernel_is_the_definition(variant, noise):
    network = mapped(random_rate_network(n_inputs=2), 0.5, **variant)
    random = np.random.default_rng(3)
    u = random.normal(size=(31, 2)) * 10
    start = draw_start(network, random)
    generator = np.random.default_rng(4)
    run = Trial(network, u, start, generator, noise=noise, record=True)
    added = np.random.default_rng(4).standard_normal((run.n_steps, network.n_units)) * noise
    done = run.finish()
    spikes, states, out = spiking.run(network, u, start, added)
    steps, units = np.nonzero(spikes)
    assert len(steps) > 20
    assert np.array_equal(done.spike_steps, steps + 1)
    assert np.array_equal(done.spike_units, units)
    assert done.states == pytest.approx(states[-1], abs=1e-9, rel=1e-12)
    assert done.out == pytest.approx(out, abs=1e-9)
    assert np.array_equal(done.spike_counts, spikes.sum(axis=0))


def lone(**changes) -> LIFNetwork:
    """One unit that excites itself."""
    values = {"w": [[2.0]], "w_in": [[1.0]], "w_out": [3.0], "tau": [0.05]}
    return LIFNetwork(**{name: np.array(v) for name, v in values.items()}, **changes)


def test_a_spike_reaches_the_current_two_steps_later_and_the_membrane_in_the_third():
    states = spiking.run(lone(), np.zeros((2, 1)), np.array([-39.0]))[1][:, :, 0]
    v, current, h, r, q = states[:4].T
    jump = 2 / (0.002 * 0.05)
    assert (v[0], current[0], h[0]) == (-65, 0, jump)
    assert current[1] == jump * 5e-5
    assert q[0] == 1 / (0.002 * 0.05)
    assert (r[0], r[1]) == (0, q[0] * 5e-5)
    assert h[1] == pytest.approx(jump * np.exp(-5e-5 / 0.002))
    assert set(states[:41, STATES.index("v")]) == {-65.0}  # of the 40 steps after the spike, too
    assert states[41, 0] > -65


def test_a_single_exponential_has_no_rise():
    _, states, out = spiking.run(lone(filter="single"), np.zeros((2, 1)), np.array([-39.0]))
    assert list(states[0, :, 0]) == [-65, 2 / 0.05, 0, 1 / 0.05, 0]
    assert out[0] == pytest.approx(3 / 0.05)


def test_without_refractory_period_a_unit_integrates_in_the_next_step():
    quiet = np.array([-50.0])
    moved = spiking.run(lone(refractory=False), np.zeros((2, 1)), quiet)[1][0, 0, 0]
    assert moved == pytest.approx(-50 + 0.00005 * 10 / 0.010)
    resting = spiking.run(lone(), np.zeros((2, 1)), quiet)[1][:41, 0, 0]
    assert set(resting[:40]) == {-50.0}  # nothing integrates at the start of a trial either
    assert resting[40] == moved


def test_inputs_change_half_a_column_early():
    u = np.array([[0.0], [100.0], [0.0]])
    v = spiking.run(lone(refractory=False), u, np.array([-65.0]))[1][:, 0, 0]
    alone = spiking.run(lone(refractory=False), 0 * u, np.array([-65.0]))[1][:, 0, 0]
    assert np.array_equal(v[:49], alone[:49])
    assert v[49] > alone[49]  # step 50: floor(50 / 100 + 1/2) is column 1


def test_downsampling_takes_every_so_many_columns_for_longer_steps():
    network = lone(downsample=10)
    assert (network.dt, network.refractory_steps) == (pytest.approx(5e-4), 4)
    assert replace(network, downsample=3).refractory_steps == 13
    assert replace(network, refractory=False).refractory_steps == 0
    u = np.arange(21.0)[:, None]
    assert list(network.driven(u)[:, 0]) == [0, 10, 20]
    assert len(spiking.run(network, u, np.array([-65.0]))[2]) == 200


def test_a_trial_does_not_depend_on_the_number_of_threads():
    network = mapped(random_rate_network(), 0.5)

    def run(seed):
        generator = np.random.default_rng(seed)
        start = draw_start(network, generator)
        return Trial(network, np.ones((5, 1)), start, generator).finish()

    first, second = (run_trials(run, range(6), n_threads) for n_threads in (1, 3))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.out, other.out)
        assert not len(one.spike_steps)
    assert not np.array_equal(first[0].out, first[1].out)


def test_mapping_divides_weights_and_nothing_else():
    rate = random_rate_network()
    network = mapped(rate, 4.0)
    assert np.array_equal(network.w, rate.recurrent / 4)
    assert np.array_equal(network.w_out, rate.w_out.astype(float) / 4)
    assert np.array_equal(network.w_in, rate.w_in)
    assert network.tau == pytest.approx(rate.tau * 0.005)
    assert (network.task, network.factor) == ("go-nogo", 4.0)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"factor": 0.0}, RangeError, "`factor` is 0; it must be above 0 and finite"),
        ({"filter": "triple"}, RangeError, "`filter` is triple; known: double, single"),
        ({"downsample": 41}, RangeError, r"`downsample` is 41; 1..40 is possible"),
        ({"downsample": 0}, RangeError, r"`downsample` is 0; 1..40 is possible"),
        ({"tau": np.zeros(1)}, RangeError, "`tau` is 0 s; it must be above 0"),
        ({"w": np.ones((2, 2))}, MismatchError, r"`w` is \(2, 2\); \(1, 1\) is needed"),
        ({"w_out": np.array([np.nan])}, DataError, "`w_out` has values that are NaN or infinite"),
    ],
)
def test_what_is_no_network_is_refused(changes, error, text):
    with pytest.raises(error, match=text):
        replace(lone(), **changes)
    if "factor" in changes:
        with pytest.raises(error, match=text):
            mapped(random_rate_network(), **changes)


@pytest.mark.parametrize("u", [np.zeros((5, 2)), np.zeros(5), np.zeros((1, 1))])
def test_inputs_of_another_shape_are_refused(u):
    with pytest.raises(MismatchError, match=r"`u` is .*; \(n_columns, 1\) with at least 2 colu"):
        lone().driven(u)
