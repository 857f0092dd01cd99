"""Networks of a task on random trials: accuracy, answers and rates."""

from dataclasses import replace

import numpy as np
import pytest
from rate_networks import random_rate_network
from scipy.stats import binomtest

from base.errors import RangeError
from base.metrics import accuracy
from rsnn.rate.evaluate import evaluate
from rsnn.rate.responses import Response, Subject, lif_subject, rate_subject
from rsnn.rate.spiking import mapped
from rsnn.rate.tasks import find_task
from rsnn.rate.trials import accuracy_of, float_trials

GO_NOGO, XOR = find_task("go-nogo"), find_task("xor")
HALVES = {"E": np.array([0, 2]), "PV": np.array([1])}


def scripted(task, outputs, *, is_spiking=True) -> Subject:
    """A network of 3 units that gives these outputs, by condition, and fires as often as asked."""

    def respond(shown, generator) -> Response:
        out = np.full(4, outputs[shown.condition])
        right = frozenset(c for c in task.conditions if task.spikes_are_right(out, c))
        activity = np.array([[1, 0, 0], [0, 0, 0], [1, 0, 3], [0, 2, 0]])
        return Response(right, out, activity * (shown.condition in ("go", "++")), 2.0, 3.0)

    return Subject(3, 0.001, is_spiking, 0.5, respond)


@pytest.mark.parametrize(
    ("outputs", "answers"),
    [
        ({"go": 0.8, "nogo": 0.1}, {"go": "go", "nogo": "nogo"}),
        ({"go": 0.5, "nogo": 0.5}, {"go": "none", "nogo": "none"}),
        ({"go": 0.0, "nogo": 0.9}, {"go": "nogo", "nogo": "go"}),
    ],
)
def test_answers_are_counted_by_condition(outputs, answers):
    found = evaluate(scripted(GO_NOGO, outputs), GO_NOGO, 30, seed=[1], populations=HALVES)
    assert found.answers == ["go", "nogo", "none", "several"]
    for condition, tally in found.tallies.items():
        assert tally.answers == {answers[condition]: tally.trials}
        assert tally.right == tally.trials * (answers[condition] == condition)
    assert found.trials == 30
    assert found.accuracy["accuracy"] == sum(t.right for t in found.tallies.values()) / 30


def test_conditions_of_one_answer_are_not_told_apart_and_several_answers_are():
    outputs = dict.fromkeys(XOR.conditions, 0.8)
    found = evaluate(scripted(XOR, outputs), XOR, 40, seed=[1], populations=HALVES)
    assert found.answers == ["+1", "-1", "none", "several"]
    assert list(found.tallies) == ["++", "+-", "-+", "--"]
    for condition, tally in found.tallies.items():
        assert tally.answers == {"+1": tally.trials}
        assert tally.right == tally.trials * (condition in ("++", "--"))
    both = replace(XOR, spikes_are_right=lambda out, condition: True)
    found = evaluate(scripted(both, outputs), both, 40, seed=[1], populations=HALVES)
    assert all(tally.answers == {"several": tally.trials} for tally in found.tallies.values())
    assert found.accuracy["accuracy"] == 1


def test_rates_are_spikes_per_second_and_activations_are_means():
    subject = scripted(GO_NOGO, {"go": 0.8, "nogo": 0.1})
    found = evaluate(subject, GO_NOGO, 30, seed=[1], populations=HALVES)
    go, nogo = found.tallies["go"], found.tallies["nogo"]
    assert go.rates == pytest.approx([100, 100, 150])  # of 4 steps of 5 ms
    assert not nogo.rates.any()
    assert go.course == pytest.approx(np.array([[100, 0], [0, 0], [400, 0], [0, 400]]))
    assert found.rate == pytest.approx(350 / 3 * go.trials / 30)
    assert (found.macs, found.acs) == (pytest.approx(2), pytest.approx(3))
    still = replace(subject, is_spiking=False)
    found = evaluate(still, GO_NOGO, 30, seed=[1], populations=HALVES)
    assert found.tallies["go"].rates == pytest.approx([0.5, 0.5, 0.75])
    assert found.tallies["go"].course[2] == pytest.approx([2, 0])


def test_the_first_trial_and_some_outputs_of_each_condition_are_kept():
    subject = scripted(GO_NOGO, {"go": 0.8, "nogo": 0.1})
    found = evaluate(subject, GO_NOGO, 150, seed=[1], populations=HALVES)
    go = found.tallies["go"]
    assert go.trials > 60
    assert len(go.outs) == 40
    assert all(is_right and (out == 0.8).all() for out, is_right in go.outs)
    assert go.mean_out == pytest.approx(np.full(4, 0.8))
    u, activity = go.first
    assert (u.shape, u.sum(), activity.sum()) == ((200, 1), 25, 7)


def test_trials_are_those_by_which_quantize_measures_whatever_the_threads():
    network = mapped(random_rate_network(), 2.0, downsample=10)
    subject, populations = lif_subject(network, GO_NOGO, 0.1), {"all": np.arange(12)}
    counted = []
    found = [
        evaluate(
            subject,
            GO_NOGO,
            70,
            seed=[3],
            populations=populations,
            n_threads=threads,
            advance=lambda: counted.append(1),
        )
        for threads in (1, 3)
    ]
    assert len(counted) == 140
    same = accuracy_of(float_trials(network, GO_NOGO, 70, seed=[3], noise=0.1), GO_NOGO)
    for each in found:
        assert {name: tally.right for name, tally in each.tallies.items()} == same.right
        assert {name: tally.trials for name, tally in each.tallies.items()} == same.shown
        assert each.rate == pytest.approx(same.mean_rate)
        assert each.accuracy == {
            "accuracy": same.share,
            "low": same.interval[0],
            "high": same.interval[1],
        }
    for name, tally in found[0].tallies.items():
        assert np.array_equal(tally.rates, found[1].tallies[name].rates)


def test_the_interval_is_wilsons():
    ends = binomtest(7, 9).proportion_ci(method="wilson")
    assert accuracy(7, 9) == {"accuracy": 7 / 9, "low": ends.low, "high": ends.high}
    assert accuracy(0, 4)["low"] == 0


def test_a_condition_that_was_not_drawn_is_absent_and_no_trials_are_refused():
    subject = rate_subject(random_rate_network(), GO_NOGO)
    populations = {"all": np.arange(12)}
    found = evaluate(subject, GO_NOGO, 1, seed=[1], populations=populations)
    assert len(found.tallies) == 1
    with pytest.raises(RangeError, match="`trials` is 0; at least 1 is needed"):
        evaluate(subject, GO_NOGO, 0, seed=[1], populations=populations)
    with pytest.raises(RangeError, match="`trials` is 1000001; at most 1000000 is possible"):
        evaluate(subject, GO_NOGO, 1_000_001, seed=[1], populations=populations)
