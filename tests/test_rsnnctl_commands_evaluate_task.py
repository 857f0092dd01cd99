"""`evaluate` and `simulate` on the networks of a task."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from rate_networks import random_rate_network

from rsnn.rate.evaluate import evaluate
from rsnn.rate.file import load_lif, save
from rsnn.rate.populations import read_populations
from rsnn.rate.responses import lif_subject
from rsnn.rate.tasks import find_task
from rsnnctl.runs import folders, lineage

MAP = ("--factors", 2, "--trials", 2, "--fresh-trials", 2, "--downsample", 10)
NAMES = [
    "rate.rsnn.h5 (rate)",
    "rate.lif.h5 (float, with noise)",
    "rate.lif.h5 (float, without noise)",
    "rate.int.h5 (int8)",
]
SCHEMA = Path(__file__).parents[1] / "docs" / "schemas" / "evaluated-task-1.json"


@pytest.fixture
def rate(run) -> Path:
    path = Path("rate.rsnn.h5")
    save(random_rate_network(), path, {"command": "train"})
    return path


@pytest.fixture
def path(run, rate) -> list[Path]:
    """The three networks of the path, small."""
    assert run("map-rate", rate, *MAP).code == 0
    assert run("quantize", "rate.lif.h5", "--trials", 2).code == 0
    return [rate, Path("rate.lif.h5"), Path("rate.int.h5")]


def document(done) -> dict:
    assert done.code == 0, done.err
    found = json.loads(done.out)
    Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(found)
    return found


@pytest.mark.slow
def test_three_networks_of_the_path_stand_side_by_side_on_the_trials_of_quantize(run, path):
    found = document(run("evaluate", *path, "--trials", 30, "--seed", 7, "--json"))
    assert [row["network"] for row in found["networks"]] == NAMES
    rates, noisy, quiet, integers = found["networks"]
    done = run("quantize", path[1], "--trials", 30, "--seed", 7, "--json")
    ledger = json.loads(done.out)["ledger"]
    for row, step in zip((noisy, quiet, integers), ledger, strict=True):
        assert {name: row[name] for name in ("accuracy", "low", "high")} == {
            name: step[name] for name in ("accuracy", "low", "high")
        }
        assert row["mean_rate"] == pytest.approx(step["mean_rate"])
    assert [row["dt"] for row in found["networks"]] == [0.005, 0.0005, 0.0005, 0.0005]
    assert rates["mean_rate"] is None
    assert rates["effective_macs"] > 12 > integers["effective_macs"] == 0
    assert noisy["effective_macs"] == pytest.approx(12, abs=0.5)  # the trace of each unit
    assert all(row["effective_acs"] > 0 for row in found["networks"])
    assert {row["trials"] for row in found["networks"]} == {30}
    digests = [row["digest"] for row in found["networks"]]
    assert len(set(digests)) == 3
    assert digests[1] == digests[2]


@pytest.mark.slow
def test_answers_and_rates_are_told_by_condition_and_population(run, path):
    found = document(run("evaluate", *path, "--trials", 20, "--json"))
    conditions = found["conditions"]
    assert [(row["network"], row["condition"]) for row in conditions] == [
        (name, condition) for name in NAMES for condition in ("go", "nogo")
    ]
    for row in conditions:
        answers = [row[f"answer {name}"] for name in ("go", "nogo", "none", "several")]
        assert sum(answers) == row["trials"]
        assert row["accuracy"] == row[f"answer {row['condition']}"] / row["trials"]
        assert row["low"] <= row["accuracy"] <= row["high"]
    rates = found["rates"]
    units = [("E", 8), ("PV", 2), ("SST", 2)]
    assert [(row["population"], row["units"]) for row in rates] == units * 8
    for row in rates:
        mean = "mean_activation" if row["network"] == NAMES[0] else "mean_rate"
        assert row[mean] > 0
        assert row[mean.replace("mean", "sd")] >= 0
        assert len(row) == 6
    floats, origin = load_lif(path[1])
    populations = read_populations(origin, 12)
    quiet = evaluate(
        lif_subject(floats, find_task("go-nogo"), 0.0),
        find_task("go-nogo"),
        20,
        seed=[1],
        populations=populations,
    )
    own = quiet.tallies["nogo"].rates[populations["PV"]]
    assert rates[16]["mean_rate"] == pytest.approx(own.mean())
    assert rates[16]["sd_rate"] == pytest.approx(own.std()) != own.var()
    by_hand = sum(row["mean_rate"] * row["units"] / 12 for row in rates[6:9])
    shown = [row["trials"] for row in conditions[2:4]]
    other = sum(row["mean_rate"] * row["units"] / 12 for row in rates[9:12])
    mean = (by_hand * shown[0] + other * shown[1]) / 20
    assert mean == pytest.approx(found["networks"][1]["mean_rate"])


@pytest.mark.slow
@pytest.mark.parametrize(("task", "n_inputs"), [("xor", 2), ("mante", 4)])
def test_integers_with_graded_inputs_are_evaluated_too(run, task, n_inputs):
    save(random_rate_network(n_inputs=n_inputs, task=task), Path("rate.rsnn.h5"), {})
    assert run("map-rate", "rate.rsnn.h5", *MAP).code == 0
    assert run("quantize", "rate.lif.h5", "--trials", 2).code == 0
    words = ("rate.lif.h5", "rate.int.h5", "--trials", 4)
    found = document(run("evaluate", *words, "--plot", "made", "--json"))
    assert [row["network"] for row in found["networks"]] == NAMES[1:]
    assert all({"answer +1", "answer -1"} <= row.keys() for row in found["conditions"])
    assert (found["networks"][2]["effective_macs"] > 0) is (task == "mante")
    assert len(found["pictures"]) == 4


def test_a_table_for_people_and_every_digit_for_others(run, rate):
    done = run("evaluate", rate, "--trials", 3)
    assert done.code == 0, done.err
    for word in ("answers by condition", "answer several", "rates by population", "mean activation",
                 "effective MACs (per step)", "dt (s)"):  # fmt: skip
        assert word in done.out
    assert "digest" not in done.out
    done = run("evaluate", rate, "--trials", 3, "--format", "csv")
    first = next(csv.DictReader(io.StringIO(done.out)))
    assert first["task"] == "go-nogo"
    assert len(first["digest"]) == 64


def test_results_depend_on_the_seed_alone(run, rate):
    words = ("evaluate", rate, "--trials", 3, "--json")
    assert run(*words).out == run(*words, "--seed", 1).out != run(*words, "--seed", 2).out


@pytest.mark.slow
def test_without_files_the_networks_of_the_newest_run_are_evaluated(run, path):
    (folder,) = folders.start([folders.Planned("x", {"task": "go-nogo"})])
    for file in path:
        file.rename(folder / file.name.replace("rate.", "model."))
    folders.finish(folder)
    found = document(run("evaluate", "--trials", 2, "--json"))
    assert [row["network"].partition(" ")[0] for row in found["networks"]] == [
        *("model.rsnn.h5", "model.lif.h5", "model.lif.h5", "model.int.h5")
    ]
    assert "simulate" not in [link.step for link in lineage.chain(folder)]  # it has no recording
    np.save("raster.npy", np.zeros((20, 1), np.uint8))
    assert run("simulate", "--input", "raster.npy").code == 0
    assert "simulate" in [link.step for link in lineage.chain(folder)]


@pytest.mark.slow
def test_pictures_are_drawn_of_each_network_and_of_all(run, path):
    done = run("evaluate", *path, "--trials", 3, "--plot", "made")
    assert done.code == 0, done.err
    names = ["rate.rsnn", "rate.lif.noise", "rate.lif", "rate.int"]
    expected = [f"made/{name}.trials.png" for name in names] + ["made/go-nogo.summary.png"]
    assert done.out.split("\n")[-6:-1] == expected
    for name in expected:
        assert Path(name).read_bytes().startswith(b"\x89PNG")
    kept = Path(expected[0]).read_bytes()
    assert run("evaluate", path[0], "--trials", 3, "--plot", "made").code == 0  # its own
    assert Path(expected[0]).read_bytes() == kept
    Path(expected[0]).write_bytes(b"mine")
    done = run("evaluate", path[0], "--trials", 3, "-o", "made")
    assert "rate.rsnn.trials.png: exists, and was changed since evaluate wrote it" in done.err
    assert Path(expected[0]).read_bytes() == b"mine"
    done = run("evaluate", path[0], "--trials", 3, "-o", "made", "--force")
    assert done.err == "made/rate.rsnn.trials.png: overwritten (--force)\n"


@pytest.mark.slow
def test_files_of_one_name_are_told_apart_and_one_file_twice_has_one_picture(run, rate):
    for folder in ("a", "b"):
        Path(folder).mkdir()
        Path(folder, rate.name).write_bytes(rate.read_bytes())
    words = ("a/rate.rsnn.h5", "b/rate.rsnn.h5", "--trials", 1)
    found = document(run("evaluate", *words, "--plot", "made", "--json"))
    assert [row["network"] for row in found["networks"]] == [
        "a/rate.rsnn.h5 (rate)",
        "b/rate.rsnn.h5 (rate)",
    ]
    assert found["pictures"][:2] == ["made/a-rate.rsnn.trials.png", "made/b-rate.rsnn.trials.png"]
    done = run("evaluate", rate, rate, "--trials", 1, "--plot", "again")
    assert done.code == 1
    name = f"again/{Path().absolute().name}-rate.rsnn.trials.png"
    assert done.err == (
        f"Error: two pictures would be called {name}; name each network once, or draw them in"
        " different folders\n"
    )
    assert not Path("again").exists()


def test_units_of_unknown_populations_are_one(run, rate):
    save(random_rate_network(dale=False, sign=np.ones(12), is_sst=np.zeros(12)), rate, {})
    done = run("evaluate", rate, "--trials", 1, "--json")
    assert [row["population"] for row in document(done)["rates"]] == ["all"]
    assert done.err == (
        "rate.rsnn.h5: does not say which units excite and which inhibit; rates are of all\n"
    )


def test_the_task_of_a_network_that_names_none_can_be_given(run):
    save(random_rate_network(task=""), Path("r.rsnn.h5"), {})
    done = run("evaluate", "r.rsnn.h5")
    assert done.err.startswith("Error: the network names no task; name it with --task, which know")
    found = document(run("evaluate", "r.rsnn.h5", "--task", "go-nogo", "--trials", 1, "--json"))
    assert found["networks"][0]["task"] == "go-nogo"
    assert run("map-rate", "r.rsnn.h5", "--task", "go-nogo", *MAP).code == 0
    assert load_lif(Path("r.lif.h5"))[0].task == "go-nogo"  # as `quantize` needs it


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--trials", 0), 1, "--trials is 0; at least 1 is needed"),
        (("--trials", 1_000_001), 1, "--trials is 1000001; at most 1000000 is possible"),
        (("--seed", -1), 1, "--seed is -1; 0 to 9223372036854775807 is possible"),
        (("--task", "xor"), 1, "the network has 1 inputs, task xor has 2; name the task that it"),
        (("--precision", "float64"), 2, "--precision has no effect on networks of a task, which a"),
        (("--part", "all"), 2, "--part has no effect on networks of a task, which are measured on"),
        (("--baselines",), 2, "--baselines has no effect on networks of a task, which are measur"),
        (("--harness",), 2, "--harness has no effect on networks of a task, which are measured o"),
        (("--no-gru",), 2, "--gru/--no-gru has no effect on networks of a task, which are measur"),
        (("--session", "rate.rsnn.h5"), 2, "--session has no effect on networks of a task, which"),
        (("--plot", "-"), 2, "- is stdout, which takes one file; name a folder"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(run, rate, words, code, text):
    done = run("evaluate", rate, *words)
    assert (done.code, done.out) == (code, "")
    assert text in done.err
    assert [path.name for path in Path().iterdir()] == [rate.name]


@pytest.mark.parametrize("option", ["--trials", "--seed", "--task", "--plot", "--force"])
def test_options_of_trials_are_refused_on_decoders(run, network, option):
    values = {"--task": ["go-nogo"], "--force": []}.get(option, [3])
    done = run("evaluate", network, option, *values)
    assert done.code == 2
    assert "has no effect on decoders, which are measured on recordings; leave it out" in done.err


def test_decoders_and_networks_of_tasks_are_evaluated_apart(run, rate, network):
    done = run("evaluate", network, rate)
    assert done.code == 1
    assert done.err.splitlines()[-1] == (
        f"Error: {network} decodes a recording, rate.rsnn.h5 solves a task on trials; evaluate them"
        " apart"
    )


@pytest.mark.slow
def test_a_network_of_a_task_is_simulated_on_a_raster_only(run, path):
    done = run("simulate", path[2])
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines()[0] == (
        "Error: rate.int.h5: solves the task go-nogo on trials, not on a recording; `rsnnctl"
        " evaluate rate.int.h5` draws trials, and a raster of inputs can be named"
    )
    np.save("raster.npy", np.zeros((20, 1), np.uint8))
    assert run("simulate", path[2], "--input", "raster.npy").code == 0
