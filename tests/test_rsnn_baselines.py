from types import SimpleNamespace

import numpy as np
import pytest
from random_models import random_raster
from sklearn.linear_model import Ridge

from rsnn import baselines
from rsnn.baselines import ridge, ridge_r2
from rsnnctl.errors import RangeError
from rsnnctl.metrics import r2_score

STEPS = 5  # of 4 ms in a bin


def linear_velocity(raster: np.ndarray, noise: float, seed: int = 1) -> np.ndarray:
    """Velocity (n_steps, 2) that follows the spikes of the last 100 ms, and noise."""
    random = np.random.default_rng(seed)
    weights = random.normal(size=(raster.shape[1], 2))
    driven = raster @ weights
    smooth = np.stack([np.convolve(d, np.ones(25))[: len(raster)] for d in driven.T], 1)
    return (smooth + noise * random.normal(size=smooth.shape)).astype(np.float32)


def features(raster: np.ndarray, n_lags: int) -> np.ndarray:
    """Every bin of every channel behind every step, (n_steps, n_lags * n_channels), plainly."""
    rows = []
    for t in range(len(raster)):
        row = []
        for lag in range(n_lags):
            stop = t + 1 - lag * STEPS
            row += list(raster[max(stop - STEPS, 0) : max(stop, 0)].sum(0, dtype=int))
        rows.append(row)
    return np.array(rows, float)


@pytest.mark.parametrize("penalty", [10.0, 1000.0])
def test_ridge_equals_scikit_learn_on_all_features_written_out(monkeypatch, penalty):
    raster = random_raster(3003, 8, rate=0.1)
    velocity = linear_velocity(raster, noise=2.0)
    train, test = slice(0, 2004), slice(2004, 3003)
    x = features(raster[train], 10)[9 * STEPS + STEPS - 1 :: STEPS]
    y = velocity[train][9 * STEPS + STEPS - 1 :: STEPS]
    model = Ridge(alpha=penalty).fit(x, y)
    wanted = r2_score(model.predict(features(raster[test], 10)), velocity[test])
    monkeypatch.setattr(baselines, "PENALTIES", (penalty,))
    # predictions are summed in float32
    assert ridge(raster, velocity, train, test) == pytest.approx(wanted, abs=1e-6)
    assert wanted > 0.1


def test_a_linear_code_is_decoded_nearly_perfectly_once_the_history_covers_it():
    raster = random_raster(20_000, 10, rate=0.1)
    velocity = linear_velocity(raster, noise=0.1)
    train, test = slice(0, 15_000), slice(15_000, 20_000)
    assert ridge(raster, velocity, train, test, history=0.1) > 0.99
    assert ridge(raster, velocity, train, test, history=0.04) < 0.6


def test_a_heavy_penalty_is_chosen_where_the_spikes_say_nothing():
    raster = random_raster(6000, 40, rate=0.1)
    velocity = np.random.default_rng(3).normal(size=(6000, 2)).astype(np.float32)
    assert -0.05 < ridge(raster, velocity, slice(0, 4000), slice(4000, 6000)) < 0.05


def test_silent_channels_do_no_harm():
    raster = random_raster(6000, 10, rate=0.1)
    velocity = linear_velocity(raster, noise=0.1)
    wider = np.concatenate((raster, np.zeros_like(raster)), axis=1)
    train, test = slice(0, 4000), slice(4000, 6000)
    wanted = ridge(raster, velocity, train, test)
    assert ridge(wider, velocity, train, test) == pytest.approx(wanted, abs=1e-6)


def test_a_session_is_learned_from_train_and_validation_and_scored_on_test():
    raster = random_raster(6000, 10, rate=0.1)
    velocity = linear_velocity(raster, noise=1.0)
    session = SimpleNamespace(raster=raster, velocity=velocity, dt=0.004)
    split = SimpleNamespace(
        train=slice(0, 3500), validation=slice(3500, 4500), test=slice(4500, 6000)
    )
    wanted = ridge(raster, velocity, slice(0, 4500), slice(4500, 6000), history=0.1)
    assert ridge_r2(session, split, history=0.1) == wanted


# Errors


def test_a_history_shorter_than_a_bin_is_refused():
    raster = random_raster(1000, 4)
    message = r"^history is 0\.005 s; a bin takes 0\.02 s, give at least one bin$"
    with pytest.raises(RangeError, match=message):
        ridge(raster, linear_velocity(raster, 1.0), slice(0, 500), slice(500, 1000), history=0.005)


def test_a_training_stretch_shorter_than_the_history_needs_is_refused():
    raster = random_raster(1000, 4)
    velocity = linear_velocity(raster, 1.0)
    message = (
        r"^the training stretch has 94 steps; a history of 0\.2 s needs at least 95, use a longer"
        r" stretch or a shorter history$"
    )
    with pytest.raises(RangeError, match=message):
        ridge(raster, velocity, slice(0, 94), slice(500, 1000))
    ridge(raster, velocity, slice(0, 95), slice(500, 1000))
