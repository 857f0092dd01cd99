"""The Python page runs as it stands, and names every function of the module."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import nir
import numpy as np
import pytest
from foreign_graphs import DT, graph
from networks import random_network
from tools import need

from base.errors import RangeError
from rsnnctl import api

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "python.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_the_example_in_the_docs_runs_as_it_stands(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 4
    names = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert names["decoded"].shape == (500, 2)
    assert names["words"].shape == (500, 16)
    assert capsys.readouterr().out.splitlines()[-1] == (
        "`reader` is brian; known: exact, norse, snntorch"
    )


def test_the_page_names_every_function_with_its_options_and_every_type():
    rows = "\n".join(re.findall(r"^\| (`.+`) \| ", PAGE, re.MULTILINE))
    documented = dict(re.findall(r"`(\w+)\((.*?)\)`", rows))
    types = re.findall(r"^`(\w+)`$", rows, re.MULTILINE)
    assert sorted([*documented, *types]) == sorted(api.__all__)
    for name, arguments in documented.items():
        function = getattr(api, name)
        assert function.__doc__
        options = set(re.findall(r"(\w+)=", arguments))
        parameters = inspect.signature(function).parameters.values()
        assert options == {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}
        assert not any(p.kind is p.VAR_KEYWORD for p in parameters)
    for name in types:
        assert isinstance(getattr(api, name), type)


def test_every_type_that_a_function_takes_or_returns_is_exported():
    named = {
        word
        for name in api.__all__
        if inspect.isfunction(function := getattr(api, name))
        for hint in inspect.get_annotations(function).values()
        for word in re.findall(r"\b([A-Z]\w+)", str(hint))
    }
    standard = {"Path", "Any", "Sequence", "Callable", "None", "Module", "NDArray"}
    assert {word for word in named if hasattr(api, word)} - standard <= set(api.__all__)
    assert {"IntegerNetwork", "RSNN", "Precision", "Verification", "Metrics"} <= named


@pytest.mark.slow
def test_exploring_measures_every_combination_and_leaves_the_model(tmp_path):
    session = api.load_session(api.synthesize(tmp_path / "s.mat", channels=12, minutes=0.8, seed=3))
    model = api.train(session, epochs=1, settings=["model.hidden=[8]"])
    before = api.inspect(model)
    rows = api.explore(model, session, bits=(4, 8), sparsity=(0.0, 0.5))
    assert [(row["bits"], row["sparsity"] >= 0.5) for row in rows] == [
        (4, False),
        (4, True),
        (8, False),
        (8, True),
    ]
    assert any(row["pareto"] for row in rows)
    assert api.inspect(model) == before
    expected = api.quantize(model, precision=api.Precision(bits=8), session=session)
    assert rows[2]["digest"] == expected.digest()[:12]


def test_networks_are_exported_checked_and_built(tmp_path):
    need("cc", "gcc")
    network = random_network(np.random.default_rng(0))
    assert api.inspect(network)["digest"] == network.digest()
    for path in (
        *api.export_onnx(network, tmp_path / "a"),
        *api.export_c(network, tmp_path / "c", name="mine", layout="compact"),
        *api.build(network, "host_c", tmp_path / "firmware"),
    ):
        assert path.stat().st_size > 0
    assert (tmp_path / "c" / "mine.c").exists()
    found = api.check(network, "host_c")
    assert found == {"target": "host_c", "fits": True, "violations": [], "not_checked": []}
    with pytest.raises(RangeError, match="`target` is abacus; known: asic_osu018, "):
        api.check(network, "abacus")


def test_a_stream_ends_after_its_idle_time_and_says_its_port():
    ports = []
    network = random_network(np.random.default_rng(0))
    assert api.stream(network, port=0, idle=0.1, ready=ports.append).steps == 0
    assert ports[0] > 0


def test_graphs_with_and_without_a_contract_come_in(tmp_path):
    network = random_network(np.random.default_rng(0))
    assert api.import_nir(*api.export_nir(network, tmp_path / "a.nir")).digest() == network.digest()
    nir.write(tmp_path / "b.nir", graph(np.random.default_rng(4)))
    with pytest.raises(RangeError, match=r"no time step; give `dt` in seconds, such as `dt=0.001`"):
        api.import_nir(tmp_path / "b.nir")
    model = api.import_nir(tmp_path / "b.nir", dt=DT)
    api.save_model(model, tmp_path / "b.rsnn.h5")
    assert api.load_model(tmp_path / "b.rsnn.h5").architecture == model.architecture


@pytest.mark.slow
def test_importing_the_package_loads_no_torch_and_the_api_no_scipy_signal():
    code = "import rsnnctl, sys; print('torch' in sys.modules); from rsnnctl import api;"
    code += "print('scipy.signal' in sys.modules, 'matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nFalse False\n"
