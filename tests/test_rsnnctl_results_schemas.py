"""Every command's JSON is valid under the schema that it names, and so is every error."""

import json
import os
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest
from command_line import leaves
from first_spike import random_samples
from jsonschema import Draft202012Validator
from rate_networks import random_rate_network
from snntorch_networks import COMMAND, saved

import cli
from export.format import write_network
from export.formats import formats
from rsnn.first_spike.data.file import save_samples
from rsnn.rate.file import save
from rsnnctl import api
from rsnnctl.runs import folders
from sim.artifact import save_network

SCHEMAS = Path(__file__).resolve().parents[1] / "docs" / "schemas"
FIRST_SPIKE = (
    *("few.h5", "--preset", "digits-s2stdp"),
    *("--set", "network.n_neurons=6", "--set", "trainer.epochs=1"),
)
ARGUMENTS = {
    "data fetch": ("indy_20160622_01",),
    "data info": ("runs/x/session.mat",),
    "data synth": ("--minutes", 0.5),
    "build": ("--target", "host_c"),
    "explore": ("--bits", 4),
    "export-mat": ("rate.rsnn.h5",),
    **{f"first-spike {name}": FIRST_SPIKE for name in ("grid", "kfold", "train")},
    "import-nir": ("net.nir",),
    "import-snntorch": COMMAND[1:],
    "import-weights": ("published.pth",),
    "map-rate": ("rate.rsnn.h5", "--factors", 2, "--trials", 2, "--fresh-trials", 2),
    "prune": ("--fraction", 0.4, "--epochs", 1),
    "quantize": ("--force",),
    "train": ("runs/x/session.mat", "--epochs", 1, "--recipe", "short", "--seeds", "1,2"),
    "verify": ("--steps", 20),
}
"""Of commands that need some; all others run without any, and so does a new one."""
SLOW = ("check", "demo", "evaluate", "explore", "map-rate", "prune", "quantize", "train", "verify")


COMMANDS = leaves(cli.rsnnctl)


def document(text: str) -> dict:
    """One JSON document that its schema allows."""
    found = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    name = found["schema"].replace("/", "-")
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(found)
    return found


@pytest.fixture(scope="module")
def network_bytes(model, tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("quantized") / "net.int.h5"
    save_network(api.quantize(api.load_model(model)), path)
    return path.read_bytes()


@pytest.fixture
def in_run(run, model, session, network_bytes):
    """A run with a recording, a model and a network, and files of other tools beside it."""
    (folder,) = folders.start([folders.Planned("x", {"session": "session.mat"})])
    (folder / folders.MODEL).write_bytes(model.read_bytes())
    (folder / "session.mat").write_bytes(session.read_bytes())
    (folder / folders.NETWORK).write_bytes(network_bytes)
    folders.finish(folder)
    return run


def prepare(name, request, monkeypatch) -> None:
    """Files and services that a command needs beside a run."""
    if name == "import-nir":
        write_network(
            formats()["nir"], api.load_network(folders.latest() / folders.NETWORK), "net.nir", {}
        )
    elif name == "import-snntorch":
        saved(Path())
    elif name in ("export-mat", "map-rate"):
        save(random_rate_network(), Path("rate.rsnn.h5"), {})
    elif name.startswith("first-spike"):
        parts = {"train": np.arange(30), "test": np.arange(30, 60)}
        save_samples(random_samples(60), Path("few.h5"), parts)
    elif name == "import-weights":
        source = request.getfixturevalue("published")[0]
        Path("published.pth").write_bytes(source.read_bytes())
    elif name == "data fetch":
        monkeypatch.setattr("rsnn.data.fetch.fetch", lambda name, folder, **_: folder / name)
    elif name == "demo":
        monkeypatch.setattr("rsnnctl.runs.training.SYNTHETIC_MINUTES", 1.0)
        monkeypatch.setattr("rsnnctl.verifying.STEPS", 50)
    elif name == "stream":
        nothing = Path(os.devnull).open()  # noqa: SIM115  # closed after the test
        request.addfinalizer(nothing.close)
        monkeypatch.setattr("sys.stdin", nothing)


def test_the_schemas_are_those_of_the_declared_kinds():
    script = spec_from_file_location("write_schemas", SCHEMAS.parent / "write_schemas.py")
    module = module_from_spec(script)
    script.loader.exec_module(module)
    written = {path.name: path.read_text(encoding="utf-8") for path in SCHEMAS.glob("*.json")}
    assert written == module.schemas(), "run python docs/write_schemas.py"
    for text in written.values():
        Draft202012Validator.check_schema(json.loads(text))


def marked(names):
    return [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in sorted(names)]


@pytest.mark.parametrize("name", marked(COMMANDS))
def test_the_json_of_every_command_is_valid(in_run, request, monkeypatch, name):
    prepare(name, request, monkeypatch)
    done = in_run(*name.split(), *ARGUMENTS.get(name, ()), "--json")
    assert done.code == 0, done
    found = document(done.err if name == "stream" else done.out)
    assert found["schema"] != "error/1"
    for key in ("evaluated", "verified") if name == "demo" else ():
        document(json.dumps(found[key]))


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_tells_errors_as_json(run, name):
    """Without a run and without files, or with an option that none has."""
    words = (*name.split(), *ARGUMENTS.get(name, ()))
    done = run(*words, "--no-such-option", "--json")
    found = document(done.out)
    assert (done.code, found["exit_code"], found["error"]) == (2, 2, "NoSuchOption")
    assert found["message"] in done.err
    if name in ("data synth", "data fetch", "demo", "targets"):  # which need no file
        return
    done = run(*words, "--format", "json")
    found = document(done.out)
    assert (done.code, found["exit_code"], found["error"]) == (1, 1, "FileError")
    assert done.err == f"Error: {found['message']}\n"
