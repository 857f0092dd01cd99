"""How a network is arranged decides no word: every width of arithmetic equals the reference."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from networks import covering_contracts, random_network, random_raster

from sim import reference
from sim.contract import PAPER
from sim.fast import runs
from sim.fast.arena import LANES, arrange
from sim.trace import first_difference

# (bits of weights, bits of their sums) x whether sums of a step take 64 bits, and the choices of
# contracts, of which every two occur together: nothing else is compiled apart.
CONTRACTS = covering_contracts("numba")
WIDTHS = tuple(product(((8, 16), (8, 32), (16, 32)), (False, True)))


def of_width(weight_bits: int, sum_bits: int, is_wide: bool, contract, rng):
    bits = {8: 8, 16: 11}[weight_bits]
    state = 32 if is_wide else 24
    n_inputs = 1500 if (weight_bits, sum_bits) == (8, 32) else 20
    contract = replace(
        contract, weight_bits=bits, frac_bits=2, syn_bits=state, mem_bits=state, decay_frac=11
    )
    sparsity = 0.1 if n_inputs == 1500 else 0.5
    network = random_network(
        rng, contract, n_inputs=n_inputs, hidden=(LANES + 3, 5), sparsity=sparsity, n_heads=2
    )
    if not is_wide:
        return network
    unity = np.full(LANES + 3, 1 << contract.decay_frac)
    endless = replace(network.hidden[0], decay_syn=unity)
    return replace(network, layers=(endless, *network.layers[1:]))


@pytest.mark.parametrize("contract", CONTRACTS, ids=range(len(CONTRACTS)))
@pytest.mark.parametrize(("widths", "is_wide"), WIDTHS)
def test_every_width_of_arithmetic_equals_the_reference(widths, is_wide, contract):
    rng = np.random.default_rng(5)
    network = of_width(*widths, is_wide, contract, rng)
    arena = arrange(network)
    assert arena.w_in.dtype.itemsize * 8 == widths[0]
    assert arena.sum_dtype.itemsize * 8 == widths[1]
    assert arena.is_wide == is_wide
    raster = random_raster(rng, 150, network.n_inputs)
    expected = reference.run(network, raster)
    assert first_difference(expected, runs.run_backend(network, raster)) is None
    assert expected.variables["hidden0.spk"].any()
    assert expected.variables["readout.out"].any()


def test_the_widths_tested_are_all_there_are():
    found = set()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        bits = {"weight_bits": int(rng.choice([4, 8, 12])), "decay_frac": int(rng.choice([1, 12]))}
        bits |= {name: int(rng.integers(12, 33)) for name in ("syn_bits", "mem_bits")}
        shape = {"n_inputs": int(rng.choice([9, 1500])), "sparsity": 0.0}
        arena = arrange(random_network(rng, replace(PAPER, **bits), **shape))
        weights, sums = arena.w_in.dtype.itemsize * 8, arena.sum_dtype.itemsize * 8
        found.add(((weights, sums), arena.is_wide))
    assert found == set(WIDTHS)


def test_spare_lanes_have_no_weights_and_never_fire():
    network = random_network(np.random.default_rng(1), hidden=(5,), n_inputs=3)
    arena = arrange(network)
    assert arena.n_lanes == 2 * LANES
    assert not arena.w_in[: 3 * LANES].reshape(3, LANES)[:, 5:].any()
    fields = arena.words.reshape(2, 8, LANES)
    assert (fields[0, 4, 5:] == 2**31 - 1).all()
