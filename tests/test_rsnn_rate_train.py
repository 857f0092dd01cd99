"""Training of rate networks: gradients, Adam, the rule by which it ends."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rate_networks import random_rate_network, stored_network

from base.errors import DataError, RangeError
from rsnn.rate.network import draw_noise, run
from rsnn.rate.task import Trial
from rsnn.rate.tasks import find_task
from rsnn.rate.training import gradient
from rsnn.rate.training.adam import BETA1, BETA2, EPS, Moments, step, step_size
from rsnn.rate.training.gradient import Course, connections, forward
from rsnn.rate.training.initialize import Initial, draw_network
from rsnn.rate.training.train import Training, course, loss_of, train

GO_NOGO = find_task("go-nogo")


def shown(n_inputs=2, n_steps=30, seed=5) -> tuple[Trial, np.ndarray]:
    random = np.random.default_rng(seed)
    trial = Trial(random.normal(size=(n_steps, n_inputs)), random.normal(size=n_steps), "")
    return trial, draw_noise(n_steps, 12, random)


CHOICES = [
    {},
    {"activation": "softplus"},
    {"activation": "relu", "w_in": np.random.default_rng(9).normal(size=(12, 2)) * 30},
    {"taus": (6.0, 6.0)},
    {"dale": False, "sign": np.ones(12), "is_sst": np.zeros(12)},
]


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_forward_is_the_definition(choice):
    network = random_rate_network(**({"n_inputs": 2} | choice))
    trial, noise = shown()
    done, _, loss = course(network, trial, noise)
    x, outputs = run(network, trial.u, noise)
    assert done.x == pytest.approx(x, abs=1e-12)
    assert done.outputs == pytest.approx(outputs, abs=1e-12)
    assert loss == loss_of(done.outputs, trial.target)
    assert loss == pytest.approx(np.sqrt(((outputs - trial.target[:-1]) ** 2).sum()))


def by_autograd(network, trial, noise) -> dict[str, np.ndarray]:
    """The published computation in torch."""
    tensors = {
        name: torch.tensor(np.array(getattr(network, name), np.float64), requires_grad=True)
        for name in ("w", "tau_param", "w_out", "b_out")
    }
    size = torch.relu(tensors["w"]) if network.dale else tensors["w"]
    recurrent = size * torch.tensor(network.sign.astype(float)) * torch.tensor(network.mask)
    low, high = network.taus
    share = 1 / (low + torch.sigmoid(tensors["tau_param"]) * (high - low))
    phi = {
        "sigmoid": torch.sigmoid,
        "softplus": lambda x: torch.clamp(torch.nn.functional.softplus(x), 0, 20),
        "relu": lambda x: torch.clamp(torch.relu(x), 0, 20),
    }[network.activation]
    w_in, u, added = (torch.tensor(np.array(a, np.float64)) for a in (network.w_in, trial.u, noise))
    x, outputs = added[0], []
    for t in range(1, len(noise)):
        x = (1 - share) * x + share * (recurrent @ phi(x) + w_in @ u[t - 1]) + added[t]
        outputs.append(tensors["w_out"] @ phi(x) + tensors["b_out"])
    loss = torch.sqrt(((torch.stack(outputs) - torch.tensor(trial.target[:-1])) ** 2).sum())
    loss.backward()
    return {name: tensor.grad.numpy() for name, tensor in tensors.items()}


@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_gradients_are_those_of_autograd(choice):
    network = random_rate_network(**({"n_inputs": 2} | choice))
    trial, noise = shown()
    _, gradient, _ = course(network, trial, noise)
    expected = by_autograd(network, trial, noise)
    assert np.abs(gradient["w"]).max() > 0
    assert ("tau_param" in gradient) is (network.taus[0] < network.taus[1])
    for name, values in gradient.items():
        assert values == pytest.approx(expected[name], rel=1e-8, abs=1e-10), name


def test_gradients_are_finite_differences():
    network = random_rate_network(n_inputs=2)
    trial, noise = shown()
    _, gradient, _ = course(network, trial, noise)
    i, j = np.argwhere((network.w > 0.1) & network.mask)[3]
    for name, at in (("w", (i, j)), ("tau_param", 2), ("w_out", 4)):
        losses, values = [], []
        for change in (-1e-2, 1e-2):  # parameters are float32
            changed = getattr(network, name).copy()
            changed[at] += change
            values.append(float(changed[at]))
            moved = replace(network, **{name: changed})
            losses.append(course(moved, trial, noise)[2])
        slope = (losses[1] - losses[0]) / (values[1] - values[0])
        assert gradient[name][at] == pytest.approx(slope, rel=1e-2, abs=1e-5)


def test_entries_that_are_0_or_masked_have_no_gradient():
    network = random_rate_network(n_inputs=2)
    gradient = course(network, *shown())[1]["w"]
    assert not gradient[(network.w == 0) | ~network.mask].any()
    active = connections(network.w, network.sign, network.mask, dale=True)
    assert len(active.sender) == np.count_nonzero(network.recurrent)


def test_the_stored_trial_has_the_stored_output(shared):
    """Its noise is taken from its states, and the loss is that of the file."""
    network = stored_network(shared)
    with np.load(shared / "seeds" / "go_nogo_network.npz") as found:
        x, outputs, losses = (
            found[name].astype(float) for name in ("trial_x", "trial_o", "losses")
        )
    noise = np.zeros_like(x)
    noise[0] = x[0]
    share = 1 / network.tau
    rates = 1 / (1 + np.exp(-x))
    noise[1:] = x[1:] - (1 - share) * x[:-1] - share * (rates[:-1] @ network.recurrent.T)
    trial = Trial(np.zeros((200, 1)), np.zeros(200), "nogo")
    done, _, loss = course(network, trial, noise)
    assert done.outputs == pytest.approx(outputs, abs=2e-6)
    assert loss == pytest.approx(losses[-1], abs=1e-5)
    assert len(losses) == 1502


def test_adam_has_tensorflows_first_form():
    """Against the formula, element by element, over several updates; only `w_out` is looked at."""
    network = random_rate_network()
    training = Training(network, np.random.default_rng(3))
    train(training, GO_NOGO, max_trials=1)
    generator = np.random.default_rng(3)
    trial = GO_NOGO.draw(generator)
    noise = draw_noise(200, 12, generator).astype(np.float32)
    gradient = course(network, trial, noise)[1]
    g = gradient["w_out"].astype(float)
    rate = 0.01 * np.sqrt(1 - 0.999) / (1 - 0.9)
    step = rate * 0.1 * g / (np.sqrt(0.001 * g**2) + 1e-8)
    assert training.network.w_out == pytest.approx(network.w_out - step, abs=1e-6)
    assert np.array_equal(training.before.w, network.w)
    assert len(training.losses) == 1
    assert not np.array_equal(training.network.tau_param, network.tau_param)
    assert training.network.b_out != network.b_out
    assert np.array_equal(training.network.w_in, network.w_in)


def test_the_rule_by_which_training_ends():
    easy = replace(
        GO_NOGO,
        n_steps=3,
        make=lambda condition, generator: (np.zeros((3, 1)), np.zeros(3)),
        is_right=lambda outputs, condition: True,
        first_end=150,
    )
    training, seen = Training(random_rate_network(), np.random.default_rng(1)), []
    train(training, easy, report=seen.append)
    assert training.done
    assert [record.trial for record in seen] == [1, 101, 201]
    assert len(training.losses) == 202
    assert training.records == seen
    wrong = replace(easy, is_right=lambda outputs, condition: False)
    training = Training(random_rate_network(), np.random.default_rng(1))
    train(training, wrong, max_trials=303)
    assert not training.done
    assert len(training.losses) == 303
    far = replace(easy, make=lambda condition, generator: (np.zeros((3, 1)), np.full(3, 50.0)))
    training = Training(random_rate_network(), np.random.default_rng(1))
    train(training, far, max_trials=303)
    assert not training.done


def test_a_training_in_two_parts_is_one():
    trainings = [Training(random_rate_network(), np.random.default_rng(2)) for _ in range(2)]
    train(trainings[0], GO_NOGO, max_trials=6)
    train(trainings[1], GO_NOGO, max_trials=3)
    train(trainings[1], GO_NOGO, max_trials=6)
    assert trainings[0].losses == trainings[1].losses
    assert np.array_equal(trainings[0].network.w, trainings[1].network.w)


def test_a_loss_that_is_not_finite_is_said():
    bad = replace(GO_NOGO, make=lambda condition, _: (np.zeros((200, 1)), np.full(200, np.nan)))
    with pytest.raises(DataError, match="the loss of trial 0 is nan; lower `learning_rate`, or"):
        train(Training(random_rate_network(), np.random.default_rng(1)), bad)


def test_networks_start_as_published():
    initial = Initial(units=400, sst=7)
    network = draw_network(initial, 4, "mante", np.random.default_rng(1))
    inhibitory = network.sign < 0
    assert inhibitory.mean() == pytest.approx(0.2, abs=0.08)
    assert list(np.nonzero(network.is_sst)[0]) == list(np.nonzero(inhibitory)[0][:7])
    assert (network.w != 0).mean() == pytest.approx(0.2, abs=0.01)
    used = network.w[network.w != 0]
    assert used.min() > 0
    assert np.sqrt((used**2).mean()) == pytest.approx(1.5 / np.sqrt(400 * 0.2), rel=0.02)
    assert network.w_in.std() == pytest.approx(1, rel=0.1)
    assert network.w_out.std() == pytest.approx(0.01, rel=0.2)
    assert network.tau_param.std() == pytest.approx(1, rel=0.2)
    assert (network.b_out, network.taus, network.task) == (0, (4, 20), "mante")
    free = draw_network(replace(initial, dale=False, sst=0), 1, "", np.random.default_rng(1))
    assert (free.sign == 1).all()
    assert free.w.min() < 0


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"units": 0}, "`units` is 0; at least 1 is needed"),
        ({"activation": "tanh"}, "`activation` is tanh; known: sigmoid"),
        ({"inhibitory": 1.5}, "`inhibitory` is 1.5; it must be a probability, as 0.2"),
        ({"connected": 0.0}, "`connected` is 0; it must be a probability, as 0.2"),
        ({"gain": 0.0}, "`gain` is 0; it must be above 0 and finite"),
        ({"sst": -1}, "`sst` is -1; at least 0 is needed"),
        (
            {"sst": 90},
            "`sst` is 90, but the number of inhibitory units is 1?[0-9] with this seed; lower it",
        ),
        (
            {"taus": (4.9, 20.0)},
            "`taus` is 4.9, 20; it must be two numbers of 5 to 1000000 ms, the smaller first",
        ),
        ({"taus": (30.0, 20.0)}, "`taus` is 30, 20; it must be two numbers of 5 to"),
        ({"taus": (30.0,)}, "`taus` is 30; it must be two numbers of 5 to"),
        ({"taus": (30.0, np.inf)}, "`taus` is 30, inf; it must be two numbers of 5 to"),
        ({"sst": 10_001}, "`sst` is 10001; at most 10000 is possible"),
    ],
)
def test_settings_without_a_meaning_are_refused(changes, text):
    with pytest.raises(RangeError, match=text):
        draw_network(Initial(**({"units": 50} | changes)), 1, "", np.random.default_rng(1))


def test_outputs_in_single_precision_stay_single():
    network = random_rate_network()
    connected = connections(network.w, network.sign, network.mask, dale=True)
    trial = Course.of(np.zeros((5, 12), np.float32))
    forward(connected, np.full(12, 0.1, np.float32), trial, network.w_out, 0.5, "sigmoid")
    assert {a.dtype for a in (trial.x, trial.rates, trial.outputs)} == {np.dtype(np.float32)}


def test_noise_is_that_of_the_definition_in_single_precision():
    noise, (one, other) = np.empty((7, 5), np.float32), (np.random.default_rng(4) for _ in "12")
    gradient.draw_noise(one, noise)
    assert np.array_equal(noise, draw_noise(7, 5, other).astype(np.float32))
    assert one.random() == other.random()


def plain_step(values, slopes, moments, rate, *, can_die):
    """Adam as it was first written: whole arrays, one line per formula."""
    slopes = np.asarray(slopes, np.float32)
    moments.first[:] = BETA1 * moments.first + np.float32(1 - BETA1) * slopes
    moments.second[:] = BETA2 * moments.second + np.float32(1 - BETA2) * slopes**2
    values[:] = values - np.float64(rate) * moments.first / (np.sqrt(moments.second) + EPS)


@pytest.mark.parametrize("dale", [True, False])
def test_the_compiled_update_is_the_formula_bit_by_bit(monkeypatch, dale):
    """Entries of `w` that died included: they keep moving by their moments."""
    changes = {} if dale else {"dale": False, "sign": np.ones(12), "is_sst": np.zeros(12)}
    trainings = [
        Training(random_rate_network(**changes), np.random.default_rng(2)) for _ in range(2)
    ]
    short = replace(
        GO_NOGO,
        n_steps=30,
        make=lambda condition, _: (np.ones((30, 1)), np.full(30, -3.0)),
        is_right=lambda outputs, condition: False,
    )
    train(trainings[0], short, max_trials=250, learning_rate=0.05)
    monkeypatch.setattr("rsnn.rate.training.train.step", plain_step)
    train(trainings[1], short, max_trials=250, learning_rate=0.05)
    compiled, plain = (each.network for each in trainings)
    for name in ("w", "w_out", "tau_param", "b_out"):
        assert np.array_equal(getattr(compiled, name), getattr(plain, name)), name
    died = (random_rate_network().w > 0) & (compiled.w < 0)
    assert died.any()
    if dale:
        resting = died & (trainings[0].moments["w"].second == 0)
        assert resting.any()
        assert (trainings[1].moments["w"].second[resting] > 0).all()


def test_a_value_that_is_alive_never_rests():
    values, still = np.array([1.0, -1.0, 0.5], np.float32), np.full(3, 1e-30, np.float32)
    moments = Moments(still.copy(), still.copy())
    step(values, np.zeros(3, np.float32), moments, step_size(0.01, 5), can_die=True)
    assert list(moments.first > 0) == [True, False, True]
    assert list(values) == [1.0, -1.0, 0.5]


def test_the_network_before_the_last_update_is_kept():
    whole, part = (Training(random_rate_network(), np.random.default_rng(2)) for _ in range(2))
    train(part, GO_NOGO, max_trials=4)
    train(whole, GO_NOGO, max_trials=5)
    for name in ("w", "w_out", "tau_param", "b_out"):
        assert np.array_equal(getattr(whole.before, name), getattr(part.network, name)), name
        assert not np.array_equal(getattr(whole.before, name), getattr(whole.network, name)), name


def test_the_last_trial_is_kept_as_published():
    training = Training(random_rate_network(), np.random.default_rng(2))
    train(training, GO_NOGO, max_trials=2)
    last = training.last
    assert {name: array.shape for name, array in last.items()} == {
        "u": (1, 200),
        "x": (200, 12),
        "o": (199, 1),
    }
    network = training.before
    rates = 1 / (1 + np.exp(-last["x"][1:].astype(float)))
    assert last["o"][:, 0] == pytest.approx(rates @ network.w_out + network.b_out, abs=1e-5)
    generator = np.random.default_rng(2)
    GO_NOGO.draw(generator), draw_noise(200, 12, generator)
    assert np.array_equal(last["u"].T, GO_NOGO.draw(generator).u)


def test_units_whose_number_is_no_multiple_of_four_are_computed_too():
    for n in (1, 2, 5):
        network = random_rate_network(n=n, w=np.full((n, n), 0.3))
        noise = np.random.default_rng(1).normal(size=(20, n))
        trial = Trial(np.ones((20, 1)), np.ones(20), "")
        x, _ = run(network, trial.u, noise)
        assert course(network, trial, noise)[0].x == pytest.approx(x, abs=1e-12)
        expected = by_autograd(network, trial, noise)
        for name, values in course(network, trial, noise)[1].items():
            assert values == pytest.approx(expected[name], rel=1e-8, abs=1e-10), name
