"""Kernels written from a layer's step: the words and counts of the tuned kernel on its own kind."""

import numpy as np
import pytest
from networks import covering_contracts, random_network, random_raster

from sim import reference
from sim.fast import simulator
from sim.fast.packed import pack_raster
from sim.fast.simulator import Simulator
from sim.fast.tuned import Tuned
from sim.trace import count_differences


def both(network, monkeypatch) -> tuple[Simulator, Simulator]:
    """A simulator that is tuned and one that is generated."""
    tuned = Simulator(network)
    monkeypatch.setattr(simulator, "is_tuned", lambda network: False)
    generated = Simulator(network)
    assert isinstance(tuned._engine, Tuned)
    assert not isinstance(generated._engine, Tuned)
    return tuned, generated


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(covering_contracts("numba"))))
def test_a_generated_kernel_gives_words_and_counts_of_the_tuned_one(number, monkeypatch):
    rng = np.random.default_rng(number)
    contract = covering_contracts("numba")[number]
    network = random_network(
        rng, contract, hidden=(7, 5), n_heads=2, biased=number % 2 == 1, recurrent=number % 3 > 0
    )
    raster = random_raster(rng, 80, 12)
    tuned, generated = both(network, monkeypatch)
    for _ in range(2):  # and once more after a reset
        for part in (raster[:0], raster[:31], pack_raster(raster[31:50]), raster[50:]):
            expected, found = (s.step_block(part, record=True) for s in (tuned, generated))
            assert count_differences(expected.trace, found.trace) == 0
            assert np.array_equal(expected.out, found.out)
            for counts in ("input_counts", "sent_counts", "returned_counts", "hidden_spikes"):
                assert np.array_equal(getattr(tuned, counts), getattr(generated, counts)), counts
        assert tuned.hidden_spikes
        tuned.reset()
        generated.reset()
    silent = generated.step_block(raster).out
    assert np.array_equal(silent, reference.run(network, raster).variables["readout.out"])
