"""The contract `xylo` computes what the chip's public simulator does, where words saturate too."""

import os
from pathlib import Path

import numpy as np
import pytest
from oracles import replay
from tools import needed_module

from hw_targets.machines.xylo.chip import Chip
from hw_targets.machines.xylo.simulator import Core
from sim import reference
from sim.bounds.layers import state_bounds
from sim.contract import XYLO
from sim.intermediates import asked_in

PAGE = Path(__file__).parents[1] / "docs" / "chips.md"
N = 300 if "RSNN_TEST_ALL" in os.environ else 60


def drawn(seed):
    """Arrays of a network as a trace of the chip has them; every third has large weights."""
    rng = np.random.default_rng(seed)
    n_inputs, n, rows = int(rng.integers(2, 17)), int(rng.integers(3, 20)), int(rng.integers(1, 5))
    k = 1 + seed % 2
    large = seed % 3 == 2
    top = (1 << 15) - 1

    def weights(*shape):
        size = 127 if large else 40
        found = rng.integers(-size - 1, size + 1, shape) * (rng.random(shape) < 0.7)
        return np.where(rng.random(shape) < 0.02, -128, found)

    def shift():
        return np.array(rng.integers(0, 9 if large else 3))

    def biases(count):
        return rng.integers(-500, 500, count) * (seed % 4 == 1)

    most = 20 if seed % 5 == 4 else 1
    low = 0 if seed % 7 == 3 else 1
    return {
        "version": np.array(1 if seed % 6 == 5 else 2),
        "raster": rng.integers(0, most + 1, (60, n_inputs)) * (rng.random((60, n_inputs)) < 0.4),
        "w_in": weights(n_inputs, n, k),
        "w_rec": weights(n, n, k),
        "w_out": weights(n, rows, 1),
        "shift_in": shift(),
        "shift_rec": shift(),
        "shift_out": shift(),
        "threshold": rng.integers(1, 30_000 if large else 900, n),
        "threshold_out": rng.integers(1, top, rows) if seed % 2 else np.full(rows, top),
        "decay_mem": rng.integers(low, 16, n),
        "decay_mem_out": rng.integers(low, 16, rows),
        "decay_syn": rng.integers(low, 16, (n, k)),
        "decay_syn_out": rng.integers(low, 16, (rows, 1)),
        "bias": biases(n) * (seed % 6 != 5),
        "bias_out": biases(rows) * (seed % 6 != 5),
    }


def simulated(arrays):
    """The words that XyloSim computes, in two blocks."""
    scalars = ("version", "shift_in", "shift_rec", "shift_out")
    given = {key: int(array) if key in scalars else array for key, array in arrays.items()}
    raster = given.pop("raster")
    core = Core(Chip(**given))
    blocks = [core.steps(raster[:23]), core.steps(raster[23:])]
    return {key: np.concatenate([block[key] for block in blocks]) for key in blocks[0]}


@pytest.mark.slow
def test_every_word_is_that_of_the_simulator_where_words_saturate_too():
    needed_module("xylosim")
    saturated = fired = several = ties = 0
    for seed in range(N):
        arrays = drawn(seed)
        found = simulated(arrays)
        report = replay.replay(arrays | found, Path("drawn.npz"))
        assert (report.words > 0, report.differences) == (True, 0), seed
        ends = (-(1 << 15), (1 << 15) - 1)
        saturated += int(np.isin(found["mem"], ends).sum())
        several += int((found["spk"] > 1).sum())
        fired += int(found["spk_out"].sum())
        ties += int((found["mem"] == 0).sum())
    assert min(saturated, several, fired, ties) > 20


@pytest.mark.slow
def test_bounds_hold_what_the_chip_s_words_are_asked_to_hold():
    for seed in range(0, 24, 2):
        arrays = drawn(seed)
        network = replay.xylo_network(arrays)
        raster = np.minimum(arrays["raster"], 15).astype(np.uint8)
        trace = reference.run(network, raster)
        bounds = state_bounds(network)
        for i, name in enumerate(network.layer_names):
            for state, asked in asked_in(network, raster, trace, i).items():
                held = bounds[name].range_of(state)
                assert (asked.low >= held.low).all(), (seed, name, state)
                assert (asked.high <= held.high).all(), (seed, name, state)


def test_traces_of_the_simulator_are_replayed_without_a_differing_word(shared, capsys):
    files = sorted((shared / "chips" / "xylo").glob("*.npz"))
    assert len(files) == 14
    assert replay.main([str(path) for path in files]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "72720 words, 0 differ"
    assert not any("not replayed" in line for line in lines)
    assert "all 14 traces of Xylo, 72,720 words" in " ".join(PAGE.read_text("utf-8").split())


def test_weights_that_shifting_brings_beyond_16_bits_wrap_as_on_the_chip():
    arrays = drawn(0) | {"shift_in": np.array(10)}
    arrays["w_in"][0, 0, 0] = 100
    network = replay.xylo_network(arrays)
    assert network.contract.weight_bits == 16
    hidden = network.hidden[0]
    assert hidden.w_in[0, 0] == ((100 << 10) + (1 << 15)) % (1 << 16) - (1 << 15)
    assert not hidden.e_in.any()
    assert replay.xylo_network(drawn(0)).contract == XYLO
