"""The search for the factor: the stored curve, the first of equals, trials of their own."""

import os

import numpy as np
import pytest
from rate_networks import random_rate_network, stored_network

from base.errors import MismatchError, RangeError
from rsnn.rate.mapping import FACTORS, Accuracy, measure, parse_factors, search
from rsnn.rate.spiking import mapped
from rsnn.rate.tasks import find_task

GO_NOGO = find_task("go-nogo")
CURVE = dict(
    zip(
        FACTORS["sigmoid"],
        (0.680, 0.928, 0.965, 0.962, 0.948, 0.930, 0.898, 0.850, 0.507, 0.385, 0.432, 0.480),
        strict=True,
    )
)
"""Of the stored network, measured by another implementation over 400 trials of each factor."""


def check_point(shared, factor: int, n_trials: int) -> Accuracy:
    network = mapped(stored_network(shared), factor)
    found = measure(network, GO_NOGO, n_trials, seed=[1, 0, factor], n_threads=2)
    p = CURVE[factor]
    deviation = np.sqrt(p * (1 - p) * (1 / n_trials + 1 / 400) + 1e-4)
    assert found.share == pytest.approx(p, abs=3.5 * deviation)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("factor", [25, 60])
def test_two_points_of_the_stored_curve_are_found_again(shared, factor):
    found = check_point(shared, factor, 40)
    assert found.mean_rate == pytest.approx({25: 6.7, 60: 9.3}[factor], abs=0.3)


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("RSNN_TEST_ALL"), reason="takes minutes: make test-all")
@pytest.mark.parametrize("factor", CURVE)
def test_every_point_of_the_stored_curve_is_found_again(shared, factor):
    check_point(shared, factor, 200)


def test_without_noise_the_stored_network_makes_no_error(shared):
    network = mapped(stored_network(shared), 30)
    found = measure(network, GO_NOGO, 12, seed=[1], noise=0.0)
    assert found.share == 1
    assert set(found.shown) == {"go", "nogo"}
    assert found.right == found.shown
    assert found.by_condition() == {"go": 1.0, "nogo": 1.0}


def test_threads_change_nothing_and_seeds_do():
    network = mapped(random_rate_network(), 0.5, downsample=10)
    one, two, other = (
        measure(network, GO_NOGO, 8, seed=[seed], n_threads=n)
        for seed, n in ((1, 1), (1, 3), (2, 1))
    )
    assert one == two
    assert one != other


def test_the_first_of_equally_good_factors_is_best_and_measured_afresh():
    network = random_rate_network(w_out=np.zeros(12))  # always 0: right in nogo trials only
    steps = []
    found = search(
        network,
        GO_NOGO,
        (3.0, 2.0, 1.0),
        n_trials=6,
        n_fresh=50,
        seed=4,
        downsample=40,
        advance=lambda: steps.append(1),
    )
    shares = [each.share for each in found.curve.values()]
    assert len(set(shares)) > 1, "other trials for each factor"
    assert found.network.factor == list(found.curve)[shares.index(max(shares))]
    assert found.network.downsample == 40
    assert (found.fresh.n_trials, len(steps)) == (50, 4)
    assert found.fresh.right.get("go", 0) == 0
    assert found.fresh.right["nogo"] == found.fresh.shown["nogo"]
    again = search(
        network, GO_NOGO, (3.0, 2.0), n_trials=1, n_fresh=1, seed=4, downsample=40, filter="single"
    )
    assert again.network.filter == "single"


def test_equal_factors_keep_their_order():
    silent = random_rate_network(w_out=np.zeros(12))
    one = search(silent, find_task("go-nogo"), (9.0,), n_trials=1, n_fresh=1, seed=1, downsample=40)
    assert one.network.factor == 9.0
    xor = random_rate_network(n_inputs=2, w_out=np.zeros(12))  # never right
    found = search(xor, find_task("xor"), (5.0, 4.0), n_trials=2, n_fresh=2, seed=1, downsample=40)
    assert [each.share for each in found.curve.values()] == [0, 0]
    assert found.network.factor == 5.0


def test_the_interval_is_wilsons():
    found = Accuracy({"a": 50, "b": 45}, {"a": 50, "b": 50}, 1.0)
    assert (found.n_right, found.n_trials, found.share) == (95, 100, 0.95)
    z, p, n = 1.959964, 0.95, 100
    middle, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    ends = ((middle - half) / (1 + z**2 / n), (middle + half) / (1 + z**2 / n))
    assert found.interval == pytest.approx(ends, abs=1e-6)


def test_grids_are_the_published_ones():
    assert FACTORS["sigmoid"] == (20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75)
    assert FACTORS["relu"] == FACTORS["softplus"] == (4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26)
    assert parse_factors("20,2.5") == (20.0, 2.5)


def test_what_cannot_be_measured_is_refused():
    network = random_rate_network()
    some = {"n_trials": 1, "n_fresh": 1, "seed": 1}
    with pytest.raises(RangeError, match="`factors` is 2;3; write numbers, as in 20,25,30"):
        parse_factors("2;3")
    for factors in ((), (2.0, 2.0)):
        with pytest.raises(RangeError, match="`factors` must name at least one, and none twice"):
            search(network, GO_NOGO, factors, **some)
    with pytest.raises(RangeError, match="`factor` is -1; it must be above 0"):
        search(network, GO_NOGO, (-1.0,), **some)
    with pytest.raises(RangeError, match="`trials` is 0; at least 1 is needed"):
        measure(mapped(network, 1), GO_NOGO, 0, seed=[1])
    with pytest.raises(RangeError, match="`threads` is 0; at least 1 is needed"):
        measure(mapped(network, 1), GO_NOGO, 1, seed=[1], n_threads=0)
    with pytest.raises(MismatchError, match=r"`u` is \(301, 2\)"):
        measure(mapped(network, 1), find_task("xor"), 1, seed=[1])
