"""`benchmarks/first_spike.py`: its yardstick computes the same; sections are kept; its table."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from first_spike_networks import T, drawn
from tools import need

from hw_targets import targets
from hw_targets.cortex_m4 import MACHINE
from hw_targets.machines.c_samples import by_events, clocked
from rsnn.first_spike.config import gathered, resolve
from rsnn.first_spike.data.parts import Parts
from rsnn.first_spike.data.samples import from_ticks
from rsnn.first_spike.kernels import learn_epoch
from rsnn.first_spike.training import rates_of, rule_of, start

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script():
    path = ROOT / "benchmarks" / "first_spike.py"
    spec = importlib.util.spec_from_file_location("first_spike_benchmark", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["s2stdp", "s2stdp-ncg", "sstdp-ncg", "rstdp", "s4nn"])
def test_the_yardstick_computes_what_the_compiled_epoch_computes(script, rule):
    samples = script.synthetic(40)
    config = resolve(gathered(f"mnist-{rule}", None, []), seed=1)
    one, other = (start(config, Parts(samples, None, samples)) for _ in range(2))
    wanted = rule_of(config, 10), rates_of(config, 0, 0.1)
    right = learn_epoch(one.learner, *wanted, samples, one.generator)
    assert script.yardstick(other.learner, *wanted, samples) == right
    assert np.abs(one.learner.w - other.learner.w).max() < 1e-12
    assert np.abs(one.learner.adapted - other.learner.adapted).max() < 1e-12


@pytest.mark.slow
def test_every_section_prints_its_table_and_keeps_its_results(script, tmp_path, monkeypatch):
    for target in script.TARGETS:
        for program, package in targets()[target].tools.items():
            need(program, package)
    words = ["--folder", str(tmp_path), "--tiny", "--seeds", "2"]
    first = CliRunner().invoke(script.main, words, catch_exceptions=False)
    for rule in script.RULES:
        assert f"\n| digits, {rule} | ." in first.output
    assert "\n| exact | floats | 8 bits | most lost | " in first.output
    for label in script.ABLATION:
        assert f"\n| digits, {label} | ." in first.output
    for rule in script.SPEEDS:
        assert f"\n| {rule} | " in first.output
    for target in script.TARGETS:
        assert f"\n| digits, {target} | " in first.output
    for name in ("result_of", "train"):
        monkeypatch.setattr(script, name, lambda *_: pytest.fail("computed again"))
    for section in (*script.SECTIONS, "firmware"):
        again = CliRunner().invoke(script.main, [*words, "--only", section])
        assert again.exit_code == 0, section
        assert again.stdout.strip() in first.stdout


def test_results_are_named_by_all_that_decides_them(script):
    asked = script.accuracies({"digits": "digits", "mnist": "x.npz"}, 5, ())
    assert len(asked) == 2 * 7 * 2 * 5
    assert len({each.name for each in asked}) == len(asked)
    parts = script.ablation({"digits": "digits"}, 5, ())
    assert len({each.name for each in parts}) == 7 * 5
    for each in parts:  # every one is a possible setting
        config = resolve(gathered(each.preset, None, each.settings))
        one, two = "CR-1" in each.label[1], "CR-2" in each.label[1]
        assert (config.regularizer.thr_lr > 0) == (one or two)
        assert config.regularizer.use_two_thr or one
        assert config.trainer.nt_neurons == each.label[1].endswith("L")
        assert (config.trainer.dropout_out > 0) == ("Drop" in each.label[1])
        assert config.network.n_neurons == (10 if each.label[1] == "M-1" else 50)


def test_a_table_has_a_column_of_each_semantics(script):
    rows = [
        {"label": ("digits", "s2stdp", semantics), "seed": seed, "test": share}
        for semantics, shares in (("published", (0.5, 0.75)), ("exact", (1.0, 0.5)))
        for seed, share in enumerate(shares)
    ]
    assert list(script.table(rows)) == [
        "| | published: seeds | mean, sd | exact: seeds | mean, sd |",
        "|---|---|---|---|---|",
        "| digits, s2stdp | .500 .750 | .625 .177 | 1.000 .500 | .750 .354 |",
    ]
    assert list(script.speed_table({"s2stdp": (10.0, 200.0)}))[-1] == (
        "| s2stdp | 200 | 10.0 | 20 | 0.60 |"
    )


@pytest.mark.slow
def test_instructions_are_means_over_samples_to_the_end_and_to_the_first_spike(script, tmp_path):
    for program, package in targets()["cortex_m4"].tools.items():
        need(program, package)
    network, times, raster = drawn(1)
    ticks = np.array([np.minimum(times, T), np.full(24, T)])  # the second has no events
    found = script.counted(network, MACHINE, from_ticks(ticks, np.array([0, 1]), T))
    rasters = [raster, raster * 0]
    steps = clocked(network, MACHINE, rasters, tmp_path)
    one, other = by_events(network, MACHINE, rasters, tmp_path)
    first = int(one.t.min())
    assert 0 < first < T - 1
    assert found == {
        "clocked": steps.sum() / 2,
        "clocked_decision": (steps[0, : first + 1].sum() + steps[1].sum()) / 2,
        "events": (one.at_all.count + other.at_all.count) / 2,
        "events_decision": (one.at_first.count + other.at_first.count) / 2,
        "taken": one.at_first.n_events / 2,
        "tick": (first + T) / 2,
    }
    row = found | {"clocked": 900.4, "events": 300.0, "taken": 21.6}
    row |= {"clocked_decision": 100.0, "events_decision": 40.0, "tick": 6.0}
    assert list(script.firmware_table({("digits", "cortex_m4"): row}))[-1] == (
        "| digits, cortex_m4 | 900 | 300 | 3.0 | 100 | 40 | 2.5 | 22 | 6 |"
    )
