"""Targets of exported C: options reach the compiler, limits reach the check."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from first_spike_networks import drawn
from networks import adaptive, random_network, random_raster
from tools import need

from base.errors import RangeError, ToolError
from export.firmware.storage import LAYOUTS
from hw_targets import targets
from hw_targets.cortex_m4 import MACHINE
from hw_targets.machines.target import Limits, build, check, run_whole, runners

TARGETS = targets()
NETWORK = random_network(np.random.default_rng(1), hidden=(40,), sparsity=0.9)


def test_backends_are_called_like_what_runs_the_program():
    found = {name: list(target.backends) for name, target in TARGETS.items()}
    assert found["host_c"] == ["cc"]
    assert found["wasm"] == ["node"]
    assert found["cortex_m4"] == ["qemu-system-arm"]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_reaches_what_is_compiled(layout, tmp_path):
    need("cc", "gcc")
    runners(TARGETS["host_c"], NETWORK, tmp_path, {"layout": layout})
    source = (tmp_path / "cc" / "rsnn.c").read_text()
    assert ("APART static void deliver_input" in source) is (layout == "compact")


@pytest.mark.slow
def test_a_project_names_its_part(tmp_path):
    target = TARGETS["cortex_m4"]
    build(target, NETWORK, random_raster(np.random.default_rng(2), 9, 12), tmp_path)
    assert f"for {target.description}. Generated" in (tmp_path / "rsnn.mk").read_text()
    assert "CC = arm-none-eabi-gcc\n" in (tmp_path / "rsnn.mk").read_text()
    for name in target.editable:
        text = (tmp_path / name).read_text()
        assert NETWORK.digest() not in text
        assert target.description not in text


@pytest.mark.slow
def test_generated_code_has_one_layout_and_a_check_names_no_other():
    """Neither `check`, `build` nor `verify --target` takes the other without a word."""
    target = TARGETS["cortex_m4"]
    for program, package in target.tools.items():
        need(program, package)
    network = adaptive(np.random.default_rng(3), random_network(np.random.default_rng(1)))
    small = replace(target, limits=Limits(100, clock_hz=64e6))
    flash = check(small, network)["violations"][0]
    assert re.search(r"cortex_m4 has 100 B\. Keep \d+ % of the neurons", flash)
    refused = (
        "`layout` is compact; the C of this network is generated, as no hand-written code computes"
        " all its layers, and has fast alone; leave the layout out"
    )
    raster = random_raster(np.random.default_rng(2), 9, 12)
    for use in (check, lambda *given: build(*given[:2], raster, Path("nowhere"), given[2])):
        with pytest.raises(RangeError, match=f"^{re.escape(refused)}$"):
            use(small, network, {"layout": "compact"})


@pytest.mark.slow
def test_a_check_is_of_the_layout_and_says_what_the_other_would_take():
    target = TARGETS["cortex_m4"]
    for program, package in target.tools.items():
        need(program, package)
    fast, compact = (check(target, NETWORK, {"layout": layout}) for layout in LAYOUTS)
    assert (fast["layout"], compact["layout"]) == LAYOUTS
    assert compact["flash"] < fast["flash"]
    assert fast["violations"] == compact["violations"] == []
    small = replace(target, limits=Limits(fast["flash"] - 1, clock_hz=64e6))
    (violation,) = check(small, NETWORK)["violations"]
    assert f"`layout=compact` takes {compact['flash']} B" in violation


def test_a_program_that_comes_with_the_compiler_is_in_its_package(tmp_path, monkeypatch):
    there = {name: name for name in ("arm-none-eabi-gcc",)}
    monkeypatch.setattr("hw_targets.machines.c_machine.which", there.get)
    with pytest.raises(ToolError, match="no `arm-none-eabi-size`: install Debian's gcc-arm-none"):
        MACHINE.measure(NETWORK, tmp_path)


@pytest.mark.slow
def test_a_float_abi_reaches_programs_that_replay(tmp_path):
    target = TARGETS["cortex_m4"]
    for program, package in target.tools.items():
        need(program, package)
    samples, _, raster = drawn(1)
    for network, name in ((NETWORK, "qemu-system-arm"), (samples, "events")):
        found = runners(target, network, tmp_path / name, {"float_abi": "hard"})
        own = found["cortex_m4 (events)"] if name == "events" else found["cortex_m4"]
        given = raster if name == "events" else random_raster(np.random.default_rng(2), 9, 12)
        assert run_whole(own, given).variables
        program = tmp_path / name / name / "replay"
        words = ["arm-none-eabi-readelf", "-A", str(program)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert "Tag_ABI_VFP_args: VFP registers" in done.stdout


@pytest.mark.parametrize("use", [check, lambda *given: runners(*given[:2], Path("."), given[2])])
def test_an_unknown_float_abi_is_refused_wherever_it_is_given(use, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RangeError, match=r"^`float_abi` is hard; soft is all that the target has"):
        use(TARGETS["cortex_m0plus"], NETWORK, {"float_abi": "hard"})
