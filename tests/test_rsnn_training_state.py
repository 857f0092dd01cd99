"""An interrupted and continued training ends with the same bits as an uninterrupted one."""

import dataclasses
import json

import h5py
import numpy as np
import pytest
import torch
from quick_training import QUICK, SPLIT, fresh_model, quick_session

from base.container import _seal
from base.errors import FileError, MismatchError
from rsnn.training.state import TrainState, load_state, save_state
from rsnn.training.train import train


@pytest.fixture(scope="module")
def session():
    return quick_session()


def kept_states(session, config, **options) -> tuple[list[TrainState], dict]:
    states: list[TrainState] = []
    model = fresh_model(session)
    train(model, session, SPLIT, config, keep=states.append, **options)
    return states, model.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["smorms3", "adam", "adamw"])
@pytest.mark.parametrize("kernel", ["numba", "torch"])
def test_continuing_from_disk_ends_bit_identical(session, tmp_path, optimizer, kernel):
    config = dataclasses.replace(QUICK, optimizer=optimizer, kernel=kernel, learning_rate=0.01)
    states, expected = kept_states(session, config)
    for stopped_after in (1, 4):
        path = tmp_path / "state.h5"
        save_state(states[stopped_after - 1], path, {"stage": "training"})
        state, label = load_state(path)
        assert label == {"stage": "training"}
        model = fresh_model(session, seed=99)  # whatever it holds is replaced
        result = train(model, session, SPLIT, config, state=state)
        assert [r.epoch for r in result.records] == list(range(1, config.epochs + 1))
        for name, tensor in expected.items():
            assert torch.equal(model.state_dict()[name], tensor), name
        assert result.records == states[-1].records


def test_masks_hold_through_an_interruption(session):
    model = fresh_model(session)
    masks = {name: w.abs() > 0.3 * w.abs().max() for name, w in model.connections().items()}
    states, expected = kept_states(session, QUICK, masks=masks)
    resumed = fresh_model(session)
    train(resumed, session, SPLIT, QUICK, masks=masks, state=states[2])
    for name, weight in resumed.connections().items():
        assert not weight[~masks[name]].any()
    for name, tensor in expected.items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_a_state_of_another_model_is_refused(session):
    states, _ = kept_states(session, QUICK)
    with pytest.raises(MismatchError, match="belongs to a model of another shape"):
        train(fresh_model(session, hidden=(9,)), session, SPLIT, QUICK, state=states[0])


def test_a_damaged_state_is_refused(session, tmp_path):
    states, _ = kept_states(session, dataclasses.replace(QUICK, epochs=1))
    path = tmp_path / "state.h5"
    save_state(states[0], path, {})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"edited or|damaged"):
        load_state(path)


def damaged_states():
    """Changes of a state that is sealed anew afterwards, by name."""

    def put(name, value):
        def change(file):
            if name in file:
                del file[name]
            file[name] = value

        return change

    def whole_numbers(file):
        for group in ("parameters", "best"):
            name = f"{group}/hidden.0.w_in"
            put(name, file[name][()].astype(int))(file)

    def record(**values):
        def change(file):
            records = json.loads(file["records"][()])
            records[-1] |= values
            put("records", json.dumps(records))(file)

        return change

    def attribute(name, value):
        return lambda file: file.attrs.__setitem__(name, value)

    return {
        "no epoch": lambda file: file.attrs.__delitem__("epoch"),
        "half an epoch": attribute("best_epoch", 0.5),
        "epoch below zero": attribute("best_epoch", -1),
        "best epoch to come": attribute("best_epoch", 3),
        "more epochs than records": attribute("epoch", 3),
        "text for a number": attribute("best_r2", "x"),
        "no values": attribute("best_r2", h5py.Empty("f8")),
        "no records": lambda file: file.__delitem__("records"),
        "records that are no JSON": put("records", "["),
        "records without an end": put("records", "[" * 100_000),
        "a record with a text": record(loss="x"),
        "a record with half an epoch": record(n_epochs=1.5),
        "a record with more": record(more=1),
        "an array for a group": put("parameters", np.ones(3)),
        "whole numbers for parameters": whole_numbers,
        "whole numbers for the optimizer": put("optimizer/0.mean", np.ones(3, int)),
        "an odd number of a parameter": put("optimizer/x.mean", np.ones(3)),
        "a number of no parameter": put("optimizer/99.mean", np.ones(3)),
        "a tensor without a name": put("optimizer/5", np.ones(3)),
        "a group for a tensor": lambda file: file.create_group("optimizer/0.more"),
        "another shape of the best": put("best/hidden.0.w_in", np.ones((2, 2), "f4")),
        "a short generator": put("generator", np.ones(3, np.uint8)),
        "a generator of floats": put("generator", np.ones(5056)),
    }


DAMAGED = damaged_states()


@pytest.fixture(scope="module")
def two_epochs(session):
    states, _ = kept_states(session, dataclasses.replace(QUICK, epochs=2))
    return states[-1]


@pytest.mark.parametrize("change", DAMAGED.values(), ids=DAMAGED)
def test_values_that_no_training_leaves_are_refused(two_epochs, tmp_path, change):
    path = tmp_path / "state.h5"
    save_state(two_epochs, path, {})
    with h5py.File(path, "r+") as file:
        change(file)
    content = path.read_bytes()[512:]
    path.write_bytes(_seal(content) + content)
    with pytest.raises(FileError, match=r"state\.h5: holds no state of a training; start afresh"):
        load_state(path)


def test_two_sessions_are_trained_on_alike(session):
    other = quick_session(seed=2)
    model = fresh_model(session)
    result = train(model, session, SPLIT, QUICK, others=[(other, SPLIT)])
    alone = train(fresh_model(session), session, SPLIT, QUICK)
    assert result.records[0].loss != alone.records[0].loss
    assert np.isfinite(result.best_validation_r2)
