"""Formats and what they declare: one file each, listed without loading what they need."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from networks import random_network

from base.errors import RangeError
from export.format import Format, inside, place, remarks, write_network
from export.formats import formats

FORMATS = formats()
NETWORK = random_network(np.random.default_rng(1), hidden=(5,))


def test_listing_formats_loads_nothing_heavy():
    heavy = {"numpy", "onnx", "onnxruntime", "nir", "torch", "numba", "h5py"}
    code = (
        "import sys\nfrom export.formats import formats\n"
        "assert all(found.backends and found.description for found in formats().values())\n"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "[]\n", done.stdout + done.stderr


def test_formats_are_called_like_their_files():
    folder = Path(sys.modules[formats.__module__].__file__).parent
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert set(FORMATS) == files
    assert all(name == found.name for name, found in FORMATS.items())


@pytest.mark.parametrize("name", FORMATS)
def test_a_writer_takes_just_the_options_that_it_declares(name):
    """Without defaults of its own, which are said once, in the option."""
    declared = FORMATS[name]
    for function in (declared.write, declared.remarks):
        if function is not None:
            found = list(inspect.signature(function).parameters.values())
            given = found[1 if function is declared.remarks else 2 :]
            assert [each.name for each in given] == [each.name for each in declared.options]
            assert all(each.default is inspect.Parameter.empty for each in given)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_written_is_returned_and_ends_as_declared(name, tmp_path):
    declared = FORMATS[name]
    path = place(declared, tmp_path / "model.int.h5", None)
    written = write_network(declared, NETWORK, path, {})
    assert sorted(written) == sorted(each for each in tmp_path.rglob("*") if each.is_file())
    assert [each.name for each in written if each.name.startswith("model.")] == [
        f"model{suffix}" for suffix in declared.suffixes
    ]
    again = place(declared, tmp_path / "model.int.h5", tmp_path / "elsewhere")
    for one, other in zip(written, write_network(declared, NETWORK, again, {}), strict=True):
        assert one.read_bytes() == other.read_bytes()
        assert other.is_relative_to(tmp_path / "elsewhere")


def test_a_format_says_where_a_network_goes():
    source, other = Path("runs/a/model.int.h5"), Path("x")
    nir, onnx, c = (FORMATS[name] for name in ("nir", "onnx", "c"))
    assert (nir.writes_one_file, onnx.writes_one_file, c.writes_one_file) == (True, False, False)
    assert place(nir, source, None) == Path("runs/a/model.nir")
    assert place(onnx, source, None) == Path("runs/a/model")
    assert place(c, source, None) == Path("runs/a/c")
    assert place(nir, source, other) == place(c, source, other) == other
    assert place(onnx, source, other) == Path("x/model")
    found = [str(inside(each, other, "net")) for each in (nir, onnx, c)]
    assert found == ["x/net.nir", "x/net", "x"]


def test_options_are_checked_and_reach_the_writer(tmp_path):
    written = write_network(FORMATS["c"], NETWORK, tmp_path, {"name": "one", "layout": "compact"})
    assert [each.name for each in written] == ["one.h", "one.c"]
    assert "APART static" in written[1].read_text()
    for options, text in (
        ({"layout": "tiny"}, "`layout` is tiny; known: fast, compact, constant"),
        ({"name": 3}, "`name` is 3; str is needed"),
        ({"speed": 3}, "there is no option `speed`; known: name, layout, package, language"),
    ):
        with pytest.raises(RangeError) as error:
            write_network(FORMATS["c"], NETWORK, tmp_path / "none", options)
        assert str(error.value) == text
    with pytest.raises(RangeError, match="there is no option `speed`; known: none"):
        write_network(FORMATS["onnx"], NETWORK, tmp_path / "none", {"speed": 3})
    assert not (tmp_path / "none").exists()


def test_remarks_say_how_a_graph_is_read():
    assert remarks(FORMATS["c"], NETWORK, {}) == []
    assert remarks(FORMATS["nir"], NETWORK, {}) == []
    first, *others = remarks(FORMATS["nir"], NETWORK, {"reader": "norse"})
    assert first == "read it with norse.torch.utils.import_nir.from_nir(graph, dt=0.004)"
    assert "norse computes with `delay_steps` 0, so its spikes will differ (docs/nir.md)" in others


def test_two_formats_cannot_share_a_backend(monkeypatch):
    from base.errors import ToolError
    from export import formats as package

    both = {
        name: Format("x", "y", write=print, backends={"same": print}, name=name) for name in "ab"
    }
    monkeypatch.setattr(package, "formats", lambda: both)
    with pytest.raises(ToolError, match="format `b` has a backend `same`, and so has another"):
        package.backends()
