"""Every target runs the exported C under its emulator, word for word, and counts instructions."""

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from networks import FLOOR_SUBTRACT, covering_contracts, random_network, random_raster
from tools import need

from cli import rsnnctl
from export.quantization.precision import Precision
from export.quantize import quantize
from hw_targets import targets
from hw_targets.firmware import target as module
from hw_targets.firmware.cost import always_firing, cost
from hw_targets.firmware.target import run
from rsnn.checkpoint import import_published
from rsnn.data.raster import random_raster as independent_spikes
from rsnnctl.errors import MismatchError, RangeError, ToolError
from rsnnctl.steps.hardware import backend_of
from sim import reference
from sim.artifact import save_network
from sim.contract import PAPER
from sim.trace import first_difference

TARGETS = targets()


@pytest.fixture(params=TARGETS)
def target(request):
    found = TARGETS[request.param]
    need(f"{found.compiler}gcc", found.packages[0])
    if found.emulator:
        need(found.emulator[0], found.packages[-1])
    return found


@pytest.fixture
def network():
    return random_network(np.random.default_rng(1), hidden=(5, 4), n_heads=2)


def test_there_is_a_target_for_every_file():
    assert set(TARGETS) >= {"cortex_m0plus", "cortex_m33", "cortex_m4", "cortex_m55", "host_c"}
    assert {t.description for t in TARGETS.values()} == {
        *("this machine", "RISC-V RV32IMC", "Arm Cortex-M0+", "Arm Cortex-M4"),
        *("Arm Cortex-M33", "Arm Cortex-M55"),
    }


@pytest.mark.slow
def test_words_are_those_of_the_reference_on_every_target(target):
    """Under contracts that cover every pair of choices, in words that overflow and wide ones."""
    rng = np.random.default_rng(2)
    raster = random_raster(rng, 60, 12)
    narrow = {"syn_bits": 11, "mem_bits": 12, "weight_bits": 12, "frac_bits": 0}
    cases = [replace(c, **(narrow if i % 2 else {})) for i, c in enumerate(covering_contracts())]
    for contract in (*cases, replace(FLOOR_SUBTRACT, decay_frac=16), replace(PAPER, frac_bits=16)):
        network = random_network(rng, contract, hidden=(7, 5, 6), n_heads=5)
        expected = reference.run(network, raster)
        assert first_difference(expected, run(target, network, raster).trace) is None, contract


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
def test_published_networks_agree_and_cost_what_they_may(published, target, bits):
    for path in published if target.emulator == () or bits == 8 else published[:3]:
        network = quantize(import_published(path), Precision(bits=bits))
        raster = independent_spikes(300, network.n_inputs, dt=network.dt)
        found = run(target, network, raster)
        assert first_difference(reference.run(network, raster), found.trace) is None, path
        assert found.ram <= 1024
        if network.n_inputs == 96:
            assert found.flash <= 13 * 1024


@pytest.mark.slow
def test_instructions_of_a_published_network_stay_within_their_targets(published):
    network = quantize(import_published(published[0]), Precision(bits=8))
    raster = independent_spikes(1000, network.n_inputs, dt=network.dt)
    for name, most in {"cortex_m4": 4500, "cortex_m0plus": 6500, "rv32imc": 5500}.items():
        need(f"{TARGETS[name].compiler}gcc", TARGETS[name].packages[0])
        need(TARGETS[name].emulator[0], TARGETS[name].packages[-1])
        found = cost(TARGETS[name], network, raster)
        counts = found.instructions
        assert counts["min"] < counts["mean"] < counts["max"] < counts["worst_case"]
        assert counts["mean"] <= most, name
        assert found.violations == ()


@pytest.mark.slow
def test_a_network_of_1024_neurons_runs_where_it_fits():
    need("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    need("qemu-system-arm", "qemu-system-arm")
    rng = np.random.default_rng(3)
    network = random_network(rng, n_inputs=96, hidden=(1024,), n_heads=5, threshold=2_000_000)
    raster = (rng.random((30, 96)) < 0.08).astype(np.uint8)
    expected = reference.run(network, raster)
    assert 0.005 < expected.variables["hidden0.spk"].mean() < 0.5
    for name in ("host_c", "cortex_m4"):
        found = run(TARGETS[name], network, raster)
        assert first_difference(expected, found.trace) is None
    violations = cost(TARGETS["cortex_m4"], network, raster).violations
    assert any(text.startswith("flash needs ") for text in violations)


def test_the_worst_case_has_every_neuron_firing(network):
    spikes = reference.run(always_firing(network), np.ones((10, 12), np.uint8)).variables
    assert spikes["hidden0.spk"].mean() > 0.9


def test_limits_are_all_named_with_what_would_fit(network):
    need("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    need("qemu-system-arm", "qemu-system-arm")
    small = replace(TARGETS["cortex_m4"], flash=100, ram=50, clock=1e4)
    raster = random_raster(np.random.default_rng(0), 20, 12)
    flash, ram, time = cost(small, network, raster).violations
    assert flash.startswith("flash needs ")
    assert flash.endswith("STM32L432KC has 100: a part with 3 kB would do")
    assert ram.startswith("RAM needs ")
    assert "instructions, which 0 MHz do not do in 4 ms at 1.5 cycles each" in time


def test_what_is_missing_names_its_packages(network, monkeypatch):
    monkeypatch.setattr(module, "which", lambda program: None)
    raster = np.zeros((3, 12), np.uint8)
    for name in ("cortex_m4", "host_c"):
        with pytest.raises(ToolError, match=r"gcc.* not found: apt-get install .*gcc"):
            run(TARGETS[name], network, raster)
        with pytest.raises(ToolError, match=f"{name}: .*not found"):
            backend_of(name)
    with pytest.raises(MismatchError, match="the network has 12 inputs"):
        run(TARGETS["host_c"], network, np.zeros((3, 11), np.uint8))
    with pytest.raises(RangeError, match=r"--target is z80; known: cortex_m0plus, "):
        backend_of("z80")


def test_the_commands_list_verify_and_check(network, tmp_path, monkeypatch):
    need("cc", "gcc")
    path = tmp_path / "net.int.h5"
    save_network(network, path)

    def call(*arguments):
        return CliRunner().invoke(rsnnctl, [str(a) for a in arguments])

    rows = json.loads(call("targets", "--json").output)
    assert [row["target"] for row in rows] == list(TARGETS)
    done = call("verify", path, "--target", "host_c", "--steps", 50, "--json")
    assert done.exit_code == 0
    assert json.loads(done.output)["backends"]["host_c"]["differences"] == 0
    done = call("check", path, "--target", "host_c", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["violations"] == []
    tight = {"host_c": replace(TARGETS["host_c"], flash=10)}
    monkeypatch.setattr("rsnnctl.steps.hardware.targets", lambda: tight)
    done = call("check", path, "--target", "host_c")
    assert done.exit_code == 1
    assert "host_c: flash needs " in done.stderr
