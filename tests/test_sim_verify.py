"""`verify` catches planted faults and says where, with the operands of the update."""

import json
from dataclasses import replace

import numpy as np
import pytest
from networks import random_network, random_raster

from base.errors import ToolError
from sim import reference
from sim.arithmetic.exact import decayed
from sim.fast import runs
from sim.trace import Trace
from sim.verify import operands_of, verify


@pytest.fixture
def case():
    rng = np.random.default_rng(8)
    network = random_network(rng, hidden=(6, 4))
    return network, [random_raster(rng, 80, 12), random_raster(rng, 50, 12)]


def planted(variable: str, step: int, neuron: int):
    def backend(network, raster) -> Trace:
        trace = runs.run_backend(network, raster)
        if len(raster) == 50:
            trace.variables[variable][step, neuron] ^= 1
        return trace

    return backend


def test_equal_backends_give_no_difference_and_count_every_word(case):
    network, rasters = case
    report = verify(network, rasters, {"numba": runs.run_backend})
    words = 130 * (3 * 6 + 3 * 4 + 2 * 2)
    assert report.as_dict() == {
        "digest": network.digest(),
        "steps": 130,
        "backends": {
            "numba": {
                "words": words,
                "differences": 0,
                "compared": "state words",
                "code": "hand-written",
            }
        },
        "not_run": {},
    }
    assert list(report.lines())[-1] == f"verified: 130 steps, {words} state words, 0 differences"


@pytest.mark.parametrize(
    ("variable", "neuron"),
    [
        ("hidden0.spk", 5),
        ("hidden0.syn", 0),
        ("hidden0.mem", 3),
        ("hidden1.spk", 2),
        ("hidden1.mem", 1),
        ("readout.syn", 1),
        ("readout.out", 0),
    ],
)
def test_a_planted_fault_is_found_at_its_step_neuron_and_variable(case, variable, neuron):
    network, rasters = case
    backends = {"good": runs.run_backend, "bad": planted(variable, 31, neuron)}
    report = verify(network, rasters, backends)
    assert report.differences == 1
    assert report.backends["good"].first is None
    finding = report.backends["bad"].first
    found = finding.difference
    assert finding.raster_index == 1
    assert (f"{found.layer}.{found.variable}", found.step, found.neuron) == (variable, 31, neuron)
    assert found.found == found.expected ^ 1
    lines = list(report.lines())
    assert lines[-1].startswith("DIFFERS: ")
    assert any(f"step 31, {found.layer}, neuron {neuron}" in line for line in lines)
    json.dumps(report.as_dict())


@pytest.mark.parametrize("delay_steps", [0, 1])
def test_the_operands_are_enough_to_compute_the_word_again(case, delay_steps):
    network, rasters = case
    network = replace(network, contract=replace(network.contract, delay_steps=delay_steps))
    raster = rasters[0]
    trace = reference.run(network, raster)
    c = network.contract
    from sim.trace import Difference

    for layer, neuron in (("hidden0", 2), ("hidden1", 3), ("readout", 1)):
        for step in (0, 1, 40, 79):
            membrane = "out" if layer == "readout" else "mem"
            right = Difference(step, layer, membrane, neuron, 0, 0)
            given = operands_of(network, raster, trace, right)
            syn = np.array([given["syn"]])
            new = decayed(c, syn, np.array([given["decay_syn"]])) + (given["acc"] << c.frac_bits)
            fires = layer != "readout" and given[membrane] > given["threshold"]
            old = np.array([given[membrane]])
            mem = decayed(c, old, np.array([given["decay_mem"]])) + given["syn"]
            assert trace.variables[f"{layer}.syn"][step, neuron] == new[0]
            assert trace.variables[f"{layer}.{membrane}"][step, neuron] == (0 if fires else mem[0])


def test_a_backend_whose_tool_is_missing_is_listed_with_its_reason(case):
    def missing(network, raster):
        raise ToolError("`qemu-system-arm` is missing; install the Debian package qemu-system-arm")

    network, rasters = case
    report = verify(network, rasters, {"numba": runs.run_backend, "qemu": missing})
    assert set(report.backends) == {"numba"}
    assert report.not_run["qemu"].startswith("`qemu-system-arm` is missing")
    assert any(line.startswith("qemu: not run: ") for line in report.lines())


def test_a_state_that_is_not_reset_between_runs_is_caught(case):
    network, rasters = case
    memory = {}

    def stateful(network, raster) -> Trace:
        trace = runs.run_backend(network, raster)
        if memory:
            trace.variables["hidden0.mem"][0] += 1
        memory["ran"] = True
        return trace

    report = verify(network, rasters, {"stateful": stateful})
    assert report.backends["stateful"].first.difference.step == 0
    assert report.backends["stateful"].first.raster_index == 1


def test_a_report_says_which_code_was_written_by_hand(case):
    network, rasters = case
    found = verify(network, rasters, {"numba": runs.run_backend, "other": runs.run_backend})
    assert found.as_dict()["backends"]["numba"]["code"] == "hand-written"
    lines = list(found.lines())
    assert lines[0].startswith("numba (hand-written): ")
    assert lines[1].startswith("other (generated): ")
    found = verify(network, rasters, {"cortex": runs.run_backend}, writer="c")
    assert next(found.lines()).startswith("cortex (hand-written): ")
