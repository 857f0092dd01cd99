"""What a network costs on a target, a bound on its worst step, and which limits that breaks."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from networks import FLOOR_SUBTRACT, LOIHI_LIKE, random_network, random_raster
from tools import need

from base.errors import RangeError, ToolError
from export.firmware.arithmetic import arithmetic_of
from export.firmware.storage import LAYOUTS
from export.quantization.precision import Precision
from export.quantize import quantize
from hw_targets import targets
from hw_targets.machines.c_cost import Cost, Instructions, count_cost, not_checked, violations
from hw_targets.machines.c_machine import Machine, Sizes
from hw_targets.machines.target import Limits, check
from rsnn.data.raster import random_raster as independent_spikes
from rsnn.published import import_published
from sim.contract import PAPER

TARGETS = targets()
NETWORK = random_network(np.random.default_rng(1), hidden=(6, 5), n_heads=5)


def machine_of(name):
    for program, package in TARGETS[name].tools.items():
        need(program, package)
    return import_module(f"hw_targets.{name}").MACHINE


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
def test_instructions_are_counted_the_same_twice_and_more_in_the_worst_case(layout):
    machine = machine_of("cortex_m4")
    raster = random_raster(np.random.default_rng(0), 40, 12)
    cost, again = (count_cost(NETWORK, machine, raster, layout) for _ in range(2))
    assert cost == again
    counted = cost.instructions
    assert 100 < counted.minimum < counted.mean < counted.maximum < counted.worst_case
    assert cost.sizes.ram < cost.sizes.flash < 4000


@pytest.mark.slow
def test_steps_are_counted_alike_however_often_the_counter_wraps_around(tmp_path):
    """Silent steps take the same instructions, after the first; SysTick wraps every 2^24 ticks."""
    machine = machine_of("cortex_m4")
    network = random_network(np.random.default_rng(1), hidden=(150, 150), recurrent=False)
    program = machine.build(network, tmp_path)
    counts = machine.run(network, np.zeros((1500, 12), np.uint8), program, tmp_path).instructions
    assert counts.sum() * machine.ticks > 2.5 * 2**24
    usual = np.median(counts)
    assert np.abs(counts[3:] - usual).max() < 0.1 * usual


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cortex_m0plus", "cortex_m4", "rv32imc"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_input_takes_more_than_the_bound(name, layout):
    """Words that saturate, negative thresholds, all inputs at once: every branch there is."""
    machine = machine_of(name)
    for contract in (
        replace(PAPER, syn_bits=14, mem_bits=14),
        replace(FLOOR_SUBTRACT, syn_bits=32, mem_bits=32, frac_bits=16),
    ):
        network = random_network(np.random.default_rng(2), contract, hidden=(20, 15), sparsity=0.5)
        raster = np.vstack(
            [random_raster(np.random.default_rng(seed), 100, 12) for seed in range(3)]
        )
        counted = count_cost(network, machine, raster, layout).instructions
        assert 0.4 * counted.worst_case < counted.maximum < counted.worst_case


@pytest.mark.slow
def test_the_worst_case_is_that_of_the_networks_own_code(monkeypatch):
    """Lower thresholds would ask for wider sums; the arithmetic that is built is the network's."""
    machine = machine_of("cortex_m4")
    built = []
    right = Machine.build

    def build(machine, network, folder, layout="fast", arithmetic=None):
        built.append(arithmetic or arithmetic_of(network))
        return right(machine, network, folder, layout, arithmetic)

    contract = replace(PAPER, reset="subtract", mem_bits=32)
    network = random_network(np.random.default_rng(3), contract, hidden=(4,))
    monkeypatch.setattr(Machine, "build", build)
    count_cost(network, machine, np.zeros((4, 12), np.uint8))
    assert built == [arithmetic_of(network)] * 3
    lowest = replace(network.layers[0], threshold=np.full(4, -(1 << 31)))
    assert arithmetic_of(replace(network, layers=(lowest, network.layers[1]))) != built[0]


@pytest.mark.slow
def test_steps_are_counted_by_the_way_in_which_input_is_given(monkeypatch):
    """A bound covers lists of every channel twice; means are of lists that name each once."""
    machine = machine_of("cortex_m4")
    raster = random_raster(np.random.default_rng(5), 9, 12)
    right, counted = Machine.run, []

    def run(machine, network, raster, program, folder):
        done = right(machine, network, raster, program, folder)
        counted.append(done.instructions)
        return done

    monkeypatch.setattr(Machine, "run", run)
    found = count_cost(NETWORK, machine, raster).instructions
    every, burst, silence = counted
    _, once, bitmap = np.split(every, 3)
    assert found.worst_case == burst[:4].max() + silence[:4].max() > every.max()
    assert burst[1:4].min() > burst[5:].max()  # rows are added up in the step after their spikes
    assert (found.minimum, found.maximum) == (once.min(), once.max())
    assert (found.mean, found.mean_bitmap) == (once.mean(), bitmap.mean())


def test_a_check_names_every_limit_that_is_broken_and_the_way_out():
    small = replace(TARGETS["cortex_m4"], limits=Limits(1000, 100, 1e6, 1.5))
    found = violations(NETWORK, small, Cost(Sizes(2000, 400), Instructions(1, 1.0, 1.0, 1, 9000)))
    assert found == [
        "flash: 2000 B; cortex_m4 has 1000 B. Keep 50 % of the neurons, or name a part with more",
        "RAM: 400 B of state; cortex_m4 has 100 B. Keep 25 % of the neurons, or name a part with"
        " more",
        "time: 9000 instructions in the worst step take 13.5 ms at 1 MHz; a step lasts 4 ms. Clock"
        " it at 3 MHz, or use fewer neurons or a longer step",
    ]


def test_a_check_says_what_the_compact_layout_would_take():
    small = replace(TARGETS["cortex_m4"], limits=Limits(1000))
    cost = Cost(Sizes(2000, 400), Instructions(1, 1.0, 1.0, 1, 9000))
    for compact, way_out in (
        (900, "`layout=compact` takes 900 B"),
        (1500, "`layout=compact` takes 1500 B; with it keep 66 % of the neurons"),
    ):
        assert violations(NETWORK, small, cost, Sizes(compact, 400)) == [
            f"flash: 2000 B; cortex_m4 has 1000 B. {way_out}, or name a part with more"
        ]


@pytest.mark.slow
def test_a_worst_step_that_cannot_be_made_is_said_not_to_be_counted():
    """Every membrane is at the lowest of its word, which is above no threshold."""
    machine_of("cortex_m4")
    contract = replace(LOIHI_LIKE, delay_steps=0, syn_bits=12, mem_bits=12)
    network = random_network(np.random.default_rng(0), contract, hidden=(4,))
    low = replace(network.layers[0], w_in=np.full((4, 12), -100))
    network = replace(network, layers=(low, network.readout))
    found = check(TARGETS["cortex_m4"], network)
    assert (found["fits"], found["violations"]) == (None, [])
    assert found["not_checked"] == [
        "membranes reach an end of their words, where neurons do not all fire in one step or all"
        " stay silent whatever their thresholds, so the worst step cannot be counted. Quantize with"
        " wider words, or verify it on the target all the same"
    ]


def test_a_library_that_is_missing_is_said_with_its_package(tmp_path):
    need("cc", "gcc")
    machine = Machine("cc", {"cc": "gcc"}, processor=("--specs=nolibc.specs",))
    text = r"cc refuses the exported C: .*nolibc.*; it needs Debian's gcc"
    with pytest.raises(ToolError, match=text):
        machine.measure(NETWORK, tmp_path)


@pytest.mark.slow
def test_a_network_that_no_machine_can_hold_is_measured_but_not_counted():
    machine = machine_of("cortex_m0plus")
    network = random_network(np.random.default_rng(4), hidden=(512,), sparsity=0.0)
    cost = count_cost(network, machine, np.zeros((2, 12), np.uint8))
    assert cost.sizes.flash > 512 * 512
    assert cost.instructions is None
    (flash,) = violations(network, TARGETS["cortex_m0plus"], cost)
    assert flash.startswith("flash: ")
    (time,) = not_checked(TARGETS["cortex_m0plus"], cost)
    assert time == (
        "time: not counted, because the machine that stands for cortex_m0plus here cannot hold the"
        " program. Try a part with more, or fewer neurons"
    )
    found = check(TARGETS["cortex_m0plus"], network)
    assert (found["fits"], found["not_checked"]) == (False, [time])
    large = replace(TARGETS["cortex_m0plus"], limits=Limits(clock_hz=48e6))
    found = check(large, network)
    assert (found["fits"], found["violations"], found["not_checked"]) == (None, [], [time])


def test_what_is_missing_is_said_with_its_package(monkeypatch, tmp_path):
    monkeypatch.setattr("hw_targets.machines.c_machine.which", lambda program: None)
    machine = import_module("hw_targets.cortex_m4").MACHINE
    packages = "gcc-arm-none-eabi and picolibc-arm-none-eabi"
    for use, missing in (
        (lambda: machine.build(NETWORK, tmp_path), "`arm-none-eabi-gcc`"),
        (lambda: machine.measure(NETWORK, tmp_path), "`arm-none-eabi-gcc`, `arm-none-eabi-size`"),
    ):
        with pytest.raises(ToolError) as error:
            use()
        assert str(error.value) == f"there is no {missing}: install Debian's {packages}"
    with pytest.raises(ToolError) as error:
        count_cost(NETWORK, machine, np.zeros((2, 12), np.uint8))
    assert str(error.value) == (
        "there is no `arm-none-eabi-gcc`, `qemu-system-arm`: install Debian's gcc-arm-none-eabi and"
        " picolibc-arm-none-eabi and qemu-system-arm"
    )
    with pytest.raises(ToolError, match="no `qemu-system-arm`: install Debian's qemu-system-arm"):
        machine.command(tmp_path / "replay")
    wasm = import_module("hw_targets.wasm").MACHINE
    monkeypatch.setattr("hw_targets.machines.c_machine.which", {"clang": "clang"}.get)
    with pytest.raises(ToolError, match="no `wasm-ld`: install Debian's lld"):
        wasm.build(NETWORK, tmp_path)
    host = import_module("hw_targets.host_c").MACHINE
    with pytest.raises(RangeError, match="what cc makes counts no instructions; name an emulator"):
        count_cost(NETWORK, host, np.zeros((2, 12), np.uint8))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "most"), [("cortex_m4", 4500), ("cortex_m0plus", 6500), ("rv32imc", 5500)]
)
def test_a_published_network_keeps_within_its_budget(published, name, most):
    """As `benchmarks/firmware.py` counts: flash of 13 kB, compact 9 kB, RAM of 1 kB."""
    machine = machine_of(name)
    network = quantize(import_published(published[0]), Precision(bits=8))
    raster = independent_spikes(250, network.n_inputs, dt=network.dt)
    cost = count_cost(network, machine, raster)
    assert max(cost.instructions.mean, cost.instructions.mean_bitmap) <= most
    for sizes, flash in (
        (cost.sizes, 13_000),
        (count_cost(network, machine, raster[:2], "compact").sizes, 9_000),
    ):
        assert sizes.flash <= flash
        assert sizes.ram <= 1_000
