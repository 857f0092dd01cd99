"""Rate networks on the command line: import, map, export."""

import json
from pathlib import Path

import pytest
import scipy.io
from rate_networks import random_rate_network

from rsnn.rate.file import load_lif, load_rate, save
from rsnn.rate.matlab import published_name, write_mat
from rsnn.rate.spiking import mapped

SHORT = ("--factors", "3,2", "--trials", 3, "--fresh-trials", 4, "--downsample", 10)


@pytest.fixture
def rate(run) -> Path:
    path = Path("rate.rsnn.h5")
    save(random_rate_network(), path, {"command": "train"})
    return path


def test_a_published_file_is_imported_mapped_and_exported(run, tmp_path):
    network = random_rate_network()
    name = published_name(network)
    write_mat(network, tmp_path / name)
    done = run("import-weights", name)
    assert done.code == 0, done.err
    done = run("map-rate", *SHORT, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert (found["task"], [row["factor"] for row in found["curve"]]) == ("go-nogo", [3, 2])
    assert found["fresh"][0]["trials"] == 4
    folder = next(path for path in Path("runs").iterdir() if path.name != "latest")
    lif, provenance = load_lif(folder / "model.lif.h5")
    assert lif.factor == found["factor"]
    assert (lif.w == mapped(network, lif.factor).w).all()
    assert provenance["inputs"]["factors"] == [3.0, 2.0]
    assert (folder / "model.curve.png").read_bytes().startswith(b"\x89PNG")
    done = run("export-mat")
    assert done.code == 0, done.err
    (written,) = done.out.split()
    assert Path(written).name == name
    assert (tmp_path / written).read_bytes() == (tmp_path / name).read_bytes()


def test_a_table_has_a_column_for_each_condition(run, rate):
    done = run("map-rate", rate, *SHORT, "--no-noise", "--seed", 2)
    assert done.code == 0, done.err
    for word in ("accuracy", "nogo", "mean rate (Hz)", "fresh trials", "curve"):
        assert word in done.out


def test_variants_are_kept_in_the_network(run, rate):
    done = run("map-rate", rate, *SHORT, "--filter", "single", "--no-refractory", "-o", "made")
    assert done.code == 0, done.err
    lif, _ = load_lif(Path("made/rate.lif.h5"))
    assert (lif.filter, lif.refractory, lif.downsample) == ("single", False, 10)


def test_the_default_grid_is_that_of_the_activation(run):
    save(random_rate_network(activation="relu"), Path("relu.rsnn.h5"), {})
    words = ("--trials", 1, "--fresh-trials", 1, "--downsample", 40)
    found = json.loads(run("map-rate", "relu.rsnn.h5", *words, "--json").out)
    assert [row["factor"] for row in found["curve"]] == list(range(4, 27, 2))


def test_the_history_of_a_training_is_exported(run):
    import numpy as np

    save(random_rate_network(), Path("r.rsnn.h5"), {}, {"losses": np.arange(4.0)})
    assert run("export-mat", "r.rsnn.h5", "-o", "x.mat").code == 0
    assert scipy.io.loadmat("x.mat")["losses"].size == 4


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--task", "xor"), "the network has 1 inputs, task xor has 2; name the task that it was"),
        (("--factors", "x"), "--factors is x; write numbers, as in 20,25,30"),
        (("--trials", 0), "--trials is 0; at least 1 is needed"),
        (("--fresh-trials", 0), "--fresh-trials is 0; at least 1 is needed"),
        (("--downsample", 41), "--downsample is 41; 1..40 is possible"),
        (("--threads", 0), "--threads is 0; at least 1 is needed"),
    ],
)
def test_what_cannot_be_mapped_is_refused_and_nothing_written(run, rate, words, text):
    done = run("map-rate", rate, *words)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"Error: {text}")
    assert [path.name for path in Path().iterdir()] == [rate.name]


def test_a_network_without_a_task_needs_one(run):
    save(random_rate_network(task=""), Path("r.rsnn.h5"), {})
    done = run("map-rate", "r.rsnn.h5")
    assert done.err.startswith("Error: the network names no task; name it with --task, which know")


def test_a_decoder_is_no_rate_network(run, model, published):
    for command in ("map-rate", "export-mat"):
        done = run(command, model)
        assert done.code == 1
        assert "holds `rsnnctl-float-model`; a file of format `rsnnctl-rate-network`" in done.err
    done = run("import-weights", published[0], "--task", "xor")
    assert done.code == 2
    assert "--task has no effect on a decoder, which is no rate network; leave it out" in done.err


def test_the_activation_of_an_imported_network_is_asked_for(run, tmp_path):
    write_mat(random_rate_network(), tmp_path / "net.mat")
    done = run("import-weights", "net.mat")
    assert "does not say the activation of the units" in done.err
    assert "name it with --activation" in done.err
    done = run(
        "import-weights", "net.mat", "--activation", "relu", "--task", "go-nogo", "-o", "a.h5"
    )
    assert done.code == 0, done.err
    network, _ = load_rate(tmp_path / "a.h5")
    assert (network.activation, network.task) == ("relu", "go-nogo")
