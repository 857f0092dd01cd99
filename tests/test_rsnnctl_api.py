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

import rsnnctl
from base.errors import RangeError
from rsnnctl import api

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "python.md").read_text(encoding="utf-8")


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
        "--for is brian; known: exact, norse, snntorch"
    )


def test_the_page_names_every_function_and_its_options():
    rows = re.findall(r"^\| (`.+`) \| ", PAGE, re.MULTILINE)
    documented = dict(re.findall(r"`(\w+)\((.*?)\)`", "\n".join(rows)))
    assert sorted(documented) == sorted(api.__all__)
    for name, arguments in documented.items():
        function = getattr(api, name)
        assert function.__doc__
        options = set(re.findall(r"(\w+)=", arguments))
        parameters = inspect.signature(function).parameters.values()
        assert options == {p.name for p in parameters if p.kind is p.KEYWORD_ONLY}


def test_graphs_with_and_without_a_contract_come_in(tmp_path):
    network = random_network(np.random.default_rng(0))
    assert api.import_nir(api.export_nir(network, tmp_path / "a.nir")).digest() == network.digest()
    nir.write(tmp_path / "b.nir", graph(np.random.default_rng(4)))
    with pytest.raises(RangeError, match=r"carries no numeric contract; give dt in seconds"):
        api.import_nir(tmp_path / "b.nir")
    model = api.import_nir(tmp_path / "b.nir", dt=DT)
    api.save_model(model, tmp_path / "b.rsnn.h5")
    assert api.load_model(tmp_path / "b.rsnn.h5").architecture == model.architecture


def test_the_module_is_loaded_only_when_it_is_asked_for():
    code = "import rsnnctl, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
    with pytest.raises(AttributeError, match="module `rsnnctl` has no attribute `apy`"):
        _ = rsnnctl.apy
