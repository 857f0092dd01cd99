"""The command line as users call it: in sequence without paths, and file by file."""

import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from rsnn.data.synthetic import synthesize
from rsnnctl.backends import backends
from rsnnctl.runs import folders


@pytest.mark.slow
def test_the_sequence_without_paths_works_on_a_fresh_checkout(run, session):
    for arguments in (
        ("train", session, "--recipe", "short", "--epochs", 1),
        ("prune", "--fraction", 0.4, "--set", "retraining.epochs=1"),
        ("quantize", "--bits", 8),
        ("export-nir",),
        ("simulate",),
    ):
        done = run(*arguments)
        assert done.code == 0, done
        assert done.err == ""  # no progress bars where stderr is not a terminal
    done = run("verify", "--json")
    report = json.loads(done.out)
    assert set(report["backends"]) == set(backends())
    words = report["steps"] * (3 * 64 + 2 * 2)
    for name, found in report["backends"].items():
        code = "generated" if name.startswith("onnx") else "hand-written"
        assert found == {
            "words": words,
            "differences": 0,
            "compared": "state words",
            "code": code,
        }, name
    assert report["not_run"] == {}
    rows = json.loads(run("evaluate", "--baselines", "--harness", "--json").out)
    rows = rows["rows"] + rows["baselines"]
    by_name = {row["model"]: row for row in rows}
    assert len(rows) == 7
    assert any(name.startswith("GRU") for name in by_name)
    ours, theirs = by_name["model.rsnn.h5 (float32)"], by_name["model.rsnn.h5 (NeuroBench)"]
    for key in ("footprint", "connection_sparsity", "dense", "effective_acs", "effective_macs"):
        assert ours[key] == theirs[key], key
    assert ours["activation_sparsity"] == theirs["activation_sparsity"]
    assert ours["r2"] == pytest.approx(theirs["r2"], abs=1e-5)
    assert ours["connection_sparsity"] >= 0.39
    assert by_name["model.int.h5 (int8)"]["connection_sparsity"] >= ours["connection_sparsity"]
    folder = Path("runs/latest")
    assert {path.name for path in folder.iterdir()} == {
        ".rsnnctl.json",
        "config.toml",
        "log.jsonl",
        "model.decoded.h5",
        "model.int.h5",
        "model.nir",
        "model.rsnn.h5",
        "prune.log.jsonl",
        "run.json",
        "unpruned.rsnn.h5",
    }
    assert json.loads(run("inspect", "--json").out)["digest"] == report["digest"]
    run("train", session, "--recipe", "short", "--epochs", 1)
    assert folders.latest() == Path("runs/train-2")
    first, second = (Path(f"runs/{n}/model.rsnn.h5") for n in ("train", "train-2"))
    assert second.read_bytes() == first.with_name("unpruned.rsnn.h5").read_bytes()


@pytest.mark.slow
def test_the_demo_ends_with_table_verdict_and_folder(run):
    done = run("demo")
    assert done.code == 0, done
    tail = done.out.splitlines()
    assert tail[-1] == "run folder: runs/demo"
    assert tail[-2] == "picture: runs/demo/decoded.png"
    assert tail[-3].startswith("verified: 5100 steps, ")
    assert tail[-3].endswith(" state words, 0 differences")
    for row in ("model.rsnn.h5 (float32)", "model.int.h5 (int8)", "ridge regression, 200 ms"):
        assert row in done.out
    assert Path("runs/demo/decoded.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_import_quantize_export_import_keeps_the_digest(run, model):
    assert run("quantize", model, "-o", "a.int.h5").code == 0
    assert run("export-nir", "a.int.h5").out == "a.nir\n"
    done = run("import-nir", "a.nir", "-o", "b.int.h5")
    digest = json.loads(run("inspect", "a.int.h5", "--json").out)["digest"]
    assert done.out == f"b.int.h5\ndigest {digest}\n"
    assert json.loads(run("inspect", "b.int.h5", "--json").out)["digest"] == digest


@pytest.mark.slow
def test_the_same_model_gives_the_same_bytes_wherever_they_go(run, model):
    for name in ("a", "b"):
        run("quantize", model, "-o", f"{name}.int.h5")
        run("export-nir", f"{name}.int.h5")
    for suffix in (".int.h5", ".nir"):
        assert Path(f"a{suffix}").read_bytes() == Path(f"b{suffix}").read_bytes()


def test_simulate_writes_what_was_decoded_and_every_state_if_asked(run, network):
    raster = np.zeros((50, 96), np.uint8)
    raster[3:20] = 1
    np.save("raster.npy", raster)
    done = run("simulate", network, "--input", "raster.npy", "--trace", "-o", "run.h5", "--json")
    row = json.loads(done.out)
    assert row["r2"] is None
    assert row["n_steps"] == 50
    with h5py.File("run.h5") as stored:
        assert stored["decoded"].shape == (50, 2)
        assert stored["hidden0.mem"].shape == (50, 16)
        assert stored.attrs["digest"] == row["digest"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_rasters_come_in_three_formats(run, network, suffix):
    raster = (np.random.default_rng(0).random((40, 96)) < 0.1).astype(float)
    path = Path("raster" + suffix)
    if suffix == ".npy":
        np.save(path, raster)
    elif suffix == ".npz":
        np.savez(path, raster=raster, other=np.ones(3))
    else:
        with h5py.File(path, "w") as file:
            file["raster"] = raster
    done = run("verify", network, "--input", path)
    assert done.code == 0, done
    *ran, last = [line for line in done.out.splitlines() if ": not run: " not in line]
    assert len(ran) >= 5
    assert all(line.endswith(": 7280 state words, 0 differences") for line in ran)
    assert last == f"verified: 140 steps, {7280 * len(ran)} state words, 0 differences"


@pytest.mark.slow
def test_evaluate_averages_over_sessions(run, model, session, tmp_path_factory):
    other = tmp_path_factory.mktemp("other") / "other.mat"
    synthesize(other, minutes=1.0, seed=4)
    done = run("evaluate", model, "--session", session, "--session", other, "--json")
    found = json.loads(done.out)
    one, two = found["rows"]
    (both,) = found["means"]
    assert both["session"] == "all"
    assert both["r2"] == pytest.approx((one["r2"] + two["r2"]) / 2)
    assert both["n_steps"] == one["n_steps"] + two["n_steps"]


@pytest.mark.slow
def test_inspect_and_info_show_tables_for_people(run, model, network, session):
    for arguments, words in (
        (("inspect", model), ("tau mem (ms)", "64 x 96", "float32")),
        (("inspect", network), ("fires when", "bits needed", "stored bits")),
        (("data", "info", session), ("rate mean (Hz)", "dead channels")),
    ):
        done = run(*arguments)
        assert done.code == 0, done
        for word in words:
            assert word in done.out


def test_a_broken_format_of_an_installed_package_is_named_in_one_line(tmp_path):
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rsnnctl.formats]\nodd = no_such_module:FORMAT\n")
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join([root, str(tmp_path)])
    command = [sys.executable, "-m", "rsnnctl", "--help"]
    env = os.environ | {"PYTHONPATH": path}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("Error: format `odd` of an installed package, no_such_module:")
    assert done.stderr.endswith("fix or uninstall it\n")
