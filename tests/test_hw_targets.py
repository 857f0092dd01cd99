"""Targets: the same words on every processor, what they cost, and which limits a network breaks."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import FLOOR_SUBTRACT, LOIHI_LIKE, random_network, random_raster
from tools import need

from export.quantization.precision import Precision
from export.quantize import quantize
from hw_targets import targets
from hw_targets.machines.cost import Cost, count_cost, violations
from hw_targets.machines.target import Limits, Sizes
from rsnn.checkpoint import import_published
from rsnn.data.raster import random_raster as independent_spikes
from rsnnctl.errors import RangeError, ToolError
from sim import reference
from sim.contract import PAPER
from sim.trace import first_difference

TARGETS = targets()
NETWORKS = {
    "paper": random_network(np.random.default_rng(1), hidden=(6, 5), n_heads=5),
    "three layers": random_network(np.random.default_rng(2), LOIHI_LIKE, hidden=(5, 4, 3)),
    "no recurrence": random_network(np.random.default_rng(3), FLOOR_SUBTRACT, recurrent=False),
    "narrow words": random_network(
        np.random.default_rng(4),
        replace(PAPER, syn_bits=11, mem_bits=12, frac_bits=0, overflow_mem="wrap"),
    ),
    "wide sums": random_network(
        np.random.default_rng(5), replace(PAPER, decay_frac=16, frac_bits=16, weight_bits=16)
    ),
}


@pytest.fixture(params=TARGETS)
def target(request):
    found = TARGETS[request.param]
    for program, package in found.tools.items():
        need(program, package)
    return found


def test_targets_are_found_by_listing_files_and_named_like_them():
    assert set(TARGETS) >= {
        "host_c",
        "cortex_m0plus",
        "cortex_m4",
        "cortex_m33",
        "cortex_m55",
        "rv32imc",
        "wasm",
    }
    assert all(name == found.name for name, found in TARGETS.items())


@pytest.mark.slow
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_target_computes_the_words_of_the_reference(target, kind, tmp_path):
    network = NETWORKS[kind]
    raster = random_raster(np.random.default_rng(0), 60, 12)
    expected = reference.run(network, raster)
    assert expected.variables["hidden0.spk"].any()
    program = target.build(network, tmp_path)
    assert first_difference(expected, target.run(network, raster, program, tmp_path).trace) is None


def test_instructions_are_counted_the_same_twice_and_more_in_the_worst_case():
    target = TARGETS["cortex_m4"]
    for program, package in target.tools.items():
        need(program, package)
    raster = random_raster(np.random.default_rng(0), 40, 12)
    cost, again = (count_cost(NETWORKS["paper"], target, raster) for _ in range(2))
    assert cost == again
    assert 100 < cost.minimum < cost.mean < cost.maximum <= cost.worst_case
    assert cost.sizes.ram < cost.sizes.flash < 4000


def test_a_check_names_every_limit_that_is_broken_and_the_way_out():
    small = replace(TARGETS["cortex_m4"], limits=Limits(1000, 100, 1e6, 1.5))
    found = violations(NETWORKS["paper"], small, Cost(1, 1.0, 1, 9000, Sizes(2000, 400)))
    assert found == [
        "flash: 2000 B; cortex_m4 has 1000 B. Keep 50 % of the neurons, or name a part with more",
        "RAM: 400 B of state; cortex_m4 has 100 B. Keep 25 % of the neurons, or name a part with"
        " more",
        "time: 9000 instructions in the worst step take 13.5 ms at 1 MHz; a step lasts 4 ms. Clock"
        " it at 3 MHz, or use fewer neurons or a longer step",
    ]


def test_what_is_missing_is_said_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr("hw_targets.machines.emulated.which", lambda program: None)
    with pytest.raises(ToolError, match="no `arm-none-eabi-gcc`: install Debian's gcc-arm-none"):
        TARGETS["cortex_m4"].build(NETWORKS["paper"], tmp_path)
    with pytest.raises(RangeError, match="target host_c counts no instructions"):
        count_cost(NETWORKS["paper"], TARGETS["host_c"], np.zeros((2, 12), np.uint8))


def test_commands_list_check_and_verify_targets(run, network):
    need("cc", "gcc")
    rows = json.loads(run("targets", "--json").out)
    assert [row["target"] for row in rows] == sorted(TARGETS)
    assert run("check", network, "--target", "host_c").out.endswith("fits host_c\n")
    done = run("verify", network, "--target", "host_c", "--steps", 50)
    assert done.code == 0, done
    assert done.out.endswith(" state words, 0 differences\n")
    done = run("check", network, "--target", "abacus")
    assert done.code == 1
    assert "--target is 'abacus'; known: cortex_m0plus" in done.err
    assert "--steps is 0" in run("verify", network, "--target", "host_c", "--steps", 0).err


def test_a_check_that_finds_violations_ends_with_1(run, network, monkeypatch):
    found = {"target": "x", "violations": ["flash: too much"]}
    monkeypatch.setattr("rsnnctl.steps.hardware.check_file", lambda path, name: found)
    done = run("check", network, "--target", "x")
    assert (done.code, done.out.splitlines()[-1]) == (1, "flash: too much")


def test_a_project_builds_and_its_self_test_passes_and_notices_a_fault(run, network):
    need("cc", "gcc")
    need("make", "make")
    done = run("build", network, "--target", "host_c", "-o", "project")
    assert done.code == 0, done
    folder = Path("project")
    subprocess.run(["make", "-C", str(folder), "example"], check=True, capture_output=True)
    assert subprocess.run([str(folder / "example")], check=False).returncode == 0
    vectors = (folder / "selftest.h").read_text()
    (folder / "selftest.h").write_text(vectors.replace("last[] = {INT32_C(", "last[] = {1 + (", 1))
    subprocess.run(["make", "-B", "-C", str(folder), "example"], check=True, capture_output=True)
    assert subprocess.run([str(folder / "example")], check=False).returncode == 1


@pytest.mark.parametrize("name", ["cortex_m0plus", "rv32imc"])
def test_a_project_for_a_microcontroller_compiles_as_it_is_and_twice_the_same(run, network, name):
    need("make", "make")
    for program, package in TARGETS[name].tools.items():
        need(program, package)
    for folder in ("a", "b"):
        assert run("build", network, "--target", name, "-o", folder).code == 0
    for path in Path("a").iterdir():
        assert path.read_bytes() == (Path("b") / path.name).read_bytes()
    command = ["make", "-C", "a", "rsnn.o", "example_main.o"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
def test_published_networks_agree_on_every_target(target, published, bits, tmp_path):
    for path in (published[0], published[-1]):
        network = quantize(import_published(path), Precision(bits=bits))
        raster = independent_spikes(200, network.n_inputs, dt=network.dt)
        folder = tmp_path / path.stem
        program = target.build(network, folder)
        found = target.run(network, raster, program, folder).trace
        assert first_difference(reference.run(network, raster), found) is None, path
