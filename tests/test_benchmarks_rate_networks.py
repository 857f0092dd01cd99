"""`benchmarks/rate_networks.py`: every section, tiny; what is kept is not computed again."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rsnn.rate.training.initialize import Initial
from rsnn.rate.training.train import EVERY

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def script():
    path = ROOT / "benchmarks" / "rate_networks.py"
    spec = importlib.util.spec_from_file_location("rate_networks_benchmark", path)
    module = importlib.util.module_from_spec(spec)

    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


ROWS = {
    "convert": ["N = 200", "N = 250", "N = 200, without noise"],
    "gain": ["tau 20..100 ms", "tau 20..50 ms"],
    "short": ["as published", "without noise", "500 trials more", "1000 trials more"],
    "activations": ["softplus", "relu"],
    "mante": ["seed 1"],
    "xor": ["seed 1"],
    "variants": [
        *("gain 0.5", "gain 1.5", "gain 3.5", "tau 20 ms", "tau 35 ms", "N = 100", "N = 150"),
        *("single exponential", "no refractory period"),
    ],
}


@pytest.mark.slow
def test_every_section_prints_its_table_and_keeps_its_results(script, tmp_path, monkeypatch):
    words = ["--folder", str(tmp_path), "--tiny"]
    first = CliRunner().invoke(script.main, words, catch_exceptions=False)
    for section, labels in ROWS.items():
        part = first.output.partition(f"## {section}\n")[2].partition("## ")[0]
        for label in labels:
            assert f"\n| {label} | 0 of " in part, (section, label)
    assert "| with the evaluations | " in first.output
    assert "| seed 1 | 10." in first.output  # the curve of xor
    assert "| go 0.00, nogo 1.00 |" in first.output
    monkeypatch.setattr(script, "result_of", lambda asked: pytest.fail("computed again"))
    for section in ROWS:
        again = CliRunner().invoke(script.main, [*words, "--only", section])
        assert again.exit_code == 0, section
        assert again.stdout.strip() in first.stdout, section


def test_the_sections_ask_for_what_they_say(script):
    asked = {name: section(script.Size(), 10) for name, section in script.SECTIONS.items()}
    counts = {name: len(each) for name, each in asked.items()}
    assert counts == {
        "convert": 30,
        "short": 80,
        "gain": 20,
        "activations": 20,
        "mante": 3,
        "xor": 3,
        "variants": 27,
    }
    for each in (e for name in ("convert", "activations", "mante", "xor") for e in asked[name]):
        is_quiet = each.label.endswith("without noise")
        assert (each.initial.taus, each.further, each.noise) == ((20, 100), 0, not is_quiet)
    assert {each.initial.units for each in asked["convert"]} == {200, 250}
    assert {each.initial.taus for each in asked["short"]} == {(20, 50)}
    assert {(e.initial.gain, e.initial.taus) for e in asked["gain"]} == {
        *((3.5, (20, 100)), (3.5, (20, 50)))
    }
    assert {(each.noise, each.further) for each in asked["short"]} == {
        (True, 0),
        (False, 0),
        (True, 500),
        (True, 1000),
    }
    assert {each.initial.activation for each in asked["activations"]} == {"softplus", "relu"}
    assert {each.initial.units for each in asked["mante"]} == {250}
    last = asked["variants"][-6:]
    assert [(each.filter, each.refractory) for each in last] == (
        [("single", True)] * 3 + [("double", False)] * 3
    )


def test_results_are_named_by_all_that_decides_them(script):
    asked = script.Asked("go-nogo", Initial(8), 1)
    assert replace(asked, label="other").name == asked.name
    changes = [
        {"seed": 2},
        {"further": 500},
        {"noise": False},
        {"filter": "single"},
        {"refractory": False},
        {"task": "xor"},
        {"size": script.TINY},
        {"initial": Initial(8, gain=2.0)},
    ]
    assert len({replace(asked, **each).name for each in changes} | {asked.name}) == 9


def test_further_trials_come_after_the_end_whatever_the_rule_says(script, monkeypatch):
    monkeypatch.setattr("rsnn.rate.training.train.END_LOSS", 1e9)
    monkeypatch.setattr("rsnn.rate.training.train.END_SHARE", -1.0)
    asked = script.Asked("xor", Initial(5), 1, further=EVERY + 5, size=script.Size(max_trials=9))
    training, network = script.trained(asked)
    assert len(training.losses) == 2 + EVERY + 5
    assert training.done
    assert network is training.before
    rates = []
    monkeypatch.setattr(
        script, "train", lambda training, task, **k: rates.append(k.get("learning_rate"))
    )
    script.trained(asked)
    assert rates == [None, 0.001]


@pytest.mark.slow
def test_the_plain_loop_computes_the_published_loss(script):
    """Against the library, without noise."""
    import torch

    from rsnn.rate.network import run
    from rsnn.rate.tasks import find_task
    from rsnn.rate.training.initialize import draw_network
    from rsnn.rate.training.train import loss_of

    generator = np.random.default_rng(1)
    task = replace(find_task("go-nogo"), conditions=("go",))
    network = draw_network(Initial(20, sst=2), 1, "go-nogo", generator)
    loop = script.PlainLoop(network, task, generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "randn", lambda n: torch.zeros(n))
        loss = loop._loss().item()
    shown = task.draw(generator)
    _, outputs = run(network, shown.u, np.zeros((200, 20)))
    assert loss == pytest.approx(loss_of(outputs, shown.target), rel=1e-4)


def test_a_table_counts_the_networks_that_convert(script):
    rows = [
        {
            "label": "x",
            "done": done,
            "trials": 1502,
            "factor": factor,
            "best": best,
            "fresh": fresh,
            "by_condition": {"go": 1.0, "nogo": fresh},
        }
        for done, factor, best, fresh in ((True, 30, 0.95, 0.9), (False, 25, 0.94, 0.8))
    ]
    line = list(script.table(rows))[-1]
    assert line == (
        "| x | 1 of 2 | 1502 | 1 of 2 | 0.945 ± 0.007 | 25..30 | 0.850 ± 0.071"
        " | go 1.00, nogo 0.85 | 0.80 0.90 |"
    )
