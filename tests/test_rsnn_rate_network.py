"""Rate networks: the stored one is read as it was trained, and what does not fit is refused."""

import numpy as np
import pytest
from rate_networks import random_rate_network, stored_network

from base.errors import DataError, MismatchError, RangeError
from rsnn.rate.activation import activate
from rsnn.rate.network import draw_noise, run


def test_the_stored_network_has_its_weights_and_time_constants(shared):
    network = stored_network(shared)
    assert np.count_nonzero(network.w) == 3121
    assert np.count_nonzero(stored_network(shared, "w_initial").w) == 8008
    recurrent = network.recurrent
    assert np.count_nonzero(recurrent) == 2879
    assert np.count_nonzero(~recurrent.any(axis=1)) == 5
    assert np.abs(np.linalg.eigvals(recurrent)).max() == pytest.approx(6.951, abs=5e-4)
    before = np.linalg.eigvals(stored_network(shared, "w_initial").recurrent)
    assert np.abs(before).max() == pytest.approx(2.580, abs=5e-4)
    milliseconds = network.tau * 5
    found = [milliseconds.min(), milliseconds.max(), milliseconds.mean()]
    assert found == pytest.approx([20.2, 97.8, 53.0], abs=0.05)
    assert (network.n_units, network.n_inputs, network.is_sst.sum()) == (200, 1, 20)
    assert ((network.sign > 0).sum(), (network.sign < 0).sum()) == (141, 59)


def test_the_steps_of_the_stored_trial_differ_from_ours_by_noise_alone(shared):
    network = stored_network(shared)
    with np.load(shared / "seeds" / "go_nogo_network.npz") as found:
        x, outputs = found["trial_x"].astype(float), found["trial_o"]
    ours = activate(x[1:], "sigmoid") @ network.w_out + network.b_out
    assert ours == pytest.approx(outputs, abs=2e-7)
    noise = np.zeros_like(x)
    for t in range(1, len(x)):  # one step from each stored state
        noise[t] = x[t] - run(network, np.zeros((2, 1)), np.array([x[t - 1], 0 * x[0]]))[0][1]
    noise = noise[1:]
    lag = (noise[1:] * noise[:-1]).mean() / noise.var()
    assert noise.std() == pytest.approx(0.09994, abs=1e-5)
    assert (noise.mean(), lag) == pytest.approx((-0.001, -0.002), abs=5e-4)
    noise = np.vstack([x[:1], noise])
    again, outputs_again = run(network, np.zeros((200, 1)), noise)
    assert again == pytest.approx(x, abs=1e-6)
    assert outputs_again == pytest.approx(outputs, abs=1e-6)


@pytest.mark.parametrize("name", ["sigmoid", "softplus", "relu"])
def test_activations_have_their_published_values(name):
    x = np.array([-800.0, -1.0, 0.0, 1.0, 19.0, 30.0])
    expected = {
        "sigmoid": 1 / (1 + np.exp(-np.clip(x, -700, 700))),
        "softplus": np.clip(np.log1p(np.exp(np.minimum(x, 700))), 0, 20),
        "relu": np.clip(x, 0, 20),
    }[name]
    assert activate(x, name) == pytest.approx(expected, abs=1e-15)
    assert activate(x.astype(np.float32), name).dtype == np.float32


def test_sst_units_receive_no_inhibition_and_columns_have_signs():
    network = random_rate_network()
    w = network.recurrent
    assert not w[np.ix_(network.is_sst, network.sign < 0)].any()
    assert (w[:, network.sign < 0] <= 0).all()
    assert (w[:, network.sign > 0] >= 0).all()
    assert w[np.ix_(network.is_sst, network.sign > 0)].any()


def test_without_dales_law_weights_keep_their_signs():
    w = np.array([[0.5, -0.25], [-1.0, 0.0]])
    pair = {"sign": np.ones(2), "is_sst": np.zeros(2), "w_in": np.ones((2, 1)), "w_out": np.ones(2)}
    pair["tau_param"] = np.zeros(2)
    assert np.array_equal(random_rate_network(n=2, w=w, dale=False, **pair).recurrent, w)
    assert np.array_equal(random_rate_network(n=2, w=w, **pair).recurrent, np.maximum(w, 0))


def test_a_step_is_worked_by_hand():
    one = {name: np.ones(1) for name in ("sign", "w_out")}
    network = random_rate_network(
        n=1, w=[[2.0]], is_sst=[False], w_in=[[3.0]], tau_param=[0.0], taus=(4.0, 4.0), **one
    )
    x, outputs = run(network, np.array([[1.0], [0.0]]), np.array([[0.5], [0.25]]))
    rate = 1 / (1 + np.exp(-0.5))
    expected = 0.75 * 0.5 + 0.25 * (2 * rate + 3) + 0.25
    assert x[:, 0] == pytest.approx([0.5, expected])
    assert outputs == pytest.approx([1 / (1 + np.exp(-expected)) + network.b_out])


def test_noise_starts_small_and_then_has_a_tenth():
    noise = draw_noise(50, 2000, np.random.default_rng(1))
    assert noise[0].std() == pytest.approx(0.01, rel=0.1)
    assert noise[1:].std() == pytest.approx(0.1, rel=0.01)


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"w": np.ones((3, 3))}, MismatchError, r"`w` is \(3, 3\); \(12, 12\) fits the 12 units"),
        ({"w_in": np.ones(12)}, MismatchError, r"`w_in` \(12,\); \(n_units,\) with at least 1"),
        ({"w_out": np.full(12, np.nan)}, DataError, "`w_out` has values that are NaN or infinite"),
        ({"b_out": np.inf}, DataError, "`b_out` is inf; a finite number is needed"),
        ({"sign": np.zeros(12)}, DataError, "`sign` has values other than -1 and 1"),
        ({"is_sst": np.ones(12)}, DataError, "`is_sst` marks an excitatory unit"),
        ({"taus": (0.5, 4.0)}, RangeError, r"`taus` is 0.5..4 steps; at least 1 step of 5 ms"),
        ({"taus": (8.0, 4.0)}, RangeError, r"`taus` is 8..4 steps; .* the lower end first"),
        ({"activation": "tanh"}, RangeError, "`activation` is tanh; known: sigmoid, softplus, rel"),
    ],
)
def test_what_is_no_network_is_refused(changes, error, text):
    with pytest.raises(error, match=text):
        random_rate_network(**changes)
