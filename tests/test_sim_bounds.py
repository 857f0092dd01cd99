from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import covering_contracts, networks, random_network, random_raster

from sim import kernels
from sim.bounds import state_bounds
from sim.contract import MAX_STATE_BITS, PAPER

WIDE = [replace(c, syn_bits=32, mem_bits=32) for c in covering_contracts()]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(networks(WIDE), st.integers(0, 2**32 - 1))
def test_no_input_drives_a_state_beyond_its_bound(network, seed):
    network = replace(network, contract=replace(network.contract, syn_bits=32, mem_bits=32))
    bounds = state_bounds(network)
    raster = random_raster(np.random.default_rng(seed), 60, network.n_inputs)
    trace = kernels.run_backend(network, raster)
    for name in network.layer_names:
        membrane = "out" if name == "readout" else "mem"
        for variable, bound in (("syn", bounds[name].syn), (membrane, bounds[name].mem)):
            found = np.abs(trace.variables[f"{name}.{variable}"].astype(np.int64)).max(0)
            assert (found <= np.minimum(bound, 2**31)).all(), (name, variable)


def test_a_decay_of_unity_has_no_bound_and_silence_has_the_bound_zero():
    network = random_network(np.random.default_rng(0), PAPER, recurrent=False)
    layer = network.hidden[0]
    endless = replace(layer, decay_syn=np.full(8, 1 << PAPER.decay_frac))
    bounds = state_bounds(replace(network, layers=(endless, network.readout)))
    assert bounds["hidden0"].syn_bits == 64 > MAX_STATE_BITS
    silent = replace(endless, w_in=np.zeros((8, 12), int))
    bounds = state_bounds(replace(network, layers=(silent, network.readout)))
    assert not bounds["hidden0"].syn.any()
