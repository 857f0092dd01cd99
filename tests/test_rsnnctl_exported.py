"""`rsnnctl verify` of exported files: they are read, compared with a fresh export, and run."""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner
from networks import random_network
from onnx import numpy_helper

from cli import rsnnctl
from export.format import write_network
from export.formats import formats
from rsnnctl import exported
from sim.artifact import load_network, save_network
from sim.network import IntegerNetwork

FILES = ["net.step.onnx", "net.scan.onnx", "net.nir", "c", "c/rsnn.c", "c/rsnn.h", "compact"]
BACKENDS = {".onnx": {"onnxruntime", "onnx-reference"}, ".nir": {"nir"}}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder with a network and everything that is exported of it."""
    folder = tmp_path_factory.mktemp("exported")
    drawn = random_network(np.random.default_rng(5), n_inputs=10, hidden=(6,), n_heads=2)
    network = IntegerNetwork(drawn.layers, drawn.contract, drawn.dt, {"command": "test"})
    save_network(network, folder / "net.int.h5")
    save_network(drawn, folder / "another.int.h5")
    every = formats()
    every["onnx"].write(network, folder / "net")
    every["nir"].write(network, folder / "net.nir", reader="exact")
    for name, layout in (("c", "fast"), ("compact", "compact")):
        write_network(every["c"], network, folder / name, {"layout": layout})
    (folder / "another.int.h5").unlink()
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def verify(*words):
    return CliRunner().invoke(rsnnctl, ["verify", *map(str, words)])


def refused(*words):
    done = verify(*words)
    assert done.exit_code == 1, done.output
    return str(done.exception)


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_an_exported_file_is_run_as_it_is(here, file):
    done = verify(file, "--steps", 60, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout)
    assert set(found["backends"]) == BACKENDS.get(Path(file).suffix, {"c"})
    assert found["steps"] == 160
    assert found["digest"] == load_network(Path("net.int.h5")).digest()
    for row in found["backends"].values():
        assert row["words"] > 0
        assert row["differences"] == 0


@pytest.mark.parametrize("file", FILES)
def test_what_runs_is_the_file_and_not_a_fresh_export(here, file, monkeypatch):
    """The engines get the bytes, and the compiler the path, of the file."""
    seen = []
    if file.endswith(".onnx"):
        monkeypatch.setattr("export.onnx.engines.by_onnxruntime", lambda model: seen.append(model))
        monkeypatch.setattr("export.onnx.engines.by_reference", lambda model: seen.append(model))
        right = [Path(file).read_bytes()]
    elif file.endswith(".nir"):
        monkeypatch.setattr(
            "export.nir.files.runs.run_backend", lambda n, _: seen.append(n.digest())
        )
        right = [load_network(Path("net.int.h5")).digest()]
    else:
        name = "export.firmware.written.compile_with_replay"
        monkeypatch.setattr(name, lambda network, source, folder: seen.append(source))
        folder = Path(file) if Path(file).is_dir() else Path(file).parent
        right = [folder / "rsnn.c"]
    verify(file, "--steps", 60)
    assert seen[:1] == right


def with_weight(path, change):
    model = onnx.load(path)
    graph = model.graph
    if path.name.endswith(".scan.onnx"):
        graph = next(a.g for a in graph.node[0].attribute if a.name == "body")
    tensor = next(t for t in graph.initializer if t.name == "hidden0.w_in")
    values = numpy_helper.to_array(tensor).copy()
    values[3, 2] += change
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(model, path)
    return values[3, 2]


@pytest.mark.parametrize("file", ["net.step.onnx", "net.scan.onnx"])
def test_one_weight_of_onnx_is_named(here, file):
    value = with_weight(here / file, 1)
    assert refused(file) == (
        f"{file}: array `hidden0.w_in` at [3, 2] is {value}, not {value - 1}, as exporting the"
        " network gives it; export it again"
    )


def edited(model, what):
    if what == "nodes":
        model.graph.node.add().CopyFrom(model.graph.node[-1])
    elif what == "operator":
        model.graph.node[3].op_type = "Mul"
    elif what == "renamed":
        model.graph.initializer[0].name = "x"
    elif what == "shape":
        model.graph.initializer[0].dims.append(1)
    elif what == "metadata":
        model.metadata_props[0].value = model.metadata_props[0].value.replace("test", "tesu")
    elif what == "operands":
        model.graph.node[3].input[0] = "other"
    elif what == "unknown":
        return model.SerializeToString() + b"\xfa\x7f\x00"
    elif what == "torn":
        return model.SerializeToString()[:-5]
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ("nodes", r"`node` of `graph` of the model: \d+ in place of \d+"),
        ("operator", r"`op_type` of node `.*` is another"),
        ("renamed", "another array stands in place of array `.*`"),
        ("shape", "array `.*` is of another type or shape"),
        ("metadata", "`value` of metadata_props `rsnnctl` is another"),
        ("operands", r"`input` of node `.*`: number 0 is another"),
        ("unknown", "the model has fields that ONNX does not know"),
        ("torn", "names no network; export it again"),
    ],
)
def test_anything_else_in_onnx_is_named(here, what, text):
    path = here / "net.step.onnx"
    path.write_bytes(edited(onnx.load(path), what))
    with pytest.raises(AssertionError, match=text):
        raise AssertionError(refused(path))


@pytest.mark.slow
def test_a_line_of_c_is_named(here):
    for file in ("rsnn.c", "rsnn.h"):
        for folder in ("c", "compact"):
            path = here / folder / file
            text = path.read_text()
            lines = text.split("\n")
            lines[-5] += " "
            path.write_text("\n".join(lines))
            told = f"{Path(folder) / file}: line {len(lines) - 4} is not what exporting the network"
            assert refused(folder).startswith(told)
            assert refused(f"{folder}/rsnn.c").startswith(told)
            path.write_text(text + "\n")
            assert f"line {len(lines) + 1} is not" in refused(folder)
            path.write_text(text)


def test_c_that_differs_is_not_compiled(here, monkeypatch):
    monkeypatch.setattr("export.firmware.written.compile_with_replay", lambda *_: 1 / 0)
    path = here / "c/rsnn.c"
    path.write_text(path.read_text() + "\n")
    assert "export it again" in refused("c")


def test_a_folder_of_c_has_one_network_and_one_file(here):
    shutil.copy("c/rsnn.c", "c/other.c")
    assert refused("c") == "one C file of a network is needed; found: other.c, rsnn.c"
    Path("c/other.c").unlink()
    Path("c/rsnn.c").rename("c/my net.c")
    assert "a C identifier is needed" in refused("c/my net.c")
    Path("c/my net.c").unlink()
    assert refused("c") == "one C file of a network is needed; found: none"
    shutil.copy("c/rsnn.h", "c/other.h")
    digest = load_network(Path("net.int.h5")).digest()
    text = Path("c/other.h").read_text()
    Path("c/other.h").write_text(text.replace(digest, "0" * 64))
    assert refused("c").startswith("c: names several networks, 000000000000.., ")
    shutil.rmtree("c")
    Path("c").mkdir()
    assert refused("c") == "c: is a folder, not a file, and holds no exported network"


def test_the_metadata_of_nir_are_compared_too(here):
    other = random_network(np.random.default_rng(5), n_inputs=10, hidden=(6,), n_heads=2)
    formats()["nir"].write(other, Path("net.nir"), reader="norse")
    assert refused("net.nir") == (
        "net.nir: 'provenance' of its metadata is not what exporting the network gives; export it"
        " again"
    )
    network = load_network(Path("net.int.h5"))
    formats()["nir"].write(network, Path("net.nir"), reader="norse")
    assert verify("net.nir", "--steps", 20).exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_the_network_is_found_by_the_digest_that_the_file_names(here, file):
    Path("net.int.h5").rename("elsewhere.h5")
    digest = load_network(Path("elsewhere.h5")).digest()
    assert refused(file) == (
        f"{file}: names network {digest[:12]}.., which no file beside it is; name that file with"
        " --network, or export it again"
    )
    assert verify(file, "--steps", 20, "--network", "elsewhere.h5").exit_code == 0
    Path("damaged.int.h5").write_text("")
    Path("elsewhere.h5").rename("found.int.h5")
    assert verify(file, "--steps", 20).exit_code == 0
    other = random_network(np.random.default_rng(6), n_inputs=10, hidden=(6,), n_heads=2)
    save_network(other, Path("other.int.h5"))
    assert refused(file, "--network", "other.int.h5") == (
        f"{file}: names network {digest[:12]}.., but other.int.h5 is {other.digest()[:12]}..;"
        " export it again, or name the network that it was made of"
    )


def test_options_without_effect_are_refused(here):
    for words in (["--target", "host_c"], ["--stale"], ["--force"], ["-o", "x"]):
        done = verify("c", *words)
        assert done.exit_code == 2
        assert "has no effect for an exported file" in done.output
    done = verify("net.int.h5", "--network", "net.int.h5")
    assert done.exit_code == 2
    assert "--network has no effect for a network, which is compared itself" in done.output
    assert "`steps` is 0; at least 1 is needed" in refused("c", "--steps", 0)


def test_every_format_is_read_back_or_says_that_it_is_not():
    read = {name for name, each in formats().items() if each.open_written}
    assert read == {"c", "nir", "onnx", "verilog"}
    assert exported.format_of(Path("x.rsnn.h5")) is None
