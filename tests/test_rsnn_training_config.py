"""Settings: recipe, TOML file and --set, with the nearest known name for every typo."""

import pytest

from base.errors import DataError, FileError, RangeError
from rsnn.training.config import Config, resolve


def test_later_sources_win(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text("[training]\nepochs = 7\nbatch = 9\n[model]\nhidden = [32, 16]\n")
    config = resolve(
        "short", files=[path], settings=["training.batch=11", "model.recurrent=false"], seed=5
    )
    assert (config.training.epochs, config.training.batch) == (7, 11)
    assert config.training.seed == config.retraining.seed == config.pretraining.seed == 5
    architecture = config.model.architecture(12)
    assert (architecture.hidden, architecture.recurrent) == ((32, 16), False)


def test_the_resolved_config_written_as_toml_resolves_to_itself(tmp_path):
    config = resolve("short", preset="big", settings=["pruning.tolerance=0.5", "model.hidden=[8]"])
    path = tmp_path / "c.toml"
    path.write_text(config.as_toml())
    assert resolve("published", files=[path]) == config


def test_big_networks_are_trained_without_the_upper_regularizer_unless_told_so():
    assert resolve(preset="big").training.upper_strength == 0.0
    assert resolve(preset="tiny").training.upper_strength == 0.01
    told = resolve(preset="big", settings=["training.upper_strength=0.5"])
    assert told.training.upper_strength == 0.5
    assert isinstance(told, Config)


def test_the_short_recipe_trains_big_networks_at_the_published_rate():
    config = resolve("short", preset="big", settings=["training.epochs=3"])
    assert (config.training.batch, config.training.learning_rate) == (16, 2e-3)
    assert (config.training.epochs, config.pretraining.epochs) == (3, 12)
    assert config.training.upper_strength == config.qat.upper_strength == 0.0
    assert resolve("short").training.learning_rate == 0.03
    assert resolve(preset="big").training.batch == 250


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        (
            "training.epoch=5",
            "there is no setting `training.epoch`; the nearest is `training.epochs`",
        ),
        ("trainig.batch=5", "there is no setting `trainig.batch`; the nearest is `training.batch`"),
        ("training.epochs=five", "training.epochs is 'five'; a whole number is needed"),
        ("training.epochs=5.5", "training.epochs is 5.5; a whole number is needed"),
        ("training.dropout=true", "training.dropout is True; a number is needed"),
        ("model.recurrent=1", "model.recurrent is 1; true or false is needed"),
        ("model.hidden=[1.5]", "model.hidden is [1.5]; a list of whole numbers is needed"),
        ("training.optimizer=3", "training.optimizer is 3; a text is needed"),
        ("epochs=5", "`settings=epochs=5`: write section.name=value, as in training.epochs=50"),
        ("training.epochs", "`settings=training.epochs`: write section.name=value, as in"),
    ],
)
def test_a_wrong_setting_is_refused_with_the_way_out(setting, text):
    with pytest.raises(DataError) as caught:
        resolve(settings=[setting])
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("model.preset=huge", "model.preset is huge; known: tiny, big"),
        ("pruning.stop=1.0", "pruning.stop is 1; it must be at least 0 and below 1"),
        ("pruning.step=0.0", "pruning.step is 0; it must be above 0 and below 1"),
    ],
)
def test_a_value_without_a_meaning_is_refused(setting, text):
    with pytest.raises(RangeError) as caught:
        resolve(settings=[setting])
    assert str(caught.value) == text


def test_an_unknown_recipe_names_the_known_ones():
    with pytest.raises(RangeError, match="`recipe` is fast; known: published, short"):
        resolve("fast")


def test_files_that_hold_no_settings_are_refused(tmp_path):
    path = tmp_path / "c.toml"
    with pytest.raises(FileError, match=r"c\.toml: no such file"):
        resolve(files=[path])
    path.write_text("epochs = ")
    with pytest.raises(DataError, match=r"c\.toml: not TOML: "):
        resolve(files=[path])
    path.write_text("epochs = 5")
    with pytest.raises(DataError, match="`epochs` stands outside any section"):
        resolve(files=[path])
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match="cannot be read as text"):
        resolve(files=[path])
