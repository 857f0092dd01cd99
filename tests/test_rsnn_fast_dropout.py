"""Dropout: the random bits are SplitMix64's, and the masks have the share and the scale wanted."""

import numpy as np
import pytest
import torch

from rsnn.fast.dropout import _fill, _kept_on, draw_key, keep_factors, keep_limit, random_word

LIKE = torch.zeros(())


def factors(shape, dropout, seed=1):
    return keep_factors(shape, dropout, torch.Generator().manual_seed(seed), LIKE)


def test_words_are_those_of_splitmix64():
    # the first outputs of the authors' C code, seeded with 1234567
    wanted = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    with np.errstate(over="ignore"):
        assert [int(random_word(np.uint64(1234567), n)) for n in range(3)] == wanted


@pytest.mark.parametrize("n", [1, 64, 97])
@pytest.mark.parametrize("key", [0, 1234567, 2**64 - 1])
def test_torch_computes_the_same_bits_on_any_device(key, n):
    kept = np.empty((300, n), np.bool_)
    _fill(np.uint64(key), keep_limit(0.3), kept)
    found = _kept_on(torch.device("cpu"), np.uint64(key), keep_limit(0.3), 300, n)
    assert np.array_equal(found.numpy(), kept)


@pytest.mark.parametrize("n", [64, 97])
def test_the_share_lost_and_the_scale_are_those_wanted(n):
    drawn = factors((500, 50, n), 0.3)
    assert drawn.shape == (500, 50, n)
    assert set(drawn.unique().tolist()) == {0.0, np.float32(1 / 0.7)}
    assert (drawn == 0.0).float().mean().item() == pytest.approx(0.3, abs=0.002)


def test_neighbours_in_every_direction_are_lost_independently():
    lost = (factors((400, 40, 50), 0.3) == 0.0).double() - 0.3
    for shift in ((0, 0, 1), (0, 0, 4), (0, 1, 0), (1, 0, 0)):
        product = lost * lost.roll(shift, (0, 1, 2))
        assert abs(product.mean().item()) < 4 * 0.21 / lost.numel() ** 0.5, shift


def test_each_draw_has_a_key_of_its_own_and_each_seed_too():
    generator = torch.Generator().manual_seed(1)
    keys = [draw_key(generator), draw_key(generator), draw_key(torch.Generator().manual_seed(2))]
    assert len({int(key) for key in keys}) == 3
    assert not torch.equal(factors((9, 9, 9), 0.5), factors((9, 9, 9), 0.5, seed=2))
    assert torch.equal(factors((9, 9, 9), 0.5), factors((9, 9, 9), 0.5))


def test_no_dropout_draws_nothing():
    generator = torch.Generator().manual_seed(1)
    assert keep_factors((2, 3, 4), 0.0, generator, LIKE) is None
    assert draw_key(generator) == draw_key(torch.Generator().manual_seed(1))
    assert keep_limit(0.0) == -(2**15)
