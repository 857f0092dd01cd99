"""Every kind of network on every target, in both layouts: the words are those of the reference."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import FLOOR_SUBTRACT, LOIHI_LIKE, random_network, random_raster
from tools import need

from base.errors import UnsupportedError
from export.firmware.code import layouts
from export.firmware.storage import LAYOUTS
from export.quantization.precision import Precision
from export.quantize import quantize
from hw_targets import targets
from hw_targets.machines.target import refusals, run_whole, runners
from rsnn.data.raster import random_raster as independent_spikes
from rsnn.published import import_published
from sim import reference
from sim.artifact import save_network
from sim.conformance.cases import cases
from sim.contract import PAPER
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.network import IntegerNetwork
from sim.trace import first_difference

# Those of C and of Verilog, which have layouts; others compute one contract and have own tests, and
# netlists of cells and gates take long.
TARGETS = {
    name: target
    for name, target in targets().items()
    if "layout" in {option.name for option in target.options}
    and not {"netlist", "gates"} & set(target.backends)
}
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
    "biases": random_network(np.random.default_rng(6), hidden=(6, 5), n_heads=5, biased=True),
    "4 bits, nearly empty": random_network(
        np.random.default_rng(7), replace(PAPER, weight_bits=4), hidden=(30,), sparsity=0.95
    ),
}


@pytest.fixture(params=TARGETS)
def target(request):
    found = TARGETS[request.param]
    for program, package in found.tools.items():
        need(program, package)
    if found.name == "verilator":
        request.getfixturevalue("verilator")
    return found


def layouts_of(target, i):
    """Both where arithmetic is of its own kind, elsewhere one and the other by turns."""
    return LAYOUTS if target.name in {"host_c", "cortex_m0plus"} else [LAYOUTS[i % 2]]


def check_words(target, network, raster, layout, folder):
    expected = reference.run(network, raster)
    for run in runners(target, network, folder, {"layout": layout}).values():
        try:
            found = run_whole(run, raster)
        except UnsupportedError:  # of first spikes without a clock: leaks, delays, short samples
            assert network.readout.ALONE
        else:
            assert first_difference(expected, found) is None
    return expected


@pytest.mark.slow
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_every_target_computes_the_words_of_the_reference(target, kind, layout, tmp_path):
    raster = random_raster(np.random.default_rng(0), 60, 12)
    expected = check_words(target, NETWORKS[kind], raster, layout, tmp_path)
    assert expected.variables["hidden0.spk"].any()


@pytest.mark.slow
@pytest.mark.parametrize("bits", [4, 8])
def test_published_networks_agree_on_every_target(target, published, bits, tmp_path):
    for i, path in enumerate(published):
        if target.name == "verilator" and (i + bits // 4) % 2:
            continue  # which compiles for seconds; Icarus runs all in both widths
        network = quantize(import_published(path), Precision(bits=bits))
        raster = independent_spikes(60, network.n_inputs, dt=network.dt)
        for layout in layouts_of(target, i + i // 2):  # so that each session comes in both
            check_words(target, network, raster, layout, tmp_path / f"{path.stem}-{layout}")


@pytest.mark.slow
def test_conformance_cases_agree_on_every_target(target, tmp_path):
    for i, case in enumerate(cases()):
        if refusals(target, case.network):
            continue
        for layout in [x for x in layouts_of(target, i) if x in layouts(case.network)] or ["fast"]:
            folder = tmp_path / f"{case.name}-{layout}"
            check_words(target, case.network, case.raster, layout, folder)


@pytest.fixture(scope="module")
def big():
    """A network of bigRSNN's size, none of its weights 0, and input that keeps it firing."""
    rng = np.random.default_rng(0)

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(1, 128, shape) * rng.choice([-1, 1], shape)

    def decays(n: int) -> np.ndarray:
        return rng.integers(3000, 4000, n)

    n = 1024
    hidden = CubaLIF(
        w_in=weights(n, 192),
        w_rec=weights(n, n),
        e_in=np.full(n, 2),
        e_rec=np.zeros(n, np.int64),
        decay_syn=decays(n),
        decay_mem=decays(n),
        threshold=np.full(n, 850_000),
    )
    readout = CubaLI(weights(2, n), decays(2), decays(2), np.zeros(2, np.int64), np.ones(2))
    network = IntegerNetwork((hidden, readout), PAPER, 0.004)
    return network, (rng.random((24, 192)) < 0.08).astype(np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["host_c", "cortex_m4", "cortex_m33", "rv32imc", "wasm"])
def test_a_network_of_1024_neurons_runs_where_its_weights_find_room(big, name, tmp_path):
    network, raster = big
    for program, package in TARGETS[name].tools.items():
        need(program, package)
    expected = check_words(TARGETS[name], network, raster, "fast", tmp_path)
    activity = expected.variables["hidden0.spk"][8:].mean()
    assert 0.01 < activity < 0.06


@pytest.mark.slow
def test_a_check_says_that_1024_neurons_lack_flash_and_time(big, run, monkeypatch):
    part = TARGETS["cortex_m33"]
    for program, package in part.tools.items():
        need(program, package)
    monkeypatch.setattr("hw_targets.targets", lambda: {part.name: part})
    monkeypatch.setattr("hw_targets.machines.c_target._COUNTED_STEPS", 20)
    save_network(big[0], Path("big.int.h5"))
    done = run("check", "big.int.h5", "--json")
    assert done.code == 1
    (row,) = json.loads(done.out)["targets"]
    assert not row["fits"]
    assert row["flash"] > 1024 * (1024 + 192)
    assert row["instructions_worst_case"] > 1024 * (1024 + 192) * 4
    flash, time = row["violations"]
    assert "1048576 B. --layout compact takes" in flash
    assert time.startswith(f"time: {row['instructions_worst_case']} instructions in the worst")
