"""A run as a chain: what each file was made from, and what happens when that has changed."""

import json
import os
from pathlib import Path

import click
import numpy as np
import pytest
import torch

import cli
from export.formats import formats
from rsnn.checkpoint import load_model, save_model
from rsnn.data.session import load_session
from rsnn.data.synthetic import synthesize
from rsnnctl import api
from rsnnctl.provenance import provenance
from rsnnctl.runs import folders, lineage
from sim.artifact import load_network, save_network
from sim.network import IntegerNetwork

NETWORK = "runs/x/model.int.h5"
MODEL = "runs/x/model.rsnn.h5"


def states(folder: str = "runs/x") -> dict[str, str]:
    return {f"{each.step} {each.file.name}": each.state for each in lineage.chain(Path(folder))}


def other_model(path: str = MODEL) -> None:
    """Put another model in the place of the run's, made of the same session."""
    model, made = load_model(path)
    with torch.no_grad():
        next(iter(model.connections().values())).mul_(0.5)
    save_model(model, path, made)


def quantized(words: dict, path: str = NETWORK, network: Path | None = None) -> None:
    """A network of the run's model, without the time that `quantize` takes."""
    small = load_network(network)
    save_network(IntegerNetwork(small.layers, small.contract, small.dt, words), Path(path))


@pytest.fixture
def in_run(run, model, network, session):
    """`rsnnctl` in a folder with one run: a session, a model of it, a network of that."""
    (folder,) = folders.start([folders.Planned("x", {"session": str(session)})])
    loaded, _ = load_model(model)
    facts = provenance("train", session=load_session(session).digest)
    digest = save_model(loaded, folder / folders.MODEL, facts)
    folders.finish(folder)
    quantized(provenance("quantize", model=digest), network=network)
    return run


@pytest.mark.slow
def test_a_run_is_fresh_as_it_is_made_and_names_what_is_missing(in_run):
    found = {
        "session short.mat": "fresh",
        "model model.rsnn.h5": "fresh",
        "network model.int.h5": "fresh",
        "export-nir model.nir": "missing",
        "export-onnx model.step.onnx": "missing",
        "simulate model.decoded.h5": "missing",
        "export-c c": "missing",
        "export-verilog verilog": "missing",
        "build firmware": "missing",
    }
    assert states() == found
    np.save("raster.npy", np.zeros((9, 96), np.uint8))
    for words in (
        ("export-nir",),
        ("export-onnx",),
        ("export-c",),
        ("export-verilog",),
        ("simulate", "--input", "raster.npy"),
        ("build", "--target", "host_c"),
    ):
        done = in_run(*words)
        assert done.code == 0, done
        assert "stale" not in done.err
    assert states() == dict.fromkeys(found, "fresh")
    for path in Path("runs/x").rglob("*"):  # by digest, never by time
        os.utime(path, (1e9, 1e9))
    os.utime(MODEL)
    assert states() == dict.fromkeys(found, "fresh")
    other_model()
    stale = {name: "stale" for name in found if name[:5] not in ("sessi", "model")}
    assert states() == found | {"model model.rsnn.h5": "fresh"} | stale


STALE = [
    name
    for name, command in cli.rsnnctl.commands.items()
    if any("--stale" in parameter.opts for parameter in command.params)
]


def test_every_command_that_reads_a_network_or_model_of_a_run_judges_it():
    reading = {
        name
        for name, command in cli.rsnnctl.commands.items()
        for parameter in command.params
        if isinstance(parameter, click.Argument)
        and parameter.name in ("network", "model", "files", "graph")
    }
    of_rates = {"export-mat", "map-rate"}  # a rate network is made of no recording
    assert reading == set(STALE) | of_rates


ON_A_NETWORK = sorted(set(STALE) - {"quantize", "prune", "explore", "import-nir"})


@pytest.mark.parametrize("command", ON_A_NETWORK)
def test_a_network_of_another_model_is_refused_with_what_renews_it(in_run, command):
    other_model()
    words = ("--target", "host_c") if command == "build" else ()
    before = set(Path().rglob("*"))
    done = in_run(command, *words)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"Error: {NETWORK}: is stale: it was made of another model than {MODEL} is now; renew it"
        f" with `rsnnctl quantize {MODEL}`, or insist with --stale\n"
    )
    assert set(Path().rglob("*")) == before


@pytest.mark.slow
def test_who_insists_can_use_a_stale_network(in_run):
    other_model()
    for words in (("export-c",), ("verify", "--steps", 9)):
        done = in_run(*words, "--stale")
        assert (done.code, done.err) == (0, "")


@pytest.mark.slow
def test_after_training_quantizing_and_pruning_the_old_network_is_refused(run, session):
    small = "window_steps=100"
    for words in (
        ("train", session, "--recipe", "short", "--epochs", 1, "--set", f"training.{small}"),
        ("quantize", "--bits", 4, "--per-layer"),
        ("export-nir",),
        ("prune", "--fraction", 0.4, "--epochs", 1, "--set", f"retraining.{small}"),
    ):
        assert run(*words).code == 0
    for words in (("export-c",), ("export-nir",), ("evaluate",)):
        assert "`rsnnctl quantize runs/train/model.rsnn.h5 --bits 4 --per-layer`" in run(*words).err
    assert "--stale" in run("import-nir", "runs/train/model.nir").err
    assert states("runs/train")["model unpruned.rsnn.h5"] == "fresh"
    assert run("quantize").code == 0
    found = states("runs/train")
    assert found["network model.int.h5"] == "fresh"
    assert found["export-nir model.nir"] == "stale"
    assert run("export-nir").code == 0
    assert states("runs/train")["export-nir model.nir"] == "fresh"


@pytest.mark.slow
def test_a_network_outside_a_run_is_unknown_in_one_line_and_used(run, network):
    done = run("export-c", network)
    assert done.code == 0
    assert done.err == f"{network}: lies in no run, so whether it is stale is unknown\n"
    done = run("verify", network, "--steps", 9, "--json")
    assert done.err.count("\n") == 1
    json.loads(done.out)


@pytest.mark.slow
def test_a_network_that_names_no_model_or_one_that_is_gone_is_unknown_and_used(in_run, network):
    quantized({"command": "quantize"}, network=network)
    done = in_run("export-c")
    assert done.code == 0
    assert done.err == f"{NETWORK}: names no model, so whether it is stale is unknown\n"
    quantized(provenance("quantize", model="0" * 64), "runs/x/far.int.h5", network)
    done = in_run("export-nir", "runs/x/far.int.h5")
    assert done.code == 0
    assert done.err == (
        "runs/x/far.int.h5: its model is not in the run, so whether it is stale is unknown\n"
    )
    assert states()["network far.int.h5"] == states()["network model.int.h5"] == "unknown"
    assert states()["export-nir far.nir"] == "fresh"


@pytest.mark.slow
def test_a_network_of_another_name_is_judged_by_the_model_it_names(in_run, network):
    digest = api.save_model(api.load_model(MODEL), "runs/x/other.rsnn.h5")
    for name in ("small", "other"):
        quantized(provenance("quantize", model=digest), f"runs/x/{name}.int.h5", network)
    assert states()["network small.int.h5"] == "fresh"
    os.rename(MODEL, "runs/x/unpruned.rsnn.h5")  # as pruning does
    os.rename("runs/x/other.rsnn.h5", MODEL)
    os.rename("runs/x/unpruned.rsnn.h5", "runs/x/other.rsnn.h5")
    other_model()
    assert states()["network other.int.h5"] == states()["network small.int.h5"] == "fresh"
    os.rename("runs/x/other.rsnn.h5", "runs/x/unpruned.rsnn.h5")
    found = {each.file.name: each for each in lineage.chain(Path("runs/x"))}
    assert found["small.int.h5"].state == found["other.int.h5"].state == "stale"
    assert found["small.int.h5"].renew == f"rsnnctl quantize {MODEL} -o runs/x/small.int.h5"


@pytest.mark.slow
def test_the_command_that_renews_a_network_makes_one_as_wide(in_run, network):
    facts = provenance("quantize", model="0" * 64, bits=8, bits_in=10, per_layer=True, scale="max")
    quantized(facts | {"qat": {"epochs": 3}}, network=network)
    (link,) = [each for each in lineage.chain(Path("runs/x")) if each.step == "network"]
    assert link.renew == (
        f"rsnnctl quantize {MODEL} --bits-in 10 --scale max --per-layer --qat-epochs 3"
    )


@pytest.mark.slow
@pytest.mark.parametrize("command", ["quantize", "prune", "explore", "evaluate"])
def test_a_model_of_another_session_is_refused_with_what_renews_it(in_run, tmp_path, command):
    other = tmp_path / "other.mat"
    synthesize(other, minutes=0.5, seed=9)
    folders.note(Path("runs/x"), {"session": str(other)})
    done = in_run(command)
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"Error: {MODEL}: is stale: it was made of another session than {other} is now; renew it"
        f" with `rsnnctl train {other}`, or insist with --stale\n"
    )
    assert states()["model model.rsnn.h5"] == "stale"
    other.unlink()
    assert states()["session other.mat"] == "missing"
    assert states()["model model.rsnn.h5"] == "unknown"


@pytest.mark.slow
def test_a_pruned_model_of_another_unpruned_one_is_refused(in_run):
    loaded, made = load_model(MODEL)
    save_model(loaded, "runs/x/unpruned.rsnn.h5", made)
    pruned = provenance("prune", model=lineage.read_label(Path(MODEL)).digest)
    save_model(loaded, MODEL, pruned)
    assert states()["model model.rsnn.h5"] == "unknown"
    other_model("runs/x/unpruned.rsnn.h5")
    done = in_run("quantize")
    assert f"renew it with `rsnnctl prune runs/x/unpruned.rsnn.h5 -o {MODEL}`" in done.err


@pytest.mark.slow
def test_a_graph_of_another_network_is_refused_with_what_renews_it(in_run, network):
    assert in_run("export-nir").code == 0
    assert in_run("import-nir", "runs/x/model.nir", "-o", "a.int.h5").code == 0
    small = load_network(Path(NETWORK))
    save_network(IntegerNetwork(small.layers, small.contract, 0.005, small.metadata), Path(NETWORK))
    done = in_run("import-nir", "runs/x/model.nir", "-o", "b.int.h5")
    assert (done.code, done.out) == (1, "")
    assert done.err == (
        f"Error: runs/x/model.nir: is stale: it was made of another network than {NETWORK} is now;"
        f" renew it with `rsnnctl export-nir {NETWORK}`, or insist with --stale\n"
    )
    assert in_run("import-nir", "runs/x/model.nir", "-o", "b.int.h5", "--stale").code == 0


@pytest.mark.slow
def test_a_folder_is_of_the_network_that_all_its_files_name(in_run, network):
    digest = lineage.read_label(Path(MODEL)).digest
    small = load_network(network)
    made = provenance("quantize", model=digest)
    slow = IntegerNetwork(small.layers, small.contract, 0.005, made)
    save_network(slow, Path("runs/x/slow.int.h5"))
    assert in_run("export-c", "runs/x/slow.int.h5").code == 0
    assert states()["export-c c"] == "fresh"
    assert in_run("export-c", NETWORK, "--name", "mine").code == 0  # two networks in a folder
    assert states()["export-c c"] == "stale"


@pytest.mark.slow
def test_status_shows_the_newest_run_or_the_one_named(in_run):
    done = in_run("status")
    assert done.code == 0
    assert "rsnnctl export-nir runs/x/model.int.h5" in done.out
    assert "rsnnctl build runs/x/model.int.h5 --target NAME" in done.out
    rows = json.loads(in_run("status", "runs/x", "--json").out)["links"]
    assert [row["step"] for row in rows][:3] == ["session", "model", "network"]
    assert rows[2] == {
        "step": "network",
        "file": NETWORK,
        "state": "fresh",
        "digest": load_network(Path(NETWORK)).digest(),
        "source": MODEL,
        "renew": None,
    }
    assert in_run("status", "elsewhere").err == (
        "Error: elsewhere: is no run; name a folder in `runs`\n"
    )
    os.remove(MODEL)
    assert states()["model model.rsnn.h5"] == "missing"


@pytest.mark.slow
def test_a_damaged_export_is_unknown(in_run):
    for name in ("model.nir", "model.step.onnx", "model.decoded.h5"):
        Path("runs/x", name).write_text("damaged")
    found = states()
    assert found["export-nir model.nir"] == found["export-onnx model.step.onnx"] == "unknown"
    assert found["simulate model.decoded.h5"] == "unknown"


@pytest.mark.parametrize("name", formats())
def test_every_format_names_the_digest_of_its_network(name, network, tmp_path):
    loaded, format = load_network(network), formats()[name]
    path = lineage.place(format, tmp_path / "net.int.h5", None)
    assert format.digests(path) == set()
    format.write(loaded, path, **{option.name: option.default for option in format.options})
    if not format.suffixes:
        (path / "notes.txt").write_text("of the user")
    assert format.digests(path) == {loaded.digest()}
