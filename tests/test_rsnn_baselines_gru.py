from dataclasses import replace

import numpy as np
import pytest
import torch
from driven_sessions import (
    quarters,
    session_of,
    tuned_session,
    with_more_channels,
    with_other_test_velocity,
)
from random_models import random_raster, random_target

from base.errors import DataError
from rsnn.baselines import gru as module
from rsnn.baselines.baseline import counts_behind
from rsnn.baselines.gru import GruConfig, train_gru, units_like_tiny
from rsnn.model import RSNN, tiny

QUICK = GruConfig(updates=60, validations=4, batch=16, window_bins=25, learning_rate=0.02)


def test_counts_are_those_of_the_last_steps_and_nothing_before_the_start():
    raster = random_raster(50, 3, rate=125.0)
    counts = counts_behind(raster, 5)
    for t in range(50):
        assert (counts[t] == raster[max(0, t - 4) : t + 1].sum(0)).all()


def test_a_linear_code_is_decoded_far_better_than_by_chance():
    found = train_gru(tuned_session(6000), quarters(6000), QUICK)
    assert found.r2 > 0.6
    assert found.name.startswith("GRU, ")


@pytest.mark.slow
def test_spikes_that_say_nothing_decode_little_but_the_mean():
    session = session_of(random_raster(4000, 20, rate=25.0), np.diff(random_target(4001), axis=0))
    assert -0.3 < train_gru(session, quarters(4000), QUICK).r2 < 0.05


def test_silent_and_constant_channels_do_no_harm():
    assert train_gru(with_more_channels(tuned_session(6000)), quarters(6000), QUICK).r2 > 0.6


def test_the_same_seed_gives_the_same_result_on_any_number_of_threads_and_another_another():
    session, split = tuned_session(3000), quarters(3000)
    config = replace(QUICK, updates=5)
    before = torch.get_num_threads()
    found = []
    try:
        for n_threads in (1, 2):
            torch.set_num_threads(n_threads)
            found.append(train_gru(session, split, config))
    finally:
        torch.set_num_threads(before)
    assert found[0] == found[1]
    assert found[0] != train_gru(session, split, replace(config, seed=2))


def test_torch_is_left_as_it_was():
    torch.manual_seed(5)
    state, n_threads = torch.get_rng_state(), torch.get_num_threads()
    train_gru(tuned_session(3000), quarters(3000), replace(QUICK, updates=2))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == n_threads
    assert torch.is_grad_enabled()


def test_states_that_take_turns_decode_what_one_state_decodes_at_the_ends_of_its_bins():
    generator = torch.Generator().manual_seed(1)
    model = module._Gru(6, 4, generator)
    raster = random_raster(103, 6)
    decoded = module._decode(model, raster, 5)
    counts = raster[:100].reshape(20, 5, 6).sum(1, dtype=np.float32)
    with torch.no_grad():
        wanted = model(torch.from_numpy(counts)[None], 0.0, None)[0].numpy()
    assert decoded.shape == (103, 2)
    assert decoded[4:100:5] == pytest.approx(wanted, abs=1e-6)  # sums in another order


def test_nothing_is_learned_from_the_test_part(monkeypatch):
    session, split = tuned_session(3000), quarters(3000)
    decode, decoded = module._decode, []

    def keep(*arguments):
        decoded.append(decode(*arguments))
        return decoded[-1]

    monkeypatch.setattr(module, "_decode", keep)
    one = train_gru(session, split, replace(QUICK, updates=8))
    half = len(decoded)
    other = train_gru(with_other_test_velocity(session, split), split, replace(QUICK, updates=8))
    for a, b in zip(decoded[:half], decoded[half:], strict=True):
        assert np.array_equal(a, b)
    assert one.r2 != other.r2


@pytest.mark.parametrize("n_channels", [1, 8, 96, 192])
def test_it_has_about_as_many_parameters_as_tinyrsnn_and_no_more(n_channels):
    generator = torch.Generator().manual_seed(1)

    def count(model):
        return sum(parameter.numel() for parameter in model.parameters())

    n_units, most = units_like_tiny(n_channels), count(RSNN(tiny(n_channels)))
    assert count(module._Gru(n_channels, n_units, generator)) <= most
    assert count(module._Gru(n_channels, n_units + 1, generator)) > most


def test_its_figures_count_all_parameters_and_the_products_of_gates():
    found = train_gru(tuned_session(2000), quarters(2000), replace(QUICK, updates=1))
    n, c = units_like_tiny(40), 40
    assert found.footprint == 4 * (3 * n * (c + n + 2) + 2 * n + 2)
    assert found.dense == 3 * n * (c + n) + 3 * n + 2 * n


def test_a_train_part_shorter_than_a_window_is_refused():
    message = (
        r"^session made up: its train part has 100 steps; a GRU is trained on windows of 125, use a"
        r" longer session$"
    )
    with pytest.raises(DataError, match=message):
        train_gru(tuned_session(200), quarters(200), QUICK)
