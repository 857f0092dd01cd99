"""Magnitude pruning: which weights are removed, and that they never come back."""

from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from random_models import random_model

from base.errors import RangeError
from rsnn.data.session import Session
from rsnn.data.split import Split
from rsnn.model import RSNN, Architecture, tiny
from rsnn.training.prune import magnitude_masks, prune
from rsnn.training.recipe import TrainConfig

QUICK = TrainConfig(epochs=2, batch=8, learning_rate=0.02, window_steps=50, stride=25)
dense_model = partial(random_model, sparsity=0.0)


def random_session(n_channels):
    random = np.random.default_rng(1)
    return Session(
        name="random",
        raster=(random.random((600, n_channels)) < 0.1).astype(np.uint8),
        velocity=random.normal(size=(600, 2)).astype(np.float32),
        segments=np.array([[0, 600]]),
    )


def apply(model, masks):
    with torch.no_grad():
        for name, weight in model.connections().items():
            weight *= masks[name]


@pytest.mark.parametrize(
    ("n_inputs", "fraction", "n_zeros", "published"),
    [
        (96, 0.40, [2457, 1638, 51], 0.3999),
        (96, 0.45, [2764, 1843, 57], 0.4498),
        (96, 0.50, [3072, 2048, 64], 0.5),
        (192, 0.40, [4915, 1638, 51], 0.4),
        (192, 0.45, [5529, 1843, 57], 0.4499),
        (192, 0.50, [6144, 2048, 64], 0.5),
    ],
)
def test_the_number_of_pruned_weights_is_the_published_one(n_inputs, fraction, n_zeros, published):
    masks = magnitude_masks(dense_model(tiny(n_inputs)), fraction)
    assert [int((~mask).sum()) for mask in masks.values()] == n_zeros
    n_weights = sum(mask.numel() for mask in masks.values())
    assert round(sum(n_zeros) / n_weights, 4) == published


def test_published_networks_have_as_many_zeros_as_pruning_them_again_would_leave(published):
    for path in published:
        state = torch.load(path, weights_only=True, map_location="cpu")
        weights = [state[f"con{i}.op.weight"].float() for i in (1, 2, 3)]
        model = RSNN(tiny(weights[0].shape[1]))
        with torch.no_grad():
            for ours, theirs in zip(model.connections().values(), weights, strict=True):
                ours.copy_(theirs)
        n_zeros = [int((weight == 0.0).sum()) for weight in weights]
        fraction = round(n_zeros[0] / weights[0].numel(), 2)
        masks = magnitude_masks(model, fraction)
        assert [int((~mask).sum()) for mask in masks.values()] == n_zeros, path.name


def test_the_smallest_weights_of_each_matrix_go():
    model = dense_model(Architecture(20, hidden=(9, 7)))
    for name, mask in magnitude_masks(model, 0.3).items():
        magnitude = model.connections()[name].detach().abs()
        assert magnitude[mask].min() > magnitude[~mask].max(), name


def test_pruning_by_nothing_keeps_every_weight_that_is_not_zero():
    model = dense_model(Architecture(5, hidden=(4,)))
    assert all(mask.all() for mask in magnitude_masks(model, 0.0).values())
    with torch.no_grad():
        model.hidden[0].w_rec[1] = 0.0
    masks = magnitude_masks(model, 0.0)
    assert int((~masks["hidden0.w_rec"]).sum()) == 4
    assert masks["hidden0.w_in"].all()


def test_of_equal_weights_the_first_goes():
    model = RSNN(Architecture(4, hidden=(1,)))
    with torch.no_grad():
        model.hidden[0].w_in.copy_(torch.tensor([[0.5, -0.5, 0.5, 1.0]]))
    assert magnitude_masks(model, 0.5)["hidden0.w_in"].tolist() == [[False, False, True, True]]


def test_a_fraction_that_binary_floats_miss_prunes_the_whole_number():
    masks = magnitude_masks(dense_model(Architecture(100, hidden=(1,))), 0.29)
    assert int((~masks["hidden0.w_in"]).sum()) == 29  # 0.29 * 100 is 28.999999999999996


@pytest.mark.slow
@given(
    fraction=st.floats(0.0, 1.0, exclude_max=True),
    seed=st.integers(0, 2**16),
    natural_zeros=st.floats(0.0, 1.0),
)
def test_pruning_twice_is_pruning_once(fraction, seed, natural_zeros):
    model = dense_model(Architecture(6, hidden=(5, 3)), seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for weight in model.connections().values():
            weight *= torch.rand(weight.shape, generator=generator) >= natural_zeros
    masks = magnitude_masks(model, fraction)
    apply(model, masks)
    once = {name: weight.detach().clone() for name, weight in model.connections().items()}
    again = magnitude_masks(model, fraction)
    apply(model, again)
    for name, weight in model.connections().items():
        assert torch.equal(masks[name], again[name])
        assert torch.equal(weight, once[name])
        assert torch.equal(weight != 0.0, masks[name])


def test_pruned_weights_stay_zero_through_retraining_and_the_others_learn():
    model, session = dense_model(Architecture(8, hidden=(12,))), random_session(8)
    before = model.hidden[0].w_in.detach().clone()
    masks = magnitude_masks(model, 0.45)
    split = Split(slice(0, 300), slice(300, 450), slice(450, 600))
    seen = []
    result = prune(model, session, split, QUICK, fraction=0.45, report=seen.append)
    assert len(seen) == len(result.training.records) == 2
    for name, weight in model.connections().items():
        assert torch.equal(result.masks[name], masks[name])
        assert torch.equal(weight != 0.0, masks[name])
    kept = masks["hidden0.w_in"]
    assert not torch.equal(model.hidden[0].w_in[kept], before[kept])
    n_pruned = 43 + 64 + 10  # of 96, 144 and 24 weights
    assert result.connection_sparsity == pytest.approx(n_pruned / (96 + 144 + 24))


@pytest.mark.parametrize("fraction", [-0.1, 1.0, float("nan")])
def test_a_fraction_without_a_meaning_is_refused(fraction):
    with pytest.raises(RangeError) as refusal:
        magnitude_masks(dense_model(Architecture(3, hidden=(2,))), fraction)
    assert str(refusal.value) == (
        f"fraction is {fraction:g}; it must be at least 0 and below 1, the published networks lie"
        " between 0.4 and 0.5"
    )
