import numpy as np
import pytest
from driven_sessions import (
    linear_velocity,
    quarters,
    session_of,
    with_more_channels,
    with_other_test_velocity,
)
from random_models import random_raster
from sklearn.linear_model import Ridge

from base.errors import DataError, RangeError
from base.metrics import r2_score
from rsnn.baselines import ridge as module
from rsnn.baselines.ridge import HISTORIES, ridge
from rsnn.data.split import Split

STEPS = 5  # of 4 ms in a bin


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


def fit_plainly(session, part, n_lags, penalty, first):
    """scikit-learn's ridge on the bin ends of a part, from bin number `first` on."""
    x = features(session.raster[part], n_lags)[STEPS - 1 :: STEPS][first:]
    return Ridge(alpha=penalty).fit(x, session.velocity[part][STEPS - 1 :: STEPS][first:])


@pytest.mark.parametrize("penalty", [10.0, 1000.0])
def test_ridge_equals_scikit_learn_on_all_features_written_out(monkeypatch, penalty):
    raster = random_raster(3003, 8, rate=25.0)
    session = session_of(raster, linear_velocity(raster, noise=1.0))
    split = Split(slice(0, 1500), slice(1500, 2004), slice(2004, 3003))
    model = fit_plainly(session, slice(0, 2004), 10, penalty, first=9)
    decoded = model.predict(features(session.raster[split.test], 10))
    wanted = r2_score(decoded, session.velocity[split.test])
    monkeypatch.setattr(module, "PENALTIES", (penalty,))
    # predictions are summed in float32
    assert ridge(session, split).r2 == pytest.approx(wanted, abs=1e-6)
    assert wanted > 0.1


@pytest.mark.slow
def test_the_best_history_is_the_one_that_scikit_learn_finds_on_the_validation_part(monkeypatch):
    raster = random_raster(4000, 5, rate=25.0)
    session = session_of(raster, linear_velocity(raster, noise=5.0))
    split = quarters(4000)
    monkeypatch.setattr(module, "PENALTIES", (100.0,))
    learn = slice(0, split.validation.stop)
    check = slice(split.train.stop // STEPS, split.validation.stop // STEPS)  # bins
    target = session.velocity[learn][STEPS - 1 :: STEPS][check]
    scores = {}
    for n_lags in (3, 5, 15):
        model = fit_plainly(session, split.train, n_lags, 100.0, first=14)
        decoded = model.predict(features(session.raster[learn], n_lags)[STEPS - 1 :: STEPS][check])
        scores[n_lags] = r2_score(decoded, target)
    assert max(scores, key=lambda n_lags: scores[n_lags]) == 5
    found = ridge(session, split, histories=(0.06, 0.1, 0.3))
    assert found.name == "ridge regression, best history (100 ms)"


def test_a_linear_code_is_decoded_nearly_perfectly_once_the_history_covers_it():
    raster = random_raster(20_000, 10, rate=25.0)
    session = session_of(raster, linear_velocity(raster, noise=0.1))
    split = quarters(20_000)
    assert ridge(session, split, histories=(0.1,)).r2 > 0.99
    assert ridge(session, split, histories=(0.04,)).r2 < 0.6
    best = ridge(session, split, histories=HISTORIES)
    assert best.r2 > 0.99
    assert best.name == "ridge regression, best history (100 ms)"


def test_a_heavy_penalty_is_chosen_where_the_spikes_say_nothing():
    velocity = np.random.default_rng(3).normal(size=(6000, 2))
    session = session_of(random_raster(6000, 40, rate=25.0), velocity)
    assert -0.05 < ridge(session, quarters(6000)).r2 < 0.05


def test_silent_and_constant_channels_do_no_harm():
    raster = random_raster(6000, 10, rate=25.0)
    session = session_of(raster, linear_velocity(raster, noise=0.1))
    wanted = ridge(session, quarters(6000)).r2
    assert ridge(with_more_channels(session), quarters(6000)).r2 == pytest.approx(wanted, abs=1e-3)
    assert wanted > 0.9


def test_nothing_is_learned_from_the_test_part(monkeypatch):
    raster = random_raster(6000, 10, rate=25.0)
    session = session_of(raster, linear_velocity(raster, noise=1.0))
    split = quarters(6000)
    predict, decoded = module._predict, []

    def keep(*arguments):
        decoded.append(predict(*arguments))
        return decoded[-1]

    monkeypatch.setattr(module, "_predict", keep)
    one = ridge(session, split, histories=HISTORIES)
    other = ridge(with_other_test_velocity(session, split), split, histories=HISTORIES)
    assert np.array_equal(*decoded)
    assert one.name == other.name
    assert one.r2 != other.r2


def test_its_figures_count_weights_and_offsets():
    raster = random_raster(2000, 6)
    found = ridge(session_of(raster, linear_velocity(raster, 1.0)), quarters(2000))
    assert found.name == "ridge regression, 200 ms"
    assert (found.n_steps, found.dense, found.footprint) == (500, 6 * 10 * 2, 4 * (6 * 10 * 2 + 2))
    row = found.row("a (test)")
    assert list(row) == ["model", "session", "n_steps", "footprint", "dense", "r2"]


# Errors


def test_a_history_shorter_than_a_bin_is_refused():
    raster = random_raster(1000, 4)
    session = session_of(raster, linear_velocity(raster, 1.0))
    message = r"^history is 0\.005 s; a bin takes 0\.02 s, give at least one bin$"
    with pytest.raises(RangeError, match=message):
        ridge(session, quarters(1000), histories=(0.2, 0.005))


def test_parts_shorter_than_the_history_needs_are_refused():
    raster = random_raster(200, 4)
    session = session_of(raster, linear_velocity(raster, 1.0))
    message = (
        r"^session made up: its train part has 54 steps, its validation part 15; a history of 0\.2"
        r" s needs 55 and 15, use a longer session or a shorter history$"
    )
    with pytest.raises(DataError, match=message):
        ridge(session, Split(slice(0, 54), slice(54, 69), slice(69, 200)))
    ridge(session, Split(slice(0, 55), slice(55, 70), slice(70, 200)))


@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_cursor_that_stands_still_is_refused(name):
    raster = random_raster(2000, 4)
    velocity, split = linear_velocity(raster, 1.0), quarters(2000)
    velocity[getattr(split, name), 1] = 0.5
    message = (
        rf"^session made up: the cursor does not move in the {name} part, so R2 has no meaning"
        r" there; use a longer session$"
    )
    with pytest.raises(DataError, match=message):
        ridge(session_of(raster, velocity), split)
