import numpy as np
import pytest
from driven_sessions import (
    quarters,
    session_of,
    tuned_session,
    with_more_channels,
    with_other_test_velocity,
)
from random_models import random_raster, random_target

from base.errors import DataError
from base.metrics import r2_score
from rsnn.baselines import kalman as module
from rsnn.baselines.kalman import kalman


def filter_plainly(a, w, h, q, observed):
    """The filter of the textbooks, with its gain computed anew at every step: the last of them."""
    p = np.zeros_like(a)
    x = np.zeros(len(a))
    for z in observed:
        x, p = a @ x, a @ p @ a.T + w
        gain = p @ h.T @ np.linalg.inv(h @ p @ h.T + q)
        x, p = x + gain @ (z - h @ x), (np.eye(len(a)) - gain @ h) @ p
    return x, gain


def test_the_constant_gain_is_the_one_that_the_full_filter_arrives_at():
    random = np.random.default_rng(0)
    a = np.array([[1.0, 0.1], [0.0, 0.9]])
    w, h, q = np.diag([0.0, 0.3]), random.normal(size=(5, 2)), np.diag(random.random(5) + 0.5)
    observed = random.normal(size=(400, 5))
    wanted, last_gain = filter_plainly(a, w, h, q, observed)
    informed = np.linalg.solve(q, h).T
    gain = module._settle(a, w, informed @ h) @ informed
    assert gain == pytest.approx(last_gain, rel=1e-6)
    x = np.zeros(2)
    for z in observed:
        x = (a - gain @ h @ a) @ x + gain @ z
    assert x == pytest.approx(wanted, rel=1e-6)


def test_filters_that_take_turns_decode_what_one_filter_decodes_at_the_ends_of_its_bins():
    session = tuned_session(4000)
    fitted = module._fit(session, slice(0, 3000), 10, 3)
    raster = session.raster[3000:]
    decoded = module._decode(fitted, raster, 10, 3)
    counts = raster.reshape(-1, 10, raster.shape[1]).sum(1, dtype=float)
    x = np.zeros(4)
    for k, z in enumerate(counts):
        x = fitted.transition @ x + fitted.gain @ (z - fitted.counts)
        if (k + 1) * 10 + 2 < len(decoded):
            # weighted spikes are summed in float32
            assert decoded[(k + 1) * 10 + 2] == pytest.approx(fitted.velocity + x[2:], abs=1e-4)
    assert (decoded[:3] == fitted.velocity).all()


@pytest.mark.slow
def test_a_linear_code_is_decoded_far_better_than_by_chance():
    found = kalman(tuned_session(12_000), quarters(12_000))
    assert found.r2 > 0.8
    assert found.name.startswith("Kalman filter, bins of ")


def test_a_lag_is_found_where_spikes_come_long_before_the_movement():
    session = tuned_session(12_000, lead=100)
    found = kalman(session, quarters(12_000), bins=(0.04,), lags=(0.0, 0.4))
    assert found.name == "Kalman filter, bins of 40 ms, lag 400 ms"
    assert found.r2 > 0.7


def test_spikes_that_say_nothing_decode_the_mean():
    session = session_of(random_raster(6000, 20, rate=25.0), np.diff(random_target(6001), axis=0))
    assert -0.1 < kalman(session, quarters(6000)).r2 < 0.05


@pytest.mark.slow
def test_silent_and_constant_channels_do_no_harm():
    session = tuned_session(8000)
    wanted = kalman(session, quarters(8000)).r2
    found = kalman(with_more_channels(session), quarters(8000)).r2
    assert found == pytest.approx(wanted, abs=0.01)


def test_a_session_without_any_spike_decodes_the_mean():
    session = tuned_session(4000)
    silent = session_of(np.zeros_like(session.raster), session.velocity)
    mean = np.tile(session.velocity[:3000].mean(0), (1000, 1))
    wanted = r2_score(mean, session.velocity[3000:])
    assert kalman(silent, quarters(4000)).r2 == pytest.approx(wanted, abs=1e-6)


@pytest.mark.slow
def test_nothing_is_learned_from_the_test_part(monkeypatch):
    session, split = tuned_session(6000), quarters(6000)
    fit, fitted = module._fit, []

    def keep(*arguments):
        fitted.append(fit(*arguments))
        return fitted[-1]

    monkeypatch.setattr(module, "_fit", keep)
    one = kalman(session, split)
    other = kalman(with_other_test_velocity(session, split), split)
    half = len(fitted) // 2
    for a, b in zip(fitted[:half], fitted[half:], strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert one.name == other.name
    assert one.r2 != other.r2


def test_its_figures_count_transition_gain_and_offset():
    found = kalman(tuned_session(3000, n_channels=7), quarters(3000))
    assert (found.n_steps, found.dense) == (750, 4 * 4 + 4 * 7)
    assert found.footprint == 4 * (4 * 4 + 4 * 7 + 4)


def test_a_train_part_too_short_for_the_longest_bin_is_refused():
    message = (
        r"^session made up: its train part has 1000 steps; Kalman filters with bins of 0\.2 s need"
        r" at least 1030, use a longer session$"
    )
    with pytest.raises(DataError, match=message):
        kalman(tuned_session(2000), quarters(2000))
