"""Settings of first-spike networks: presets, TOML, published JSON, grids; what is refused."""

import json
from dataclasses import fields

import pytest

from base.errors import DataError, FileError, RangeError
from rsnn.first_spike.config import OPTIMIZERS, FirstSpikeConfig, expanded, gathered, resolve
from rsnn.first_spike.presets import DEFAULT, PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_whole_configuration_that_toml_brings_back(tmp_path, name):
    config = resolve(gathered(name, None, []), seed=3)
    (tmp_path / "c.toml").write_text(config.as_toml())
    assert resolve(gathered(None, tmp_path / "c.toml", [])) == config
    assert config.trainer.seed == 3


@pytest.mark.parametrize("data", ["digits", "mnist"])
def test_presets_for_images_are_those_that_the_reference_reached(shared, data):
    reached = json.loads((shared / "seeds" / "ttfs_reached.json").read_text())[data]
    assert len(reached) == 7
    for name, found in reached.items():
        sections = found["config"] | {"network": found["config"]["network"][0]}
        changes = [(s, k, v) for s, values in sections.items() for k, v in values.items()]
        config = resolve([*changes, ("trainer", "early_stopping", 0)])
        preset = f"{data}-{name.replace('+', '-').removesuffix('-5n')}"
        assert resolve(gathered(preset, None, [])) == config, name
    assert DEFAULT in PRESETS


def test_published_json_is_read_as_it_is(tmp_path):
    path = tmp_path / "c.json"
    layer = {"n_neurons": 20, "firing_threshold": 250, "w_norm": True}
    sections = {
        "network": [layer],
        "optimizer": {"method": "rstdp", "ap": 0.5, "am": -0.25, "annealing": 0.98},
        "trainer": {"epochs": 7},
    }
    path.write_text(json.dumps(sections))
    config = resolve(gathered(None, path, ["network.semantics=published"]))
    assert config.network.n_neurons == 20
    assert config.network.firing_threshold == 250.0
    assert config.network.semantics == "published"
    assert (config.trainer.epochs, config.trainer.early_stopping) == (7, 10)
    rates = config.optimizer
    assert (rates.ap, rates.am, rates.anti_ap, rates.anti_am) == (0.5, -0.25, -0.5, 0.25)
    for sections, text in (
        ([], "holds no sections, such as `optimizer`"),
        ({"network": [layer, layer]}, "`network` has 2 layers; one can be trained"),
        ({"network": 3}, "`network` stands outside any section; write it below a [section]"),
    ):
        path.write_text(json.dumps(sections))
        with pytest.raises(DataError) as refusal:
            gathered(None, path, [])
        assert str(refusal.value) == f"{path}: {text}"
    for content in ("{", "[" * 100_000):
        path.write_text(content)
        with pytest.raises(DataError, match="not JSON"):
            gathered(None, path, [])
    with pytest.raises(FileError, match="no such file"):
        gathered(None, tmp_path / "none.json", [])


def test_later_settings_win_and_the_seed_decides_over_all(tmp_path):
    (tmp_path / "c.toml").write_text("[optimizer]\nmethod = 's4nn'\nlr = 0.5\n")
    config = resolve(gathered(None, tmp_path / "c.toml", ["optimizer.lr=0.25"]), seed=9)
    assert config.optimizer.lr == 0.25
    assert config.optimizer.use_time_ranges
    assert config.trainer.seed == 9


REFUSED = {
    "optimizer.apx=1": "there is no setting `optimizer.apx`; the nearest is `optimizer.ap`",
    "optimizer.lr=0.1": "there is no setting `optimizer.lr`; the nearest is `optimizer.",
    "optim.ap=1": "there is no setting `optim.ap`; the nearest is `optimizer.ap`",
    "optimizer.method=stdp": "`method` is stdp; known: s2stdp, rstdp, s4nn",
    "optimizer.stdp=x": "`stdp` is x; known: additive, multiplicative",
    "network.semantics=x": "`semantics` is x; known: exact, published",
    "trainer.keep=x": "`keep` is x; known: best, last",
    "network.n_neurons=0": "`n_neurons` is 0; at least 1 is needed",
    "network.n_neurons=70000": "`n_neurons` is 70000; at most 65536 is possible",
    "network.w_min=2.0": "`network.w_min` is 2; it must be below w_max, 1",
    "optimizer.w_min=2.0": "`optimizer.w_min` is 2; it must be below w_max, 1",
    "network.leak_tau=-1": "`leak_tau` is -1; it must be above 0, or 0 for no leak",
    "network.w_init_std=-1": "`network.w_init_std` is -1; it must be in 0..1e+09",
    "network.firing_threshold=nan": "`network.firing_threshold` is nan; it must be in -1e+09..1e",
    "optimizer.t_gap=1.5": "`optimizer.t_gap` is 1.5; it must be in 0..1",
    "optimizer.annealing=2": "`optimizer.annealing` is 2; it must be in 0..1",
    "optimizer.am=inf": "`optimizer.am` is inf; it must be in -1e+09..1e+09",
    "regularizer.thr_lr=-1": "`regularizer.thr_lr` is -1; it must be in 0..1e+09",
    "regularizer.thr_anneal=1.5": "`regularizer.thr_anneal` is 1.5; it must be in 0..1",
    "trainer.epochs=0": "`epochs` is 0; at least 1 is needed",
    "trainer.epochs=100001": "`epochs` is 100001; at most 100000 is possible",
    "trainer.early_stopping=-1": "`trainer.early_stopping` is -1; it must be in 0..100000",
    "trainer.nt_neurons=-1": "`trainer.nt_neurons` is -1; it must be in 0..65536",
    "trainer.dropout_in=1.5": "`trainer.dropout_in` is 1.5; it must be in 0..1",
    "trainer.seed=-1": "`seed` is -1; 0 to 9223372036854775807 is possible",
    f"trainer.seed={2**63}": f"`seed` is {2**63}; 0 to 9223372036854775807 is possible",
    "optimizer.ap=[0.1]": "optimizer.ap is [0.1]; a number is needed",
    "optimizer": "`settings=optimizer`: write section.name=value, as in optimizer.ap=0.05",
}


@pytest.mark.parametrize("setting", REFUSED)
def test_a_setting_that_cannot_be_used_is_refused_in_one_line(setting):
    with pytest.raises((DataError, RangeError)) as refusal:
        resolve(gathered(DEFAULT, None, [setting]))
    assert str(refusal.value).startswith(REFUSED[setting])


def test_an_unknown_preset_is_refused():
    with pytest.raises(RangeError, match="`preset` is x; known: digits-s2stdp, digits-s2stdp-ncg"):
        gathered("x", None, [])


def test_every_number_has_a_limit():
    for method in OPTIMIZERS:
        start = [("optimizer", "method", method)]
        config = resolve(start)
        for section in fields(FirstSpikeConfig):
            for field in fields(getattr(config, section.name)):
                value = getattr(getattr(config, section.name), field.name)
                if type(value) in (int, float):
                    huge = float("inf") if isinstance(value, float) else 10**30
                    with pytest.raises(RangeError, match=field.name):
                        resolve([*start, (section.name, field.name, huge)])


def test_lists_are_expanded_in_the_published_order():
    settings = [
        "trainer.epochs=[1,2]",
        "optimizer.am=-0.5",
        "optimizer.ap=[0.1,0.2]",
        "regularizer.thr_lr=[1.0,2.0]",
        "network.n_neurons=[10]",
    ]
    found = list(expanded(gathered(DEFAULT, None, settings)))
    assert [list(label) for label, _ in found] == [
        ["network.n_neurons", "regularizer.thr_lr", "optimizer.ap", "trainer.epochs"]
    ] * 8
    assert [tuple(label.values())[1:] for label, _ in found[:5]] == [
        *((1.0, 0.1, 1), (1.0, 0.1, 2), (1.0, 0.2, 1), (1.0, 0.2, 2), (2.0, 0.1, 1))
    ]
    last = resolve(found[-1][1])
    assert (last.optimizer.ap, last.optimizer.am, last.regularizer.thr_lr) == (0.2, -0.5, 2.0)
    assert last.trainer.epochs == 2
    assert last.network.n_neurons == 10
    assert len(list(expanded(gathered(DEFAULT, None, [])))) == 1


def test_grids_are_bounded_before_they_are_made():
    many = json.dumps([0.1] * 200)
    with pytest.raises(RangeError, match="`combinations` is 40000; at most 10000 is possible"):
        list(expanded(gathered(DEFAULT, None, [f"optimizer.{n}={many}" for n in ("ap", "am")])))
    with pytest.raises(RangeError, match=r"`optimizer.ap` is \[\]; at least one value is needed"):
        list(expanded(gathered(DEFAULT, None, ["optimizer.ap=[]"])))
    with pytest.raises(DataError, match="there is no setting `other"):
        resolve(next(expanded(gathered(DEFAULT, None, ["other.ap=[1]"])))[1])
