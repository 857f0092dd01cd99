"""The state of a rate network's training on disk: continues bit for bit, or is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from rate_networks import random_rate_network

from base.errors import FileError
from base.hdf5.arrays import read_arrays, write_arrays
from rsnn.rate.tasks import find_task
from rsnn.rate.training.state import FORMAT, load_training, save_training
from rsnn.rate.training.train import Training, train

TASK = find_task("xor")


def start(**changes):
    return random_rate_network(n_inputs=2, task="xor", **changes)


@pytest.mark.parametrize("changes", [{}, {"taus": (6.0, 6.0)}], ids=str)
def test_a_training_continues_bit_for_bit_from_its_file(tmp_path, changes):
    whole, path = Training(start(**changes), np.random.default_rng(3)), tmp_path / "t.state.h5"
    seen, kept_before, kept_last = [], [], []

    def keep(record):
        save_training(whole, path, {"n": 7})
        kept_before.append(whole.before.w.copy())
        kept_last.append(whole.last)
        seen.append(record)

    train(whole, TASK, max_trials=105, report=keep)
    again, label = load_training(path, start(**changes))
    assert label == {"n": 7}
    assert len(again.losses) == 102
    assert again.records == seen == whole.records
    assert not np.array_equal(again.before.w, again.network.w)
    assert np.array_equal(again.before.w, kept_before[-1])
    assert np.array_equal(again.last["x"], kept_last[-1]["x"])  # later trials leave it alone
    train(again, TASK, max_trials=105)
    assert again.losses == whole.losses
    assert again.generator.bit_generator.state == whole.generator.bit_generator.state
    for one, other in ((again.network, whole.network), (again.before, whole.before)):
        for name, value in vars(one).items():
            assert np.array_equal(value, getattr(other, name)), name
    for name, array in whole.last.items():
        assert np.array_equal(array, again.last[name]), name
    for name, moments in whole.moments.items():
        assert np.array_equal(moments.first, again.moments[name].first), name
        assert np.array_equal(moments.second, again.moments[name].second), name


def test_a_finished_training_stays_finished(tmp_path):
    training, path = Training(start(), np.random.default_rng(3)), tmp_path / "t.state.h5"
    train(training, TASK, max_trials=2)
    training.done = True
    save_training(training, path, {})
    again, _ = load_training(path, start())
    train(again, TASK)
    assert again.losses == training.losses
    assert np.array_equal(again.last["x"], training.last["x"])


@pytest.mark.slow
def test_a_state_of_another_network_or_without_its_parts_is_refused(tmp_path):
    training, path = Training(start(), np.random.default_rng(3)), tmp_path / "t.state.h5"
    train(training, TASK, max_trials=2)
    save_training(training, path, {})
    with pytest.raises(FileError, match="holds no training of such a network; start afresh"):
        load_training(path, start(n=13))
    arrays, text, _ = read_arrays(path, FORMAT)
    values = json.loads(text)
    for name in arrays:
        if name.split(".")[0] != "last":
            write_arrays(path, FORMAT, {k: v for k, v in arrays.items() if k != name}, text, {})
            with pytest.raises(FileError, match="holds no training of such a network"):
                load_training(path, start())
        if name.startswith("moments"):
            write_arrays(path, FORMAT, arrays | {name: np.zeros((3, 3))}, text, {"label": {}})
            with pytest.raises(FileError, match="holds no training of such a network"):
                load_training(path, start())
    for changes in ({"generator": 3}, {"records": [{"trial": 1}]}, {"b_out": {}}):
        odd = json.dumps(values | changes)
        write_arrays(path, FORMAT, arrays, odd, {"label": {}})
        with pytest.raises(FileError, match="holds no training of such a network"):
            load_training(path, replace(start()))
