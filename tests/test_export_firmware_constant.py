"""Layout `constant`: the words of the reference, in the same instructions whatever they are."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from networks import covering_contracts, random_network, random_raster
from tools import need

from base.errors import RangeError
from export.firmware.code import layouts
from export.firmware.decoder import FLAGS, compile_replay, export_c
from export.firmware.replay import replay, thirds
from export.firmware.storage import CONSTANT, LAYOUTS
from hw_targets.machines.c_cost import count_cost
from sim import reference
from sim.contract import PAPER
from sim.trace import first_difference

SANITIZED = (*FLAGS, "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
NARROW = {"syn_bits": 11, "mem_bits": 12, "frac_bits": 0}


@pytest.fixture(autouse=True)
def compiler():
    need("cc", "gcc")


@pytest.mark.slow
@pytest.mark.parametrize("contract", covering_contracts("c")[::2], ids=lambda c: c.fires_on)
def test_every_choice_of_the_contract_gives_the_words_of_the_reference(contract, tmp_path):
    rng = np.random.default_rng(3)
    raster = random_raster(rng, 80, 12)
    raster[30] = 1
    for name, widths in (("wide", {}), ("narrow", NARROW)):
        network = random_network(rng, replace(contract, **widths), hidden=(6, 5), n_heads=3)
        expected = reference.run(network, raster)
        assert all(expected.variables[f"hidden{i}.spk"].any() for i in range(2))
        program = compile_replay(network, tmp_path / name, CONSTANT, flags=SANITIZED)
        found, _ = replay(network, raster, [str(program)], tmp_path / name)
        assert first_difference(expected, found) is None


def counted(name, network, raster, folder, layout=CONSTANT):
    """Instructions of each step, after a comparison of every word."""
    machine = import_module(f"hw_targets.{name}").MACHINE
    for program, package in machine.packages.items():
        need(program, package)
    run = machine.run(network, raster, machine.build(network, folder, layout), folder)
    assert first_difference(reference.run(network, raster), run.trace) is None
    return run.instructions


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cortex_m0plus", "cortex_m4", "rv32imc"])
@pytest.mark.parametrize("widths", [{}, NARROW], ids=["wide", "narrow"])
def test_every_step_takes_the_same_instructions_and_a_listed_event_a_few(name, widths, tmp_path):
    """Of the counter, whose ticks are fewer than instructions, one step may show one more.

    Its interrupt, once in millions of instructions, does not come in this short run.
    """
    rng = np.random.default_rng(2)
    network = random_network(rng, replace(PAPER, **widths), hidden=(20, 15), sparsity=0.5)
    raster = random_raster(rng, 90, 12)
    raster[[50, 80]] = 1
    raster[[55, 85]] = 0
    found = counted(name, network, raster, tmp_path)
    _, once, bitmaps = thirds(len(raster))
    assert np.ptp(found[bitmaps]) <= 1
    per_event = {}
    for n, count in zip(raster[once].sum(1).tolist(), found[once].tolist(), strict=True):
        per_event.setdefault(n, set()).add(count)
    assert all(max(counts) - min(counts) <= 1 for counts in per_event.values())
    sizes = np.array(sorted(set(per_event) - {0}))
    costs = np.array([min(per_event[n]) for n in sizes.tolist()])
    each = round((costs[-1] - costs[0]) / (sizes[-1] - sizes[0]))
    assert 5 < each < 20
    assert np.abs(costs - costs[0] - each * (sizes - sizes[0])).max() <= 1
    variable = counted(name, network, raster, tmp_path, LAYOUTS[0])
    assert np.ptp(variable[bitmaps]) > 100


@pytest.mark.slow
def test_the_worst_case_is_that_of_any_step(tmp_path):
    machine = import_module("hw_targets.cortex_m4").MACHINE
    network = random_network(np.random.default_rng(2), hidden=(20, 15))
    cost = count_cost(network, machine, random_raster(np.random.default_rng(1), 30, 12), CONSTANT)
    found = cost.instructions
    assert found.maximum <= found.worst_case < found.mean_bitmap + 24 * 20
    assert found.worst_case > found.minimum


def test_networks_whose_rows_are_not_in_lanes_are_refused(tmp_path):
    rng = np.random.default_rng(1)
    wide = random_network(rng, replace(PAPER, weight_bits=9))
    for network, has in (
        (wide, False),
        (random_network(rng, n_inputs=255, hidden=(4,)), True),
        (random_network(rng, n_inputs=256, hidden=(4,)), False),
        (random_network(rng, hidden=(255,)), True),
        (random_network(rng, hidden=(256,)), False),
    ):
        assert (CONSTANT in layouts(network)) is has
        if has:
            export_c(network, tmp_path / "written", layout=CONSTANT)
        else:
            with pytest.raises(RangeError) as error:
                export_c(network, tmp_path / "none", layout=CONSTANT)
            assert str(error.value) == (
                "`layout` is constant, which is for weights of up to 8 bits and layers with up to"
                " 255 senders and neurons; use another, or fewer bits or neurons"
            )
    assert not (tmp_path / "none").exists()
