"""A stream in blocks, many streams at once, and rasters of bits give the words of one run."""

from dataclasses import replace

import numpy as np
import pytest
from networks import random_network, random_raster

from base.errors import DataError, MismatchError, RangeError
from sim.contract import PAPER
from sim.fast import runs
from sim.fast.packed import PackedRaster, pack_raster
from sim.fast.simulator import Simulator
from sim.network import IntegerNetwork


@pytest.fixture(params=[1, 0], ids=["delay", "no delay"])
def network(request) -> IntegerNetwork:
    contract = replace(PAPER, delay_steps=request.param)
    rng = np.random.default_rng(2)
    return random_network(rng, contract, n_inputs=21, hidden=(18, 7), n_heads=2)


@pytest.mark.parametrize("length", [1, 7, 100])
def test_blocks_of_any_length_leave_the_words_of_one_run(network, length):
    raster = random_raster(np.random.default_rng(0), 230, network.n_inputs)
    whole = runs.run(network, raster, record=True)
    simulator = Simulator(network)
    blocks = [
        simulator.step_block(raster[t : t + length], record=True) for t in range(0, 230, length)
    ]
    for name, words in whole.trace.variables.items():
        assert np.array_equal(np.concatenate([b.trace.variables[name] for b in blocks]), words)
    assert np.array_equal(np.concatenate([b.out for b in blocks]), whole.out)
    assert np.array_equal(simulator.input_counts, whole.input_counts)
    assert np.array_equal(simulator.sent_counts, whole.sent_counts)
    assert np.array_equal(simulator.returned_counts, whole.returned_counts)
    assert simulator.hidden_spikes == whole.hidden_spikes > 0
    assert simulator.n_steps == 230


def test_reset_goes_back_to_the_initial_state(network):
    raster = random_raster(np.random.default_rng(1), 90, network.n_inputs)
    simulator = Simulator(network)
    first = simulator.step_block(raster).out
    assert not np.array_equal(simulator.step_block(raster).out, first)
    simulator.reset()
    assert simulator.hidden_spikes == simulator.n_steps == 0
    assert np.array_equal(simulator.step_block(raster).out, first)


def test_no_steps_change_nothing(network):
    simulator = Simulator(network)
    block = simulator.step_block(np.zeros((0, network.n_inputs), np.uint8), record=True)
    assert block.out.shape == (0, 4)
    assert block.trace.n_steps == simulator.n_steps == 0


@pytest.mark.parametrize("n_inputs", [1, 8, 63, 64, 65, 130])
def test_a_packed_raster_leaves_the_words_of_the_plain_one(n_inputs):
    network = random_network(np.random.default_rng(3), n_inputs=n_inputs)
    raster = random_raster(np.random.default_rng(4), 120, n_inputs)
    packed = pack_raster(raster)
    assert packed.shape == raster.shape
    plain, found = (runs.run(network, r, record=True) for r in (raster, packed))
    for name, words in plain.trace.variables.items():
        assert np.array_equal(found.trace.variables[name], words), name
    assert np.array_equal(found.input_counts, plain.input_counts)


def test_plain_and_packed_blocks_may_alternate(network):
    raster = random_raster(np.random.default_rng(5), 100, network.n_inputs)
    simulator = Simulator(network)
    parts = [raster[:30], pack_raster(raster[30:70]), raster[70:]]
    found = np.concatenate([simulator.step_block(part).out for part in parts])
    assert np.array_equal(found, runs.run(network, raster).out)


def test_rasters_of_any_type_layout_and_alignment_agree(network):
    raster = random_raster(np.random.default_rng(6), 64, 24)
    network = random_network(np.random.default_rng(2), n_inputs=24)
    expected = runs.run(network, raster).out
    unaligned = np.frombuffer(b"x" + raster.tobytes(), np.uint8)[1:].reshape(raster.shape)
    for same in (raster.astype(bool), raster.astype(float), np.asfortranarray(raster), unaligned):
        assert np.array_equal(runs.run(network, same).out, expected)


@pytest.mark.parametrize("value", [2, -1, 255, 0.5, np.nan])
def test_a_raster_of_other_values_is_refused(network, value):
    dtype = {2: np.int8, -1: np.int8, 255: np.uint8}.get(value, np.float32)
    raster = np.zeros((5, network.n_inputs), dtype)
    raster[3, 4] = value
    with pytest.raises(DataError, match=f"raster holds {value}; only 0 and 1 are spikes"):
        runs.run(network, raster)


def test_words_that_do_not_fit_the_inputs_are_refused():
    with pytest.raises(MismatchError, match=r"65 inputs need\s+uint64 \(n_steps, 2\)"):
        PackedRaster(np.zeros((3, 1), np.uint64), 65)
    with pytest.raises(DataError, match="beyond the 63 inputs"):
        PackedRaster(np.full((3, 1), 1 << 63, np.uint64), 63)


def test_many_streams_give_the_same_whatever_the_threads(network):
    rng = np.random.default_rng(7)
    rasters = np.stack([random_raster(rng, 80, network.n_inputs) for _ in range(9)])
    expected = [runs.run(network, raster, record=True) for raster in rasters]
    for threads in (None, 1, 2, 5):
        found = runs.run_many(network, rasters, threads=threads, record=True)
        for one, right in zip(found, expected, strict=True):
            for name, words in right.trace.variables.items():
                assert np.array_equal(one.trace.variables[name], words)
            assert np.array_equal(one.input_counts, right.input_counts)
            assert one.hidden_spikes == right.hidden_spikes


def test_many_networks_run_over_rasters_of_their_own(network):
    other = replace(network, contract=replace(network.contract, fires_when=">="))
    rng = np.random.default_rng(8)
    jobs = [(n, random_raster(rng, 20 + 9 * i, 21)) for i, n in enumerate([network, other] * 3)]
    for run, job in zip(runs.run_each(jobs, threads=2), jobs, strict=True):
        assert np.array_equal(run.out, runs.run(*job).out)
        assert run.trace is None
    assert runs.run_each([]) == []
    assert [run.trace for run in runs.run_many(network, [jobs[0][1]] * 2)] == [None, None]


def test_no_threads_are_refused(network):
    with pytest.raises(RangeError, match="threads is 0; at least 1 is needed"):
        runs.run_many(network, [], threads=0)
