"""Settings of the training of rate networks: TOML, --set, limits."""

from dataclasses import fields

import pytest

from base.errors import DataError, RangeError
from rsnn.rate.training.config import RateConfig, resolve

HUGE = 10**30


def test_the_defaults_are_those_published():
    config = resolve()
    assert vars(config.network) == {
        "units": 200,
        "activation": "sigmoid",
        "inhibitory": 0.2,
        "sst": 0,
        "connected": 0.2,
        "gain": 1.5,
        "taus": (20.0, 100.0),
        "dale": True,
    }
    assert vars(config.training) == {"learning_rate": 0.01, "max_trials": 6000, "seed": 1}


def test_later_sources_win_and_toml_reads_itself_back(tmp_path):
    path = tmp_path / "c.toml"
    path.write_text("[network]\nunits = 7\ngain = 2\ntaus = [20, 50]\n[training]\nseed = 3\n")
    config = resolve(files=[path], settings=["network.gain=0.5", "network.units=8"], units=9)
    assert (config.network.units, config.network.gain, config.training.seed) == (9, 0.5, 3)
    assert config.network.taus == (20.0, 50.0)
    assert resolve(files=[path], seed=4).training.seed == 4
    path.write_text(config.as_toml())
    assert resolve(files=[path]) == config


REFUSED = {
    "network.unit=5": "there is no setting `network.unit`; the nearest is `network.units`",
    "network.taus=20": "network.taus is 20; a list of numbers is needed",
    "network.taus=[20, true]": "network.taus is [20, True]; a list of numbers is needed",
    "network.units=2.5": "network.units is 2.5; a whole number is needed",
    "units=5": "`settings=units=5`: write section.name=value, as in network.gain=0.5",
}


@pytest.mark.parametrize(("setting", "message"), REFUSED.items())
def test_what_is_no_setting_is_refused(setting, message):
    with pytest.raises(DataError) as refusal:
        resolve(settings=[setting])
    assert str(refusal.value) == message


LIMITS = {
    "training.learning_rate=0": "`learning_rate` is 0; it must be above 0 and at most 1",
    "training.learning_rate=1.1": "`learning_rate` is 1.1; it must be above 0 and at most 1",
    "training.max_trials=1": "`max_trials` is 1; 2 to 1000000 is possible",
    "training.max_trials=1000001": "`max_trials` is 1000001; 2 to 1000000 is possible",
    "training.seed=-1": f"`seed` is -1; 0 to {2**63 - 1} is possible",
    "network.units=10001": "`units` is 10001; at most 10000 is possible",
}


@pytest.mark.parametrize(("setting", "message"), LIMITS.items())
def test_the_limit_of_a_setting_is_told(setting, message):
    with pytest.raises(RangeError) as refusal:
        resolve(settings=[setting])
    assert str(refusal.value) == message


def test_the_largest_settings_are_possible():
    resolve(
        settings=[
            *("training.learning_rate=1", "training.max_trials=1000000", "training.max_trials=2"),
            *(f"training.seed={2**63 - 1}", "network.units=10000", "network.taus=[5, 1000000]"),
        ]
    )


def numbers():
    for section in fields(RateConfig):
        for name, value in vars(getattr(resolve(), section.name)).items():
            if isinstance(value, float):
                yield from ((f"{section.name}.{name}", text) for text in ("inf", "nan"))
            elif isinstance(value, tuple):
                yield f"{section.name}.{name}", f"[{HUGE}]"
            elif type(value) is int:
                yield f"{section.name}.{name}", str(HUGE)


@pytest.mark.parametrize(("name", "value"), list(numbers()))
def test_a_setting_that_asks_for_too_much_is_refused(name, value):
    with pytest.raises(RangeError, match=r"it must be|possible") as refusal:
        resolve(settings=[f"{name}={value}"])
    assert name.partition(".")[2] in str(refusal.value)
