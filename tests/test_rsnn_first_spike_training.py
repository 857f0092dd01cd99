"""The training loop: accuracies reached, what is kept, early stopping, files, folds."""

import json

import numpy as np
import pytest
from first_spike import random_samples
from sklearn.model_selection import StratifiedKFold

from base.errors import DataError, FileError, MismatchError, RangeError
from rsnn.first_spike.config import gathered, resolve
from rsnn.first_spike.data.parts import Parts, load_parts
from rsnn.first_spike.data.samples import from_ticks
from rsnn.first_spike.definition import learn_epoch
from rsnn.first_spike.file import (
    FORMAT,
    digest_of,
    load_history,
    load_network,
    load_training,
    save_network,
    save_training,
)
from rsnn.first_spike.folds import stratified_folds, stratified_split
from rsnn.first_spike.network import FirstSpikeNetwork
from rsnn.first_spike.training import rates_of, rule_of, start, train

PARTS = Parts(random_samples(30), random_samples(12, seed=1), random_samples(15, seed=2))
BASE = ["network.n_neurons=6", "network.firing_threshold=4.0", "trainer.epochs=5"]
S2 = ["optimizer.ap=0.05", "optimizer.am=-0.03", "optimizer.t_gap=0.2"]


def configured(*settings: str, seed: int = 1):
    return resolve(gathered(None, None, [*BASE, *S2, *settings]), seed=seed)


def trained(*settings: str, parts: Parts = PARTS, **options):
    training = start(configured(*settings), parts)
    train(training, parts, **options)
    return training


@pytest.fixture(scope="module")
def digits() -> Parts:
    return load_parts("digits")


REACHED = {"digits-s2stdp": (0, 4), "digits-rstdp": (1,), "digits-s4nn-ncg": (0,)}


@pytest.mark.parametrize("preset", REACHED)
def test_digits_are_learnt_as_well_as_by_the_reference_with_the_same_seed(shared, digits, preset):
    reached = json.loads((shared / "seeds" / "ttfs_reached.json").read_text())["digits"]
    name = preset.removeprefix("digits-").replace("-ncg", "+ncg").replace("rstdp", "rstdp-5n")
    for seed in REACHED[preset]:
        changes = gathered(preset, None, ["network.semantics=published"])
        training = start(resolve(changes, seed=seed), digits)
        train(training, digits)
        assert training.record.test_accuracy == reached[name]["test_accuracy"][seed]
        assert training.network().accuracy(digits.test) == training.record.test_accuracy


@pytest.mark.slow
@pytest.mark.parametrize("data", ["digits", "mnist"])
def test_every_mean_accuracy_of_the_reference_is_reached(shared, data):
    source = "digits" if data == "digits" else shared / "seeds" / "mnist_5000.npz"
    parts = load_parts(source)
    for name, found in json.loads((shared / "seeds" / "ttfs_reached.json").read_text())[
        data
    ].items():
        preset = f"{data}-{name.replace('+', '-').removesuffix('-5n')}"
        shares = []
        for seed in range(5):
            changes = gathered(preset, None, ["network.semantics=published"])
            training = start(resolve(changes, seed=seed), parts)
            train(training, parts)
            shares.append(training.record.test_accuracy)
        assert np.mean(shares) >= found["mean"] - 2.8 * found["sd"] / np.sqrt(5), name


def test_an_epoch_takes_the_rates_and_thresholds_of_its_number():
    regulated = ["regularizer.thr_lr=0.5", "regularizer.thr_anneal=0.5", "optimizer.annealing=0.5"]
    training = start(configured(*regulated), PARTS)
    expected = start(configured(*regulated), PARTS)
    train(training, PARTS)
    rule = rule_of(expected.config, 3)
    for epoch in range(5):
        learner = expected.learner
        learner.adapted[:] = learner.threshold
        rates = rates_of(expected.config, epoch, 0.0)
        assert rates.causal == 0.05 * 0.5**epoch
        assert rates.threshold == 0.5 * 0.5**epoch
        right = learn_epoch(learner, rule, rates, PARTS.train, expected.generator)
        assert training.records[epoch].train_accuracy == right / 30
    assert np.allclose(training.learner.w, expected.learner.w, rtol=0, atol=1e-12)
    assert np.array_equal(training.learner.threshold, np.full(6, 4.0))


def test_a_single_threshold_is_kept_from_epoch_to_epoch_and_used_in_tests():
    one = ["regularizer.thr_lr=0.5", "regularizer.use_two_thr=false", "trainer.keep=last"]
    training = trained(*one)
    assert np.array_equal(training.learner.threshold, training.learner.adapted)
    assert training.network().threshold.std() > 0
    assert np.isclose(training.learner.threshold.sum(), 6 * 4.0)


def test_rates_of_rstdp_follow_the_share_of_right_samples():
    changes = ["optimizer.method=rstdp", "optimizer.ap=0.5", "optimizer.am=-0.25"]
    config = resolve(gathered(None, None, [*changes, "optimizer.annealing=0.5"]))
    assert rates_of(config, 1, 0.75)[:4] == (0.0625, -0.03125, -0.1875, 0.09375)
    fixed = resolve(gathered(None, None, [*changes, "optimizer.adaptive_lr=false"]))
    assert rates_of(fixed, 3, 0.75)[:4] == (0.5, -0.25, -0.5, 0.25)
    seen = []
    training = start(resolve(gathered(None, None, [*BASE, *changes])), PARTS)

    def spied(config, epoch, share):
        seen.append(share)
        return rates_of(config, epoch, share)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rsnn.first_spike.training.rates_of", spied)
        train(training, PARTS)
    assert seen == [1 / 3, *(record.train_accuracy for record in training.records[:-1])]


def test_the_best_epoch_in_validation_is_kept_or_the_last():
    best, last = trained("trainer.epochs=12"), trained("trainer.epochs=12", "trainer.keep=last")
    shares = [record.validation_accuracy for record in best.records]
    assert best.best == int(np.argmax(shares)) + 1
    assert last.best == 12
    assert best.best < 12
    assert not np.array_equal(best.network().w, best.learner.w)
    assert np.array_equal(last.network().w, last.learner.w)
    for training in (best, last):
        assert training.record == training.records[training.best - 1]
        assert training.network().accuracy(PARTS.test) == training.record.test_accuracy


def test_training_stops_after_epochs_without_a_higher_validation_accuracy():
    whole = trained("trainer.epochs=40", "trainer.early_stopping=0")
    shares = [record.validation_accuracy for record in whole.records]
    assert len(shares) == 40
    stopped = trained("trainer.epochs=40", "trainer.early_stopping=3")
    n = len(stopped.records)
    assert n < 40
    assert [record.validation_accuracy for record in stopped.records] == shares[:n]
    assert n == int(np.argmax(shares[:n])) + 1 + 3
    unvalidated = Parts(PARTS.train, None, PARTS.test)
    alone = trained("trainer.early_stopping=1", parts=unvalidated)
    assert len(alone.records) == alone.best == 5
    assert alone.records[0].validation_accuracy is None


def test_a_run_of_a_grid_that_is_too_bad_ends_with_the_fourth_epoch():
    settings = ("trainer.epochs=9", "trainer.gridsearch_stop_acc=1.0", "trainer.early_stopping=0")
    found = trained(*settings, is_grid=True)
    assert found.abandoned
    assert len(found.records) == 4
    assert len(trained(*settings).records) == 9
    assert not trained(settings[0], is_grid=True).abandoned


def test_weights_at_the_start_are_drawn_as_asked_and_clipped():
    normal = start(configured("network.w_init_mean=0.9", "network.w_init_std=0.3"), PARTS).learner
    drawn = np.random.default_rng(1).normal(0.9, 0.3, (6, 21))
    assert np.array_equal(normal.w, np.clip(drawn, 0, 1))
    assert np.array_equal(normal.row_sum, drawn.sum(1))
    uniform = start(configured("network.w_init_normal=false", "network.w_min=-1.0"), PARTS).learner
    assert np.array_equal(uniform.w, np.random.default_rng(1).uniform(-1, 1, (6, 21)))


def test_layers_that_do_not_fit_the_classes_are_refused():
    with pytest.raises(MismatchError) as refusal:
        start(configured("network.n_neurons=7"), PARTS)
    assert str(refusal.value) == "`n_neurons` is 7; with 3 classes a multiple of 3 is needed"
    with pytest.raises(RangeError) as refused:
        start(configured("trainer.nt_neurons=2"), PARTS)
    assert str(refused.value).startswith("`trainer.nt_neurons` is 2; below 2, the neurons of each")
    wide = from_ticks(np.zeros((2, 5000), int), [0, 1], 1)
    with pytest.raises(RangeError, match="`weights` is 300000000; at most 67108864 is possible"):
        start(configured("network.n_neurons=60000"), Parts(wide, None, wide))


def test_a_training_continues_from_its_file_bit_for_bit(tmp_path):
    settings = ("trainer.dropout_out=0.2", "trainer.dropout_in=0.1", "regularizer.thr_lr=0.3")
    settings += ("regularizer.use_two_thr=false", "network.w_norm=true")
    whole = trained(*settings)
    for at in (1, 3):
        training = start(configured(*settings), PARTS)
        path = tmp_path / f"{at}.h5"

        def stop(record, training=training, path=path, at=at):
            if record.epoch == at:
                save_training(training, path, {"a": 1})
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            train(training, PARTS, report=stop)
        found, label = load_training(path, training.config, PARTS)
        assert label == {"a": 1}
        train(found, PARTS)
        assert found.records == whole.records
        assert found.best == whole.best
        for name in ("w", "threshold", "adapted"):
            assert np.array_equal(getattr(found.learner, name), getattr(whole.learner, name))
        assert np.array_equal(found.network().w, whole.network().w)


def test_a_state_of_another_layer_is_refused(tmp_path):
    training = trained()
    save_training(training, tmp_path / "s.h5", {})
    other = configured("network.n_neurons=9")
    with pytest.raises(FileError, match="holds no training of such a network; start afresh"):
        load_training(tmp_path / "s.h5", other, PARTS)
    save_network(training.network(), tmp_path / "n.h5", {})
    with pytest.raises(FileError, match=f"holds `{FORMAT}`"):
        load_training(tmp_path / "n.h5", training.config, PARTS)


def test_a_network_comes_back_with_its_history(tmp_path):
    training = trained()
    network, path = training.network(), tmp_path / "n.h5"
    digest = save_network(network, path, {"command": "test"}, training.records)
    found, provenance = load_network(path)
    assert provenance == {"command": "test"}
    for name, value in vars(network).items():
        assert np.array_equal(getattr(found, name), value), name
    history = load_history(path)
    shares = [record.test_accuracy for record in training.records]
    assert history["test_accuracy"].tolist() == shares
    assert save_network(found, tmp_path / "again.h5", {"command": "test"}) == digest
    assert load_history(tmp_path / "again.h5") == {}
    content = path.read_bytes()
    for at in range(0, len(content), 509):
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(FileError):
            load_network(path)


GOOD = {"w": np.ones((4, 3)), "threshold": np.ones(4), "n_classes": 2, "t_max": 5, "leak_tau": 0.0}
WRONG = {
    "axes": ({"w": np.ones(4)}, "`w` of shape (4,) must have 2 axes and be finite"),
    "finite": ({"threshold": np.full(4, np.nan)}, "`threshold` of shape (4,) must have 1 axes"),
    "empty": ({"w": np.ones((4, 0))}, "`w` of shape (4, 0) must have 2 axes and be finite"),
    "neurons": ({"threshold": np.ones(3)}, "`w` is of 4 neurons, `threshold` of 3"),
    "classes": ({"n_classes": 3}, "`n_neurons` is 4; with 3 classes a multiple of 3 is needed"),
    "no classes": ({"n_classes": 0}, "`n_classes` is 0; at least 1 is needed"),
    "ticks": ({"t_max": 0}, "`t_max` is 0; at least 1 is needed"),
    "leak": ({"leak_tau": np.inf}, "`leak_tau` is inf; it must be above 0, or 0 for no leak"),
    "semantics": ({"semantics": "x"}, "`semantics` is x; known: exact, published"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_network_that_cannot_be_is_refused(case):
    changes, text = WRONG[case]
    with pytest.raises((DataError, RangeError, MismatchError)) as refusal:
        FirstSpikeNetwork(**(GOOD | {"semantics": "exact"} | changes))
    assert str(refusal.value).startswith(text)


def test_samples_of_other_inputs_or_ticks_are_refused():
    network = FirstSpikeNetwork(**GOOD, semantics="exact")
    for samples, text in (
        (from_ticks([[1, 2]], [0], 5), "the network has 3 inputs, the samples 2; use samples of"),
        (from_ticks([[1, 2, 3]], [0], 6), "the network has 5 ticks, the samples 6; use samples"),
    ):
        with pytest.raises(MismatchError) as refusal:
            network.accuracy(samples)
        assert str(refusal.value).startswith(text)


def test_the_digest_of_samples_covers_all_of_them():
    other = random_samples(12, seed=5)
    variants = [
        PARTS,
        Parts(PARTS.train, None, PARTS.test),
        Parts(PARTS.train, other, PARTS.test),
        Parts(PARTS.train, PARTS.validation, other),
        Parts(random_samples(30, seed=9), PARTS.validation, PARTS.test),
    ]
    assert len({digest_of(parts) for parts in variants}) == 5
    assert digest_of(PARTS) == digest_of(Parts(PARTS.train, PARTS.validation, PARTS.test))


@pytest.mark.parametrize("seed", range(4))
def test_folds_are_those_of_scikit_learn_without_shuffling(seed):
    labels = np.random.default_rng(seed).integers(0, 4, 97) * 2 + 1
    expected = [test for _, test in StratifiedKFold(5).split(labels, labels)]
    found = stratified_folds(labels, 5)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_folds_and_splits_that_cannot_be_made_are_refused():
    with pytest.raises(RangeError, match="`folds` is 1; at least 2 are needed"):
        stratified_folds(np.array([0, 1]), 1)
    with pytest.raises(DataError) as refusal:
        stratified_folds(np.array([0, 0, 0, 1]), 2)
    assert str(refusal.value) == "class 1 has 1 samples; 2 folds need as many of each class"
    with pytest.raises(DataError, match="class 1 has a single sample; a split needs at least 2"):
        stratified_split(np.array([0, 0, 1]), 0.1, 0)


def test_a_split_takes_its_share_of_each_class_in_order():
    labels = np.repeat([0, 1, 2], [40, 20, 4])
    training, validation = stratified_split(labels, 0.1, 0)
    assert np.bincount(labels[validation]).tolist() == [4, 2, 1]
    assert np.array_equal(np.sort(np.concatenate([training, validation])), np.arange(64))
    assert (np.diff(training) > 0).all()
    assert (np.diff(validation) > 0).all()
    assert not np.array_equal(validation, stratified_split(labels, 0.1, 1)[1])
    assert np.array_equal(validation, stratified_split(labels, 0.1, 0)[1])
