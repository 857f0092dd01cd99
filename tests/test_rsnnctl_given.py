"""Options without effect are refused, and what will be refused later is refused at once."""

import sys
from pathlib import Path

import click
import numpy as np
import pytest

import cli
from export.quantization.precision import Precision
from rsnnctl import api
from rsnnctl.runs import folders, stages
from rsnnctl.runs.quantizing import check_resumable

IN_A_RUN = "runs/x"


@pytest.fixture
def in_run(run, model, network, session):
    """`rsnnctl` in a folder with one run, and with a network, a raster and a graph."""
    (folder,) = folders.start([folders.Planned("x", {"session": str(session)})])
    (folder / folders.MODEL).write_bytes(model.read_bytes())
    folders.finish(folder)
    Path("net.int.h5").write_bytes(network.read_bytes())
    np.save("raster.npy", np.zeros((300, 96), np.uint8))
    api.export_nir(api.load_network("net.int.h5"), "graph.nir")
    return run


def files() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


RESUMED = "has no effect beside --resume, which continues the run as it was started; leave it out"
KIT = "has no effect beside --export-kit, which has its own networks; leave it out"
CONTRACT = "has no effect on a graph that carries a numeric contract, which says it; leave it out"
LINES = "has no effect on lines of stdin, which end by themselves; leave it out"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("train --resume --device cpu", f"--device {RESUMED}"),
        ("train --resume raster.npy", f"SESSIONS {RESUMED}"),
        ("train --resume --name x --jobs 2", f"--name {RESUMED}"),
        ("train --resume --model tiny", f"--model {RESUMED}"),
        (
            "train --cluster dask",
            "--cluster has no effect with one job at a time; add --jobs; leave it out",
        ),
        ("verify --export-kit k --steps 5", f"--steps {KIT}"),
        ("verify net.int.h5 --export-kit k", f"NETWORK {KIT}"),
        (
            "verify net.int.h5 --layout compact",
            "--layout has no effect without --target; leave it out",
        ),
        (
            "verify net.int.h5 --target host_c --force",
            "--force has no effect with --target, where no reproducer is written; leave it out",
        ),
        ("inspect net.int.h5 --force", "--force has no effect without --witness; leave it out"),
        (
            "evaluate net.int.h5 --no-gru",
            "--gru/--no-gru has no effect without --baselines; leave it out",
        ),
        (
            "evaluate net.int.h5 --precision float32",
            "--precision has no effect on integer networks; leave it out",
        ),
        (
            "evaluate net.int.h5 --harness",
            "--harness has no effect on integer networks; leave it out",
        ),
        (
            "simulate net.int.h5 --input raster.npy --part all",
            "--part has no effect on a raster, which has no parts; leave it out",
        ),
        ("stream net.int.h5 --idle 9", f"--idle {LINES}"),
        ("stream net.int.h5 --steps 9", f"--steps {LINES}"),
        ("import-nir graph.nir -o a.int.h5 --order at-once", f"--order {CONTRACT}"),
        ("import-nir graph.nir -o a.int.h5 --reset zero", f"--reset {CONTRACT}"),
        ("import-nir graph.nir -o a.int.h5 --discretization euler", f"--discretization {CONTRACT}"),
        (
            "quantize --percentile 99",
            "--percentile has no effect without --scale percentile; leave it out",
        ),
        (
            "quantize --bits 8 --bits-in 4 --bits-rec 4 --bits-out 4",
            "--bits has no effect beside --bits-in, --bits-rec and --bits-out; leave it out",
        ),
        ("quantize --resume", "--resume has no effect without --qat-epochs; leave it out"),
    ],
)
def test_an_option_without_effect_is_a_usage_error(in_run, words, text):
    before = files()
    done = in_run(*words.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[-1] == f"Error: {text}"
    assert files() == before


NOT_USED = "has no effect here, which uses"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            "train --set pretraining.epochs=3",
            f"--set pretraining.epochs=3 {NOT_USED} model, training, retraining, pruning, qat;"
            " leave it out",
        ),
        (
            "train --set training.seed=3",
            "--set training.seed=3 has no effect: --seeds decides; leave it out",
        ),
        (
            "train --epochs 2 --set training.epochs=3",
            "--set training.epochs=3 has no effect: --epochs decides; leave it out",
        ),
        (
            "train --set training.batch=3 --set training.batch=4",
            "--set training.batch=4 sets training.batch a second time; leave one out",
        ),
        (
            "train --model big --set model.preset=tiny",
            "--model is big, but model.preset is tiny in the settings, which decide; leave one out",
        ),
        (
            "prune --set training.epochs=3",
            f"--set training.epochs=3 {NOT_USED} retraining, pruning; leave it out",
        ),
        (
            "prune --fraction 0.1 --set pruning.start=0.2",
            f"--set pruning.start=0.2 {NOT_USED} retraining; leave it out",
        ),
        (
            "prune --epochs 1 --set retraining.epochs=3",
            "--set retraining.epochs=3 has no effect: --epochs decides; leave it out",
        ),
        (
            "prune --device cpu --set retraining.device=cpu",
            "--set retraining.device=cpu has no effect: --device decides; leave it out",
        ),
        (
            "prune --resume",
            "runs/x: no pruning was interrupted, so there is none to resume; prune without"
            " --resume",
        ),
        (
            "quantize --qat-epochs 1 --resume --bits 5",
            "runs/x: no training in 5-bit integers was interrupted, so there is none to resume;"
            " quantize without --resume",
        ),
        (
            "quantize --qat-epochs 1 --set training.epochs=3",
            f"--set training.epochs=3 {NOT_USED} qat; leave it out",
        ),
        (
            "quantize --qat-epochs 1 --set qat.kernel=numba",
            "--set qat.kernel=numba has no effect: integers have a kernel of their own; leave it"
            " out",
        ),
        (
            "explore --qat-epochs 1 --set qat.epochs=3",
            "--set qat.epochs=3 has no effect: --qat-epochs decides; leave it out",
        ),
    ],
)
def test_a_setting_without_effect_is_refused(in_run, words, text):
    before = files()
    done = in_run(*words.split())
    assert (done.code, done.out, done.err) == (1, "", f"Error: {text}\n")
    assert files() == before


@pytest.mark.parametrize("command", ["quantize", "explore"])
def test_what_training_in_integers_refuses_is_refused_before_any_work(in_run, monkeypatch, command):
    def late(*words, **options):
        raise AssertionError("worked before it refused")

    monkeypatch.setattr("rsnnctl.runs.quantizing.calibrate", late)
    monkeypatch.setattr("rsnnctl.runs.exploring.calibrate", late)
    for settings, text in (
        (
            "device='cuda'",
            "qat.device is cuda, but torch finds no such device on this machine; train integers on"
            " the CPU: --set qat.device=cpu",
        ),
        ("dropout=0.1", "dropout is 0.1; integers train without: --set qat.dropout=0"),
    ):
        Path("qat.toml").write_text(f"[qat]\n{settings}")
        done = in_run(command, "--qat-epochs", 1, "--config", "qat.toml")
        assert (done.code, done.err) == (1, f"Error: {text}\n")


def test_training_in_integers_needs_a_session_before_any_work(in_run, monkeypatch, model):
    monkeypatch.setattr("rsnnctl.runs.quantizing.calibrate", None)
    done = in_run("quantize", "--qat-epochs", 1, "--calibration", "raster.npy")
    assert done.err == (
        "Error: raster.npy: is a raster, which has no velocity to train on; name a recording"
        " (.mat), or leave out --qat-epochs\n"
    )
    done = in_run("quantize", model, "--qat-epochs", 1, "-o", "a.int.h5")
    assert "belongs to no run with a recording; name one" in done.err


def test_a_device_that_is_not_here_is_refused_before_pruning(in_run, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("rsnnctl.runs.pruning.load_session", None)
    done = in_run("prune", "--device", "cuda")
    assert done.err.startswith("Error: device is cuda, but torch finds no CUDA device")


def test_a_harness_that_is_missing_is_named_before_any_work(in_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "neurobench", None)
    monkeypatch.setattr("rsnnctl.runs.evaluating.load_session", None)
    done = in_run("evaluate", "net.int.h5", f"{IN_A_RUN}/model.rsnn.h5", "--harness")
    assert (done.code, done.out) == (1, "")
    assert "rsnnctl[neurobench]" in done.err


def test_an_interrupted_pruning_or_training_in_integers_can_be_resumed(in_run):
    folder = Path(IN_A_RUN, stages.FOLDER)
    folder.mkdir()
    (folder / "prune-0.1.state.h5").write_bytes(b"")
    assert "not an HDF5 file" in in_run("prune", "--fraction", 0.1, "--resume").err
    (folder / "qat-8.state.h5").write_bytes(b"")
    check_resumable(Path(IN_A_RUN, folders.MODEL), Precision())


def test_values_that_the_demo_passes_are_not_the_users(in_run):
    with click.Context(cli.rsnnctl) as context:
        command = cli.rsnnctl.commands["simulate"]
        words = {"network": Path("net.int.h5"), "session": Path("raster.npy"), "part": "all"}
        done = context.invoke(command, **words)
    assert done.value["file"].endswith("net.decoded.h5")


def test_a_default_that_is_written_out_counts_as_given(in_run):
    done = in_run("evaluate", "net.int.h5", "--gru")
    assert "--gru/--no-gru has no effect without --baselines" in done.err
