import re
from dataclasses import replace

import numpy as np
import pytest
from networks import random_network, random_raster

from base.errors import MismatchError
from base.metrics import r2_score
from sim.contract import PAPER
from sim.fast import runs
from sim.metrics import RunningR2, evaluate_run, storage


@pytest.mark.parametrize("delay_steps", [1, 0])
def test_the_figures_are_those_counted_step_by_step(delay_steps):
    rng = np.random.default_rng(2)
    contract = replace(PAPER, delay_steps=delay_steps)
    network = random_network(rng, contract, hidden=(7, 5), n_heads=2)
    raster = random_raster(rng, 200, network.n_inputs)
    run = runs.run(network, raster, record=True)
    spikes = [run.trace.variables[f"hidden{i}.spk"] for i in range(2)]
    operations = 0
    for t in range(200):
        for weights, source, delay in (
            (network.hidden[0].w_in, raster, delay_steps),
            (network.hidden[0].w_rec, spikes[0], 1),
            (network.hidden[1].w_in, spikes[0], delay_steps),
            (network.hidden[1].w_rec, spikes[1], 1),
            (network.readout.w_out, spikes[1], delay_steps),
        ):
            if t >= delay:
                operations += np.count_nonzero(weights[:, source[t - delay] == 1])
    velocity = rng.normal(size=(200, 2))
    found = evaluate_run(network, run, velocity)
    weights = list(network.connections().values())
    assert found.effective_acs == operations / 200 > 0
    assert found.dense == sum(w.size for w in weights) == 7 * 12 + 7 * 7 + 5 * 7 + 5 * 5 + 4 * 5
    zero = sum((w == 0).sum() for w in weights)
    assert found.connection_sparsity == round(zero / found.dense, 4)
    assert found.activation_sparsity == 1 - sum(s.sum() for s in spikes) / (12 * 200)
    assert found.r2 == r2_score(network.readout.decode(run.out), velocity)
    assert found.effective_macs == 0.0
    assert found.n_steps == 200


def test_without_a_target_there_is_no_r2():
    network = random_network(np.random.default_rng(2))
    run = runs.run(network, np.zeros((10, 12), np.uint8))
    assert np.isnan(evaluate_run(network, run, None).r2)


def test_the_stored_bits_are_the_smaller_of_dense_and_bitmap():
    rng = np.random.default_rng(3)
    contract = replace(PAPER, mem_bits=20)
    for sparsity, encoding in ((0.0, "dense"), (0.6, "bitmap")):
        network = random_network(rng, contract, sparsity=sparsity)
        layer = replace(network.hidden[0], e_in=np.zeros(8, int), e_rec=np.full(8, 3))
        layer = replace(layer, decay_syn=np.zeros(8, int), decay_mem=np.full(8, 4095))
        readout = replace(network.readout, decay_syn=np.full(2, 4096))
        network = replace(network, layers=(layer, readout))
        weights = list(network.connections().values())
        present = sum(np.count_nonzero(w) for w in weights)
        n_weights = 8 * 12 + 8 * 8 + 2 * 8
        other = 8 * (12 + 12 + 20 + 2) + 2 * (13 + 13 + 20)
        found = storage(network)
        assert found.dense_bits == other + 8 * n_weights
        assert found.sparse_bits == other + n_weights + 8 * present
        assert found.encoding == encoding
        assert found.stored_bits == min(found.dense_bits, found.sparse_bits)


@pytest.mark.parametrize("length", [1, 7, 50, 1000])
def test_r2_of_blocks_is_that_of_the_whole(length):
    rng = np.random.default_rng(8)
    target = rng.normal([1e3, -5.0], [3.0, 0.1], (333, 2)).astype(np.float32)
    decoded = target + rng.normal(0, 0.05, target.shape)
    running = RunningR2()
    assert np.isnan(running.value)
    for start in range(0, 333, length):
        running.add(decoded[start : start + length], target[start : start + length])
    whole = r2_score(decoded, target)
    assert running.value == pytest.approx(whole, rel=1e-12)  # sums round in another order
    assert running.value == whole or length < 333


def scores(decoded, target):
    """R2 as a whole, and in two blocks."""
    running = RunningR2()
    for part in (slice(0, 4), slice(4, None)):
        running.add(decoded[part], target[part])
    return r2_score(decoded, target), running.value


@pytest.mark.parametrize("shape", [(9, 1), (9, 7), (9,), (8, 2)])
def test_what_is_decoded_and_its_target_have_one_shape(shape):
    target, decoded = np.random.default_rng(0).normal(size=(9, 2)), np.zeros(shape)
    text = f"the target has shape (9, 2), what is decoded {shape}; cut both from the same steps"
    for score in (r2_score, RunningR2().add):
        with pytest.raises(MismatchError, match=re.escape(text)):
            score(decoded, target)


def test_r2_is_undefined_where_a_coordinate_never_changes():
    target = np.random.default_rng(0).normal(size=(9, 2))
    assert np.isfinite(scores(target + 1, target)).all()
    target[:, 1] = 0.1  # whose mean is not 0.1 to the last bit
    assert np.isnan(scores(target + 1, target)).all()
    for step in (0, 2, 8):  # in the first block, or in the second
        moved = target.copy()
        moved[step, 1] = 0.2
        assert np.isfinite(scores(moved + 1, moved)).all()
