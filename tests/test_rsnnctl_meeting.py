"""Wherever a network and a recording meet, both are what the other one takes, or are refused.

The entry points are read from the command line and from `rsnnctl.api`: a command or a function that
takes both is tested by being there.
"""

import inspect
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args, get_type_hints

import click
import h5py
import numpy as np
import pytest
from networks import random_network
from random_models import random_model
from small_recording import write_recording
from stand_in_lsl import stand_in

from base.errors import DataError, MismatchError
from base.meeting import check_step
from cli import rsnnctl
from rsnn.checkpoint import save_model
from rsnn.data.session import Session, load_session
from rsnn.data.stream import open_stream
from rsnn.model import RSNN, Architecture
from rsnnctl import api
from sim.artifact import save_network
from sim.network import IntegerNetwork

CHANNELS = 5
NETWORKS = {"model", "network", "files"}  # names of parameters that are a model or network
RECORDINGS = {"lsl", "more", "session", "sessions"}
NEITHER = {"checkpoint", "config", "description", "file", "graph", "kit", "output", "weights"}
NEITHER |= {"run", "witness", "key_file", "plot", "source", "trace"}
NEEDED = {("verify", "session"): ("--target", "host_c")}  # options without which one has no effect
SPIKES_ONLY = {"verify", "simulate", "trace"}  # in the API; of a session, the targets are left out
MISMATCHES = {
    "step": (
        {"dt": 0.001},
        "has steps of 4 ms, the network of 1 ms; bin the spikes in steps of 1 ms, or use a network"
        " of 4 ms (an import takes ",
    ),
    "channels": (
        {"n_inputs": 4},
        "has 5 channels, the network 4 inputs; use a recording with as many channels",
    ),
    "one output": (
        {"n_outputs": 1},
        "has 2 target signals, the network 1 output; use a network with as many outputs (simulate"
        " and verify also take a raster of the spikes alone)",
    ),
    "seven outputs": ({"n_outputs": 7}, "has 2 target signals, the network 7 outputs; use a"),
}


def a_network(*, dt: float = 0.004, n_inputs: int = CHANNELS, n_outputs: int = 2) -> IntegerNetwork:
    rng = np.random.default_rng(0)
    return replace(random_network(rng, n_inputs=n_inputs, n_outputs=n_outputs), dt=dt)


def a_model(*, dt: float = 0.004, n_inputs: int = CHANNELS, n_outputs: int = 2) -> RSNN:
    return random_model(Architecture(n_inputs, (6,), n_outputs=n_outputs, dt=dt))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run folder with a recording, and rasters that are wrong in one way each."""
    folder = tmp_path_factory.mktemp("run")
    t = 148.984 + np.arange(3000) * 0.004
    spikes = [np.sort(np.random.default_rng(k).choice(t, 300)) for k in range(CHANNELS)]
    write_recording(folder / "short.mat", [spikes], n_steps=3000)
    (folder / "run.json").write_text(json.dumps({"session": "short.mat"}))
    graded = np.zeros((400, CHANNELS), np.uint8)
    np.savez(folder / "fast.npz", raster=graded, dt=0.001)
    graded[7, 3] = 2
    np.save(folder / "graded.npy", graded)
    return folder


@pytest.fixture(scope="module")
def session(folder) -> Session:
    return load_session(folder / "short.mat")


def commands(group: click.Group = rsnnctl, *names: str) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, *names, name)
        else:
            yield " ".join((*names, name)), command


def entry_points() -> Iterator[tuple[str, str | None]]:
    """Every command that takes a network, with each of its parameters that name a recording.

    None stands for the recording of the network's run.
    """
    for name, command in commands():
        parameters = {parameter.name for parameter in command.params}
        recordings = sorted(parameters & RECORDINGS)
        if parameters & NETWORKS and recordings:
            yield from ((name, recording) for recording in recordings)
            if recordings != ["lsl"]:
                yield name, None


ENTRY_POINTS = sorted(entry_points(), key=str)


def call(run, entry: tuple[str, str | None], networks: Path, recording: Path):
    """Run a command on the model or network in a folder, and on a recording."""
    name, parameter = entry
    command = dict(commands())[name]
    words: list[Any] = name.split()
    (taken,) = (p for p in command.params if p.name in NETWORKS)
    files = {"model": ["m.rsnn.h5"], "network": ["n.int.h5"]}
    words += [networks / file for file in files.get(taken.name, ["m.rsnn.h5", "n.int.h5"])]
    if parameter is not None:
        (option,) = (p for p in command.params if p.name == parameter)
        words += [max(option.opts, key=len), recording, *NEEDED.get(entry, ())]
    return run(*words)


def saved(folder: Path, **sides) -> Path:
    save_model(a_model(**sides), folder / "m.rsnn.h5", {})
    save_network(a_network(**sides), folder / "n.int.h5")
    return folder


def refused(done) -> str:
    assert done.code == 1, done
    *before, error = done.err.splitlines()
    assert [line.split(" are in ")[0] for line in before] in ([], ["decoded values"])  # a stream's
    assert error.startswith("Error: ")
    return error


def test_every_parameter_that_is_a_path_is_known_as_a_network_a_recording_or_neither():
    for name, command in commands():
        paths = {p.name for p in command.params if isinstance(p.type, click.Path)}
        unknown = paths - NETWORKS - RECORDINGS - NEITHER
        assert not unknown, f"{name}: add {unknown} to NETWORKS, RECORDINGS or NEITHER above"


def test_entry_points_are_found():
    assert {name for name, _ in ENTRY_POINTS} >= {
        "evaluate", "explore", "prune", "quantize", "simulate", "stream", "verify"
    }  # fmt: skip
    assert {name for name, *_ in API} >= {
        "evaluate", "explore", "prune", "quantize", "simulate", "trace", "verify"
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("mismatch", MISMATCHES)
@pytest.mark.parametrize("entry", ENTRY_POINTS, ids=str)
def test_a_command_refuses_a_recording_that_is_not_the_networks(
    run, folder, monkeypatch, entry, mismatch
):
    sides, text = MISMATCHES[mismatch]
    network = saved(folder, **sides)
    before = sorted(path.name for path in folder.rglob("*"))
    if entry[1] == "lsl":
        stand_in(monkeypatch, CHANNELS, [[0] * CHANNELS])
    done = call(run, entry, network, folder / "short.mat")
    if "output" in mismatch and entry[0] in {"verify", "stream"}:  # which leave the targets out
        assert done.code == 0, done
        return
    assert text in refused(done)
    assert sorted(path.name for path in folder.rglob("*")) == before


FROM_FILES = [entry for entry in ENTRY_POINTS if entry[1] not in (None, "lsl")]


@pytest.mark.parametrize(
    ("raster", "text"),
    [
        ("graded.npy", "graded.npy: the raster holds 2; only 0 and 1 are spikes: bin to steps"),
        ("fast.npz", "fast.npz has steps of 1 ms, the network of 4 ms; bin the spikes in steps of"),
    ],
)
@pytest.mark.parametrize("entry", FROM_FILES, ids=str)
def test_a_command_refuses_a_raster_that_is_not_the_networks(run, folder, entry, raster, text):
    error = refused(call(run, entry, saved(folder), folder / raster))
    assert text in error or "not an HDF5 file" in error  # where only recordings are taken


def functions() -> Iterator[tuple[str, str, type, str]]:
    """Functions of the API with a network, its type, and a session: names of the parameters."""
    for name in api.__all__:
        function = getattr(api, name)
        if not inspect.isfunction(function) or name.startswith("export_"):  # of formats: no input
            continue
        hints = get_type_hints(function, {**vars(api), **function.__globals__})
        hints.pop("return", None)
        kinds = {key: (hint, *get_args(hint)) for key, hint in hints.items()}
        for network, its in kinds.items():
            for recording, theirs in kinds.items():
                for kind in (kind for kind in its if kind in (RSNN, IntegerNetwork)):
                    if Session in theirs:
                        yield name, network, kind, recording


API = list(functions())
MAKERS = {RSNN: a_model, IntegerNetwork: a_network}


@pytest.mark.parametrize("mismatch", MISMATCHES)
@pytest.mark.parametrize("entry", API, ids=str)
def test_a_function_refuses_a_session_that_is_not_the_networks(session, entry, mismatch):
    name, network, kind, recording = entry
    sides, text = MISMATCHES[mismatch]
    arguments = {network: MAKERS[kind](**sides), recording: session}
    if "output" in mismatch and name in SPIKES_ONLY:
        getattr(api, name)(**arguments | {recording: replace_steps(session, 20)})
        return
    with pytest.raises(MismatchError) as refusal:
        getattr(api, name)(**arguments)
    text = "the raster has shape (3000, 5)" if name in SPIKES_ONLY and "ch" in mismatch else text
    assert text in str(refusal.value)


def replace_steps(session: Session, n: int) -> Session:
    return replace(session, raster=session.raster[:n], velocity=session.velocity[:n])


@pytest.mark.parametrize("entry", [e for e in API if e[0] in SPIKES_ONLY], ids=str)
def test_a_function_refuses_a_raster_that_is_not_the_networks(entry):
    name, network, _, recording = entry
    graded, wide = np.zeros((9, CHANNELS), np.uint8), np.zeros((9, CHANNELS + 1), np.uint8)
    graded[3, 2] = 2
    with pytest.raises(DataError, match="the raster holds 2; only 0 and 1 are spikes"):
        getattr(api, name)(**{network: a_network(), recording: graded})
    with pytest.raises(MismatchError, match="the network has 5 inputs"):
        getattr(api, name)(**{network: a_network(), recording: wide})


@pytest.mark.parametrize(("factor", "same"), [(1 + 0.9e-6, True), (1 + 1.1e-6, False)])
def test_steps_are_the_same_within_a_millionth(factor, same):
    network = SimpleNamespace(n_inputs=1, n_outputs=1, dt=0.004, input_values=(0, 1))
    check_step(network, None, "a.npy")
    if same:
        check_step(network, 0.004 * factor, "a.npy")
        return
    for dt in (0.004 * factor, 0.004 / factor):
        with pytest.raises(MismatchError, match="has steps of"):
            check_step(network, dt, "a.npy")


def test_a_step_of_a_raster_is_read_from_every_kind_of_file(tmp_path):
    raster = np.zeros((8, CHANNELS), np.uint8)
    network = a_network(dt=0.001)
    np.savez(tmp_path / "a.npz", spikes=raster, dt=0.001)
    for place in ("file", "dataset"):
        with h5py.File(tmp_path / f"{place}.h5", "w") as file:
            file["raster"] = raster
            (file if place == "file" else file["raster"]).attrs["dt"] = 0.001
    for name in ("a.npz", "file.h5", "dataset.h5"):
        with open_stream(tmp_path / name, network) as stream:
            assert stream.dt == 0.001
        with pytest.raises(MismatchError), open_stream(tmp_path / name, a_network()):
            pass


@pytest.mark.parametrize("dt", [0.0, -0.004, np.inf, np.nan, [0.004, 0.004]])
def test_a_step_that_is_no_number_of_seconds_is_refused(tmp_path, dt):
    np.savez(tmp_path / "a.npz", raster=np.zeros((8, CHANNELS), np.uint8), dt=dt)
    with (
        pytest.raises(DataError, match="one number of seconds per step above 0 is needed"),
        open_stream(tmp_path / "a.npz", a_network()),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize("command", ["simulate", "verify", "quantize"])
def test_a_raster_without_a_step_is_taken_at_the_networks_and_the_output_says_so(
    run, folder, tmp_path, command
):
    saved(folder, dt=0.002)
    np.save(tmp_path / "plain.npy", np.zeros((500, CHANNELS), np.uint8))
    file = folder / ("m.rsnn.h5" if command == "quantize" else "n.int.h5")
    option = "--calibration" if command == "quantize" else "--input"
    done = run(command, file, option, "plain.npy")
    assert done.code == 0, done.err
    text = "plain.npy does not say how long its steps are; taken at the network's 2 ms"
    assert text in [line.removeprefix("Warning: ") for line in done.err.splitlines()]


def test_a_network_of_graded_inputs_takes_a_raster_of_its_values(tmp_path):
    network = SimpleNamespace(n_inputs=2, n_outputs=1, dt=0.004, input_values=(0, 3))
    np.save(tmp_path / "a.npy", np.array([[0, 3], [2, 1]]))
    with open_stream(tmp_path / "a.npy", network) as stream:
        assert next(stream.blocks(2)).raster.tolist() == [[0, 3], [2, 1]]
    np.save(tmp_path / "a.npy", np.array([[0, 4]]))
    text = r"holds 4; the network takes whole numbers 0\.\.3"
    with open_stream(tmp_path / "a.npy", network) as stream, pytest.raises(DataError, match=text):
        next(stream.blocks(1))
