"""Verilator's programs for the tests: what is the same in all of them is compiled once."""

import subprocess

import pytest
from tools import need

from export.verilog.simulators import VERILATOR

_SOURCES = "/usr/share/verilator/include"
_SHARED = ("verilated", "verilated_threads")


@pytest.fixture(scope="session")
def _runtime(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("verilated")
    objects = [str(folder / f"{name}.o") for name in _SHARED]
    for name, made in zip(_SHARED, objects, strict=True):
        source = f"{_SOURCES}/{name}.cpp"
        include = [f"-I{_SOURCES}", f"-I{_SOURCES}/vltstd"]
        command = ["g++", "-O1", "-faligned-new", *include, "-c", source, "-o", made]
        subprocess.run(command, check=True)
    return "-- VK_GLOBAL_OBJS= LOADLIBES=" + "\\ ".join(objects)


@pytest.fixture
def verilator(request, monkeypatch) -> None:
    """Verilator is here, and its programs take a second to compile instead of three."""
    for program, package in VERILATOR.tools.items():
        need(program, package)
    monkeypatch.setenv("MAKEFLAGS", request.getfixturevalue("_runtime"))
