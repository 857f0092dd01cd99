"""Every number of the tasks: trials, targets, and which outputs are right."""

from dataclasses import replace

import numpy as np
import pytest

from base.errors import MismatchError, RangeError
from rsnn.rate.tasks import find_task, tasks


def steps_of(values) -> tuple[int, int]:
    """First and last step that is not 0."""
    steps = np.nonzero(values)[0]
    assert len(steps) == steps[-1] - steps[0] + 1
    return int(steps[0]), int(steps[-1])


def made(name, condition, seed=1):
    return find_task(name).make(condition, np.random.default_rng(seed))


def test_tasks_are_files():
    assert list(tasks()) == ["go-nogo", "mante", "xor"]
    sizes = {name: (task.n_inputs, task.n_steps) for name, task in tasks().items()}
    assert sizes == {"go-nogo": (1, 200), "xor": (2, 300), "mante": (4, 500)}
    assert {name: task.judged_from for name, task in tasks().items()} == {
        "go-nogo": 10_000,
        "mante": 26_000,
        "xor": 20_000,
    }
    assert {name: task.first_end for name, task in tasks().items()} == {
        "go-nogo": 1500,
        "mante": 0,
        "xor": 0,
    }


def test_trials_of_go_nogo():
    u, target = made("go-nogo", "go")
    assert u.shape == (200, 1)
    assert target.shape == (200,)
    assert (steps_of(u[:, 0]), steps_of(target)) == ((50, 74), (75, 199))
    assert set(u.ravel()) | set(target) == {0.0, 1.0}
    u, target = made("go-nogo", "nogo")
    assert not u.any()
    assert not target.any()


@pytest.mark.parametrize("condition", find_task("xor").conditions)
def test_trials_of_xor(condition):
    u, target = made("xor", condition)
    signs = [{"+": 1, "-": -1}[sign] for sign in condition]
    assert (steps_of(u[:, 0]), steps_of(u[:, 1])) == ((50, 99), (110, 159))
    assert (u[50, 0], u[110, 1]) == tuple(signs)
    assert steps_of(target) == (170, 269)
    assert target[170] == signs[0] * signs[1]
    assert set(np.abs(u).ravel()) | set(np.abs(target)) == {0.0, 1.0}


@pytest.mark.parametrize("condition", find_task("mante").conditions)
def test_trials_of_mante(condition):
    u, target = made("mante", condition)
    offsets = [{"+": 0.5, "-": -0.5}[sign] for sign in condition[:2]]
    cued = int(condition[2])
    assert [steps_of(u[:, channel]) for channel in (0, 1)] == [(50, 249), (50, 249)]
    noise = u[50:250, :2] - offsets
    assert noise.mean(axis=0) == pytest.approx([0, 0], abs=0.2)
    assert noise.std(axis=0) == pytest.approx([1, 1], abs=0.1)
    assert (u[:, 2 + cued] == 1).all()
    assert not u[:, 3 - cued].any()
    assert steps_of(target) == (250, 499)
    assert set(target[250:]) == {np.sign(offsets[cued])}


@pytest.mark.parametrize("name", list(tasks()))
def test_conditions_are_equally_probable(name):
    task = find_task(name)
    generator = np.random.default_rng(1)
    drawn = [task.draw(generator).condition for _ in range(800)]
    share = len(drawn) / len(task.conditions)
    for condition in task.conditions:
        assert drawn.count(condition) == pytest.approx(share, abs=4 * share**0.5)


def test_the_spiking_network_gets_a_column_more_in_which_only_contexts_stay_on():
    u = find_task("go-nogo").lif_input(np.ones((200, 1)))
    assert (u.shape, u[-1, 0]) == ((201, 1), 0)
    assert (u[:-1] == 1).all()
    u = find_task("xor").lif_input(np.ones((300, 2)))
    assert (u.shape, list(u[-1])) == ((301, 2), [0, 0])
    u = find_task("mante").lif_input(made("mante", "+-1")[0] + 1.0)
    assert (u.shape, list(u[-1])) == ((501, 4), [0, 0, 1, 2])


JUDGED = [
    # task, condition, length, step, value, right
    ("go-nogo", "go", 199, 75, 0.71, True),
    ("go-nogo", "go", 199, 74, 0.71, False),
    ("go-nogo", "go", 199, 198, 0.70, False),
    ("go-nogo", "nogo", 199, 75, 0.29, True),
    ("go-nogo", "nogo", 199, 75, 0.30, False),
    ("go-nogo", "nogo", 199, 75, -0.30, False),
    ("go-nogo", "nogo", 199, 74, 0.90, True),
    ("xor", "++", 299, 200, 0.71, True),
    ("xor", "--", 299, 199, 0.71, False),
    ("xor", "--", 299, 298, 0.70, False),
    ("xor", "+-", 299, 200, -0.71, True),
    ("xor", "-+", 299, 200, -0.70, False),
    ("xor", "+-", 299, 200, 0.90, False),
    ("mante", "+-0", 499, 299, 0.71, True),
    ("mante", "+-0", 499, 298, 0.71, False),
    ("mante", "+-1", 499, 498, -0.71, True),
    ("mante", "+-1", 499, 498, 0.90, False),
    ("mante", "++0", 499, 498, 0.70, False),
]


@pytest.mark.parametrize(("name", "condition", "length", "step", "value", "right"), JUDGED)
def test_outputs_of_rates_are_judged(name, condition, length, step, value, right):
    outputs = np.zeros(length)
    outputs[step] = value
    task = find_task(name)
    assert task.is_right(task.judged_rates(outputs), condition) is right


SPIKES = [
    ("go-nogo", "go", 20_000, 10_000, 0.71, True),
    ("go-nogo", "go", 20_000, 9_999, 0.71, False),
    ("go-nogo", "nogo", 20_000, 10_000, 0.30, False),
    ("go-nogo", "nogo", 20_000, 10_000, 0.29, True),
    ("go-nogo", "nogo", 20_000, 9_999, 0.90, True),
    ("go-nogo", "nogo", 20_000, 20_000, -5.0, True),  # no absolute value, as published
    ("xor", "--", 30_000, 20_000, 0.71, True),
    ("xor", "--", 30_000, 19_999, 0.71, False),
    ("xor", "+-", 30_000, 30_000, -0.71, True),
    ("mante", "+-0", 50_000, 26_000, 0.71, True),
    ("mante", "+-0", 50_000, 25_999, 0.71, False),
    ("mante", "+-1", 50_000, 26_000, -0.71, True),
    ("go-nogo", "go", 2_000, 1_000, 0.71, True),  # every 10th step
    ("go-nogo", "go", 2_000, 999, 0.71, False),
]


@pytest.mark.parametrize(("name", "condition", "length", "step", "value", "right"), SPIKES)
def test_outputs_of_spikes_are_judged_by_steps_from_1(name, condition, length, step, value, right):
    task = find_task(name)
    out = np.zeros(length)
    out[step - 1] = value
    assert task.spikes_are_right(task.judged(out), condition) is right


def test_a_task_is_refused_by_name_and_by_inputs():
    with pytest.raises(RangeError, match="`task` is stop; known: go-nogo, mante, xor"):
        find_task("stop")
    with pytest.raises(RangeError, match="names no task; name it with `task`, which knows go-nog"):
        find_task("")
    with pytest.raises(MismatchError, match="the network has 1 inputs, task xor has 2; name the"):
        find_task("xor", 1)


def test_trials_of_another_shape_than_declared_are_refused():
    short = replace(find_task("go-nogo"), n_steps=100)
    with pytest.raises(
        MismatchError,
        match=r"a trial of condition n?o?go has inputs \(200, 1\) and target \(200,\); the task"
        r" declares \(100, 1\) and \(100,\)",
    ):
        short.draw(np.random.default_rng(1))
