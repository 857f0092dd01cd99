"""Uses of optional packages, and commands that work without them."""

import json
import subprocess
import sys

import numpy as np
import pytest
from networks import random_network
from tools import need

from sim.artifact import save_network

EXTRAS = ("matplotlib", "neurobench", "onnxruntime", "snntorch", "sklearn", "pylsl")
BARE = (
    "import sys\n"
    f"for name in {EXTRAS}: sys.modules[name] = None\n"
    "import cli\n"
    "sys.argv = ['rsnnctl', *sys.argv[1:]]\n"
    "cli.main()"
)


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """Call `rsnnctl` in a process that cannot import an optional package."""
    monkeypatch.chdir(tmp_path)

    def call(*words):
        command = [sys.executable, "-c", BARE, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    return call


@pytest.mark.slow
def test_without_extras_networks_are_simulated_verified_and_exported(bare):
    need("cc", "gcc")
    save_network(random_network(np.random.default_rng(0)), "n.int.h5")
    np.save("raster.npy", np.zeros((20, 12), np.uint8))
    for words in (("simulate", "n.int.h5", "--input", "raster.npy"), ("export-c", "n.int.h5")):
        assert bare(*words).returncode == 0
    assert bare("export-nir", "n.int.h5").returncode == 0
    assert bare("import-nir", "n.nir", "-o", "back.int.h5").returncode == 0
    done = bare("verify", "n.int.h5", "--steps", 20, "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert {"numba", "c", "nir", "onnx-reference"} <= set(report["backends"])
    assert report["not_run"] == {
        "onnxruntime": "this backend needs onnxruntime; install it with pip install"
        " 'rsnnctl[onnxruntime]'"
    }


@pytest.mark.slow
def test_what_needs_an_extra_names_it_before_it_begins(bare, model, session):
    def refused(*words):
        done = bare(*words)
        assert done.returncode == 1, done
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    picture = "Error: a picture needs matplotlib; install it with pip install 'rsnnctl[plot]'\n"
    assert refused("demo") == picture
    assert refused("explore", model, "--session", session) == picture
    assert refused("prune", model) == picture
    assert refused("first-spike", "train", "--plot") == picture
    assert refused("first-spike", "train") == (
        "Error: the data set `digits` needs sklearn; install it with pip install"
        " 'rsnnctl[digits]'\n"
    )
    assert refused("evaluate", model, "--session", session, "--harness") == (
        "Error: --harness needs neurobench; install it with pip install 'rsnnctl[neurobench]'\n"
    )


def test_a_snntorch_module_needs_snntorch(monkeypatch):
    from torch import nn

    from base.errors import ToolError
    from rsnnctl import api

    monkeypatch.setitem(sys.modules, "snntorch", None)
    with pytest.raises(ToolError, match=r"pip install 'rsnnctl\[snntorch\]'"):
        api.import_snntorch(nn.Sequential(nn.Linear(2, 2)), dt=0.001)
