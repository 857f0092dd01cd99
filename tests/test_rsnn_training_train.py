"""Training on tiny sessions: it learns, repeats itself, holds masks and stops where it must."""

import dataclasses
import math

import pytest
import torch
from driven_sessions import tuned_session
from quick_training import QUICK, SPLIT, fresh_model, quick_session

from base.errors import DataError, MismatchError, RangeError, RsnnError
from rsnn.data.split import Split
from rsnn.model import RSNN, Architecture
from rsnn.training.recipe import TrainConfig
from rsnn.training.steps import activity_penalty, rmse
from rsnn.training.train import train


@pytest.fixture(scope="module")
def session():
    return quick_session()


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Tensors here are so small that a second thread only makes the first wait."""
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


def test_training_lowers_the_loss_and_decodes_what_was_held_out():
    session = tuned_session(4000, lead=20)
    split = Split(slice(0, 3000), slice(3000, 3500), slice(3500, 4000))
    model, seen = fresh_model(session), []
    config = dataclasses.replace(QUICK, epochs=4, window_steps=100, batch=16, dropout=0.1)
    result = train(model, session, split, config, report=seen.append)
    assert tuple(seen) == result.records
    assert [record.epoch for record in seen] == list(range(1, 5))
    assert seen[-1].loss < 0.8 * seen[0].loss
    assert result.best_validation_r2 > 0.5
    assert seen[0].learning_rate == 0.05
    assert seen[2].learning_rate == pytest.approx(0.025)
    assert all(0.0 < record.activation_sparsity < 1.0 for record in seen)


def test_the_kept_parameters_are_those_of_the_best_epoch(session):
    kept = []
    model = fresh_model(session)
    result = train(
        model,
        session,
        SPLIT,
        dataclasses.replace(QUICK, learning_rate=0.3, epochs=4),
        report=lambda record: kept.append((record.validation_r2, model.hidden[0].w_in.clone())),
    )
    best = max(range(4), key=lambda i: kept[i][0])
    assert result.best_epoch == best + 1
    assert result.best_validation_r2 == kept[best][0]
    assert torch.equal(model.hidden[0].w_in, kept[best][1])


def test_the_same_seed_gives_the_same_parameters_bit_for_bit(session):
    models = [fresh_model(session) for _ in range(3)]
    seeds = (1, 1, 2)
    results = [
        train(model, session, SPLIT, dataclasses.replace(QUICK, epochs=2, seed=seed))
        for model, seed in zip(models, seeds, strict=True)
    ]
    first, second, other = (model.state_dict() for model in models)
    assert results[0] == results[1]
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["hidden.0.w_in"], other["hidden.0.w_in"])


def test_a_generator_of_the_caller_replaces_the_seed(session):
    models = [fresh_model(session) for _ in range(2)]
    for model, seed in zip(models, (1, 2), strict=True):
        generator = torch.Generator().manual_seed(7)
        config = dataclasses.replace(QUICK, epochs=1, seed=seed)
        train(model, session, SPLIT, config, generator=generator)
    assert torch.equal(models[0].hidden[0].w_in, models[1].hidden[0].w_in)


def test_both_kernels_train_alike(session):
    config = dataclasses.replace(QUICK, epochs=2)
    results = [
        train(fresh_model(session), session, SPLIT, dataclasses.replace(config, kernel=kernel))
        for kernel in ("numba", "torch")
    ]
    fast, plain = (result.records for result in results)
    assert fast[0].loss == pytest.approx(plain[0].loss, rel=1e-3)  # rounding, amplified by spikes
    assert fast[1].loss == pytest.approx(plain[1].loss, rel=1e-2)
    assert fast[1].validation_r2 == pytest.approx(plain[1].validation_r2, abs=0.05)


@pytest.mark.parametrize("optimizer", ["smorms3", "adam", "adamw"])
def test_masked_weights_are_exact_zeros_after_every_epoch(session, optimizer):
    model = fresh_model(session, hidden=(10, 8))
    generator = torch.Generator().manual_seed(3)
    masks = {
        name: torch.rand(weight.shape, generator=generator) < 0.5
        for name, weight in model.connections().items()
    }
    before = model.hidden[0].w_in.detach().clone()

    def check(_):
        for name, weight in model.connections().items():
            assert (weight[~masks[name]] == 0.0).all(), name

    config = dataclasses.replace(QUICK, epochs=2, optimizer=optimizer)
    train(model, session, SPLIT, config, report=check, masks=masks)
    check(None)
    kept = masks["hidden0.w_in"]
    assert (model.hidden[0].w_in[kept] != before[kept]).float().mean() > 0.5


def test_a_loss_that_is_not_finite_stops_training_and_keeps_the_best_model(session):
    model = fresh_model(session)
    best = []

    def spoil(record):
        best.append(copy_of(model))
        with torch.no_grad():
            model.heads[0].w_out.fill_(float("nan"))

    with pytest.raises(RsnnError) as stop:
        train(model, session, SPLIT, QUICK, report=spoil)
    assert str(stop.value) == (
        "the loss is nan at epoch 2, batch 1 of 3; the best model before it is kept, train with a"
        " learning rate below 0.05"
    )
    assert len(best) == 1
    assert all(torch.equal(v, best[0][name]) for name, v in model.state_dict().items())


def test_an_interrupt_passes_through_and_leaves_the_best_model(session):
    model = fresh_model(session)
    best = []

    def interrupt(record):
        best.append(copy_of(model))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(model, session, SPLIT, QUICK, report=interrupt)
    assert all(torch.equal(v, best[0][name]) for name, v in model.state_dict().items())


def test_denormal_floats_work_again_after_training_and_in_reports(session):
    def check(_):
        assert (torch.tensor(1e-39) * 1.0).item() != 0.0

    config = dataclasses.replace(QUICK, epochs=1)
    train(fresh_model(session), session, SPLIT, config, report=check)
    check(None)


def test_the_torch_kernel_uses_one_thread_for_tiny_work_and_puts_the_number_back(session):
    torch.set_num_threads(2)
    model, seen = fresh_model(session), []
    step = model.hidden[0].step
    model.hidden[0].step = lambda *args: (seen.append(torch.get_num_threads()), step(*args))[1]
    train(model, session, SPLIT, dataclasses.replace(QUICK, epochs=1, kernel="torch"))
    assert set(seen) == {1}
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)


def test_fewer_windows_than_a_batch_are_one_batch(session):
    config = dataclasses.replace(QUICK, epochs=1, batch=250, window_steps=200, stride=200)
    result = train(fresh_model(session), session, SPLIT, config)
    assert math.isfinite(result.records[0].loss)


def test_rmse_of_a_perfect_decoder_is_zero_with_a_zero_gradient():
    decoded = torch.ones(2, 3, 2, requires_grad=True)
    loss = rmse(decoded, torch.ones(2, 3, 2))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(decoded.grad, torch.zeros(2, 3, 2))


def test_rmse_is_over_all_elements():
    decoded = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    assert rmse(decoded, torch.zeros(1, 2, 2)).item() == pytest.approx(math.sqrt(30 / 4))


def test_activity_penalty_and_its_gradient_follow_the_recipe():
    config = TrainConfig()
    counts = torch.tensor([[0.0, 30.0, 0.0], [12.0, 1.0, 2.0]])
    spk = torch.zeros(2, 4, 3, requires_grad=True)
    with torch.no_grad():
        spk[:, 0] = counts  # only sums over steps matter
    penalty = activity_penalty(spk.sum(1), config)
    lower, upper = 100.0 * 2 * 1e-6 / 6, 0.01 * (0.0 + 0.0) / 2
    assert penalty.item() == pytest.approx(lower + upper)
    crowded = torch.tensor([[0.0, 39.0, 0.0], [12.0, 1.0, 2.0]])  # means 13 and 5
    with torch.no_grad():
        spk[:, 0] = crowded
    penalty = activity_penalty(spk.sum(1), config)
    assert penalty.item() == pytest.approx(lower + 0.01 * 9.0 / 2)
    penalty.backward()
    too_many = 0.01 * 2 * 3.0 / 3 / 2  # d upper / d c of each neuron of the first sample
    too_few = -100.0 * 2 * 1e-3 / 6
    wanted = torch.tensor([[too_many + too_few, too_many, too_many + too_few], [0.0, 0.0, 0.0]])
    for step in range(4):
        torch.testing.assert_close(spk.grad[:, step], wanted)


def test_dropout_keeps_the_mean_and_loses_the_wanted_share():
    model = RSNN(Architecture(50, hidden=(1,), recurrent=False))
    with torch.no_grad():
        model.hidden[0].w_in.fill_(1.0)
    layer_input = torch.ones(40, 100, 50)
    fed = []
    model.hidden[0].step = lambda feed, state, sent, factors: (fed.append(feed), state)[1]
    model(layer_input, 0.3, torch.Generator().manual_seed(1))
    fed = torch.stack(fed[1:])  # nothing arrives in the first step
    assert fed.mean().item() == pytest.approx(50.0, rel=0.005)  # of 198,000 draws
    assert fed.var().item() == pytest.approx(50 * 0.3 / 0.7, rel=0.05)


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("epochs", 0, "epochs is 0; it must be at least 1"),
        ("batch", 0, "batch is 0; it must be at least 1"),
        ("window_steps", 0, "window_steps is 0; it must be at least 1"),
        ("stride", -5, "stride is -5; it must be at least 1"),
        ("seed", -1, "seed is -1; it must be at least 0"),
        ("lower_strength", -0.5, "lower_strength is -0.5; it must be at least 0"),
        ("lower_count", -0.5, "lower_count is -0.5; it must be at least 0"),
        ("upper_strength", float("nan"), "upper_strength is nan; it must be at least 0"),
        ("upper_count", -0.5, "upper_count is -0.5; it must be at least 0"),
        (
            "learning_rate",
            0.0,
            "learning_rate is 0; it must be above 0 and finite, the published one is 0.002",
        ),
        (
            "dropout",
            1.0,
            "dropout is 1; it must be at least 0 and below 1, the published one is 0.3",
        ),
        ("optimizer", "sgd", "optimizer is `sgd`; choose one of adam, adamw, smorms3"),
        ("kernel", "jax", "kernel is `jax`; choose one of cuda, numba, torch"),
    ],
)
def test_settings_without_a_meaning_are_refused(setting, value, text):
    with pytest.raises(RangeError) as refusal:
        TrainConfig(**{setting: value})
    assert str(refusal.value) == text


def test_a_model_with_other_outputs_than_the_session_is_refused(session):
    model = RSNN(Architecture(session.n_channels, n_outputs=3))
    with pytest.raises(MismatchError) as refusal:
        train(model, session, SPLIT, QUICK)
    assert str(refusal.value) == (
        f"{session.name} has 2 target signals, the network 3 outputs; use a network with as many"
        " outputs (simulate and verify also take a raster of the spikes alone)"
    )


@pytest.mark.parametrize(
    ("name", "shape", "found"),
    [("hidden0.w_in", (2, 3), "(16, 12)"), ("hidden7.w_in", (16, 12), "no such connection")],
)
def test_masks_of_another_model_are_refused(session, name, shape, found):
    with pytest.raises(MismatchError) as refusal:
        train(fresh_model(session), session, SPLIT, QUICK, masks={name: torch.ones(shape).bool()})
    assert str(refusal.value) == (
        f"mask `{name}` is {shape}, the model has {found}; make masks from this model"
    )


def test_a_cursor_that_rests_through_validation_is_refused(session):
    velocity = session.velocity.copy()
    velocity[800:1000, 1] = 0.0
    still = dataclasses.replace(session, velocity=velocity)
    with pytest.raises(DataError) as refusal:
        train(fresh_model(session), still, SPLIT, QUICK)
    assert str(refusal.value) == (
        "session made up: the cursor does not move in steps 800 to 1000, so R2 has no meaning"
        " there; use a longer session"
    )


def test_a_training_part_shorter_than_a_window_is_refused(session):
    with pytest.raises(DataError, match="too few for a training window of 900"):
        train(fresh_model(session), session, SPLIT, dataclasses.replace(QUICK, window_steps=900))


def copy_of(model):
    return {name: value.clone() for name, value in model.state_dict().items()}
