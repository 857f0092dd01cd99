from dataclasses import replace

import numpy as np
import pytest
from networks import random_network

from sim.contract import PAPER
from sim.energy import energy


def test_the_estimate_is_what_its_description_says():
    contract = replace(PAPER, syn_bits=20, mem_bits=28)
    network = random_network(np.random.default_rng(0), contract, n_inputs=12, hidden=(8,))
    found = energy(network, 30.0)
    # below 8 kB: 10 pJ to read 64 bits; an AC adds 32 bits and reads 8
    assert found.synapses == pytest.approx(30.0 * (0.1 + 8 * 10 / 64))
    # each of 10 neurons: two decays, two additions, a comparison, 48 bits of state in and out
    assert found.neurons == pytest.approx(10 * (2 * 3.2 + 0.1 + 96 * 10 / 64))
    assert found.total == found.synapses + found.neurons


def test_a_network_that_fills_a_larger_memory_pays_more_for_every_read():
    rng = np.random.default_rng(0)
    small = random_network(rng, n_inputs=12, hidden=(8,))
    large = random_network(rng, n_inputs=96, hidden=(200,))
    assert energy(large, 1.0).synapses > energy(small, 1.0).synapses
