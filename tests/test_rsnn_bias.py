"""Biases of float models: their effect, their cost, and that models without are unchanged."""

import dataclasses
from itertools import product

import numpy as np
import pytest
import torch
from driven_sessions import quarters, tuned_session
from random_models import ARCHITECTURES, random_model, random_raster, random_target

from base.order import PUBLISHED, Order
from rsnn.checkpoint import save_model
from rsnn.evaluate import decode, evaluate
from rsnn.from_arrays import LayerArrays, model_of
from rsnn.inspect import describe
from rsnn.model import RSNN, Architecture
from rsnn.training.config import resolve
from rsnn.training.initialize import initialize
from rsnn.training.prune import magnitude_masks, prune
from rsnn.training.recipe import TrainConfig
from rsnn.training.train import train

BIASED = ARCHITECTURES["biased, two heads"]
ORDERS = [
    Order(current, fires_on, reset, drops)
    for current, fires_on, reset, drops in product(
        ("previous", "new"),
        ("previous_membrane", "new_membrane"),
        ("zero", "subtract"),
        (True, False),
    )
]
QUICK = TrainConfig(epochs=2, batch=8, window_steps=100, stride=50, learning_rate=0.02, seed=2)


def by_hand(model, raster, order):
    """Spikes of a network of one hidden layer, and the mean of its heads, in numpy and float64."""
    p = {name: value.detach().double().numpy() for name, value in model.named_parameters()}

    def decays(tau):
        return (d.detach().double().numpy() for d in tau.decays())

    layer, previous = model.hidden[0], order.current == "previous"
    d_mem, d_syn = decays(layer.tau)
    spk, syn, mem = np.zeros((3, layer.n_neurons))
    heads = [
        [np.zeros(2), np.full(2, model.architecture.initial_out), *decays(h.tau)]
        for h in model.heads
    ]
    x, spikes, outs = np.zeros(raster.shape[1]), [], []
    for now in raster.astype(float):
        for i, (syn_out, out, d_out, d_syn_out) in enumerate(heads):
            new = d_syn_out * syn_out + p[f"heads.{i}.w_out"] @ spk + p[f"heads.{i}.bias"]
            drive = syn_out if previous else new
            heads[i][:2] = new, d_out * out + (1 - d_out) * drive
        arrived = p["hidden.0.w_in"] @ x + p["hidden.0.w_rec"] @ spk + p["hidden.0.bias"]
        new = d_syn * syn + arrived
        drive = (1 - d_mem) * (syn if previous else new)
        tested = mem if order.fires_on == "previous_membrane" else d_mem * mem + drive
        cleared = 0.0 if order.reset == "zero" else d_mem * mem - 1.0
        cleared = cleared + (0.0 if order.reset_drops_input else drive)
        mem = np.where(tested > 1.0, cleared, d_mem * mem + drive)
        spk, syn, x = (tested > 1.0).astype(float), new, now
        spikes.append(spk)
        outs.append(np.mean([out for _, out, *_ in heads], 0))
    return np.array(spikes), np.array(outs)


@pytest.mark.parametrize("order", ORDERS, ids=lambda d: "-".join(map(str, vars(d).values())))
def test_a_bias_is_added_to_the_current_in_every_step_and_the_first_in_every_order(order):
    architecture = dataclasses.replace(BIASED, hidden=(20,), order=order)
    model = random_model(architecture).double()
    raster = random_raster(200, 12)
    spikes, outs = by_hand(model, raster, order)
    with torch.no_grad():
        found = model(torch.from_numpy(raster)[None].double())
    assert 0.02 < spikes.mean() < 0.9
    assert np.array_equal(found.spk[0][0].numpy(), spikes)
    assert np.abs(found.out[0].numpy() - outs).max() < 1e-12
    out, (spk,) = decode(model, raster, dtype=torch.float64)
    assert np.array_equal(spk, spikes)
    assert np.abs(out - outs).max() < 1e-12


def test_a_constant_current_drives_a_neuron_without_any_input():
    model = RSNN(Architecture(1, (1,), bias=True))
    with torch.no_grad():
        model.hidden[0].bias.fill_(1.0)
    _, (spk,) = decode(model, np.zeros((200, 1), np.uint8))
    assert spk.sum() > 10
    assert not decode(RSNN(Architecture(1, (1,), bias=True)), np.zeros((200, 1), np.uint8))[1][
        0
    ].any()


def test_a_model_without_biases_has_the_parameters_and_the_digest_that_it_always_had(tmp_path):
    model = RSNN(Architecture(3, (4,)))
    assert list(model.state_dict()) == [
        "hidden.0.w_in",
        "hidden.0.w_rec",
        "hidden.0.tau.mem_param",
        "hidden.0.tau.syn_param",
        "heads.0.w_out",
        "heads.0.tau.mem_param",
        "heads.0.tau.syn_param",
    ]
    digest = save_model(model, tmp_path / "a.rsnn.h5", {})
    assert digest == "30faaa0bbac356c478b3cebe92e09a573eb63c2da2444081be181c40c5054497"
    biased = RSNN(Architecture(3, (4,), bias=True))
    assert save_model(biased, tmp_path / "b.rsnn.h5", {}) != digest


def test_biases_start_at_zero_and_change_no_other_draw():
    drawn = []
    for bias in (False, True):
        model = random_model(dataclasses.replace(BIASED, bias=bias))
        initialize(model, rates=(20.0,), generator=torch.Generator().manual_seed(1))
        drawn.append(model.state_dict())
    biases = set(drawn[1]) - set(drawn[0])
    assert biases == {"hidden.0.bias", "hidden.1.bias", "heads.0.bias", "heads.1.bias"}
    assert not any(drawn[1][name].any() for name in biases)
    assert all(torch.equal(drawn[1][name], value) for name, value in drawn[0].items())


def test_where_some_layers_of_arrays_have_a_bias_the_others_get_one_of_zeros():
    def layer(n_post, n_pre, bias=None):
        return LayerArrays(np.ones((n_post, n_pre)), None, np.zeros(n_post), np.zeros(n_post), bias)

    model = model_of([layer(3, 2, np.arange(3.0)), layer(4, 3)], layer(2, 4), 0.001, PUBLISHED)
    assert model.architecture.bias
    assert model.hidden[0].bias.tolist() == [0.0, 1.0, 2.0]
    assert not model.hidden[1].bias.any()
    assert not model.heads[0].bias.any()
    model = model_of([layer(3, 2)], layer(2, 3), 0.001, PUBLISHED)
    assert model.hidden[0].bias is None
    assert not model.architecture.bias


def test_biases_count_in_the_footprint_and_are_no_connections():
    bare = random_model(dataclasses.replace(BIASED, bias=False))
    biased = random_model(BIASED)
    raster, target = random_raster(50, 12), random_target(50)
    before, after = (evaluate(model, raster, target) for model in (bare, biased))
    assert after.footprint - before.footprint == 4 * (20 + 15 + 2 * 2)
    assert after.dense == before.dense
    with torch.no_grad():
        for layer in (*biased.hidden, *biased.heads):
            layer.bias.zero_()
    sparsity = 1 - sum(int((w != 0).sum()) for w in biased.connections().values()) / after.dense
    assert evaluate(biased, raster, target).connection_sparsity == round(sparsity, 4)


def test_inspect_shows_the_range_of_each_layers_bias_and_nothing_where_there_is_none():
    facts = describe(random_model(BIASED))
    assert facts["architecture"]["bias"] is True
    assert [set(layer["bias"]) for layer in facts["layers"]] == [{"min", "max"}] * 4
    assert all("bias" not in layer for layer in describe(RSNN(Architecture(3)))["layers"])


def test_the_setting_model_bias_gives_the_network_biases():
    assert not resolve().model.architecture(5).bias
    config = resolve(settings=["model.bias=true"])
    assert config.model.architecture(5) == Architecture(5, bias=True)
    assert "bias = true" in config.as_toml()


@pytest.fixture(scope="module")
def session():
    return tuned_session(2000, n_channels=12)


def test_biases_are_trained_and_a_resumed_training_ends_with_the_same_bits(session):
    ends, kept = [], []
    for _ in range(2):
        model = RSNN(BIASED)
        initialize(model, rates=(20.0,), generator=torch.Generator().manual_seed(1))
        state = kept[0] if kept else None
        train(model, session, quarters(2000), QUICK, state=state, keep=kept.append)
        ends.append(model.state_dict())
    assert len(kept) == 3
    assert all(ends[0][f"{name}.bias"].any() for name in ("hidden.0", "hidden.1", "heads.0"))
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_pruning_spares_biases_and_retraining_moves_them(session):
    model = random_model(BIASED)
    before = model.hidden[0].bias.detach().clone()
    assert not [name for name in magnitude_masks(model, 0.9) if "bias" in name]
    prune(model, session, quarters(2000), dataclasses.replace(QUICK, epochs=1), fraction=0.9)
    assert model.hidden[0].bias.all()
    assert not torch.equal(model.hidden[0].bias, before)
    assert (model.hidden[0].w_in == 0).float().mean() >= 0.9 - 0.01
