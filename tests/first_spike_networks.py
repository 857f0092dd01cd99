"""Networks that first spikes decide, with a sample for each."""

from dataclasses import replace

import numpy as np

from sim.contract import PAPER
from sim.kinds.first_spike import FirstSpike
from sim.network import IntegerNetwork

T = 16
CONTRACT = replace(PAPER, current="new", delay_steps=0, frac_bits=0, inputs_once=True)


def drawn(seed, n=10, n_inputs=24, *, leak=False, **fields):
    """A network, and a sample of one event per input at most: times (n_inputs,) and raster."""
    rng = np.random.default_rng(seed)
    weights = rng.integers(-20, 60, (n, n_inputs))
    step = 1 << int(np.abs(weights).sum(1).max()).bit_length() + 1
    unity = 1 << CONTRACT.decay_frac
    layer = FirstSpike(
        w_in=weights,
        decay_mem=rng.integers(unity // 2, unity, n) if leak else np.full(n, unity),
        threshold=rng.integers(150, 450, n),
        lead_step=np.full(n, step),
        lead_start=np.full(n, T * step),
        label=np.arange(n) // 2,
    )
    times = rng.integers(0, T + 4, n_inputs)
    raster = np.zeros((T, n_inputs), np.uint8)
    raster[times[times < T], np.flatnonzero(times < T)] = 1
    return IntegerNetwork((layer,), replace(CONTRACT, **fields), 1e-3), times, raster
