"""Quantization of first-spike networks: one scale for all weights, thresholds rounded down.

With a scale s, weights and potentials are whole multiples of s / 2^frac_bits, and

    w_in       = round(w / s)
    threshold  = floor(theta 2^frac_bits / s), below which the same potentials stay silent
    decay_mem  = exp(-1 / (t_max leak_tau)) per tick, unity without a leak

One scale, because neurons that spike in one tick are ordered by their potentials. Scales of their
own, as other layers have, cost up to 0.24 of accuracy on digits. Integers are of exact semantics.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from base.errors import DataError, RangeError, UnsupportedError
from export.quantization.precision import Precision
from export.quantization.rounding import round_weights
from rsnn.first_spike.layer import decays
from rsnn.first_spike.network import FirstSpikeNetwork
from sim.contract import MAX_STATE_BITS, PAPER, signed_range
from sim.kinds.first_spike import FirstSpike
from sim.network import IntegerNetwork

_LONGEST_TICK = 1.0  # s
CONTRACT = replace(PAPER, current="new", delay_steps=0, inputs_once=True)


def quantize_first_spike(
    network: FirstSpikeNetwork,
    precision: Precision,
    *,
    dt: float,
    metadata: Mapping[str, Any] | None = None,
) -> IntegerNetwork:
    """Round a first-spike network to integers, a layer that decides alone.

    Args:
        network: the network.
        precision: widths, and the rule for the scale; `per_layer`.
        dt: seconds per tick.
        metadata: provenance to store with the network.

    Raises:
        UnsupportedError: the precision asks for a scale per neuron.
        DataError: all weights are zero.
        RangeError: a tick that is none, or words too narrow for the ticks of a sample and the
            potentials.
    """
    check_tick(dt)
    if not precision.per_layer:
        raise UnsupportedError(
            "neurons that spike in one tick are ordered by their potentials, so all weights need"
            " one scale; with a scale per neuron up to 0.24 of accuracy were lost. Quantize with"
            " `per_layer`"
        )
    if not network.w.any():
        raise DataError("all weights are zero; train the network again")
    nothing = np.zeros((len(network.w), 0))
    rounded = round_weights(network.w, nothing, (precision.steps("in"), 1), precision)
    unit = rounded.grid.unit[0] * 2.0 ** rounded.grid.e_in[0] / 2.0**precision.frac_bits
    weights = rounded.w_in << precision.frac_bits
    low, high = (
        int(each.sum(1).max()) for each in (np.maximum(-weights, 0), np.maximum(weights, 0))
    )
    threshold = np.floor(network.threshold / unit)
    n, lead = len(network.w), (low + high).bit_length()
    needed = max((network.t_max << lead) + high, int(np.abs(threshold).max())).bit_length() + 1
    mem_bits = precision.mem_bits or needed
    if needed > min(mem_bits, MAX_STATE_BITS):
        raise RangeError(
            f"`out` orders neurons by {network.t_max} ticks and potentials of -{low}..{high}, which"
            f" takes {needed} bits; {min(mem_bits, MAX_STATE_BITS)} are possible. Quantize with"
            " fewer `bits` or `frac_bits`, or round the samples to fewer ticks"
        )
    contract = replace(
        CONTRACT,
        weight_bits=precision.width("in"),
        decay_frac=precision.decay_bits,
        frac_bits=precision.frac_bits,
        syn_bits=precision.syn_bits or mem_bits,
        mem_bits=mem_bits,
    )
    unity, per_tick = 1 << contract.decay_frac, decays(network.leak_tau, network.t_max)
    decay = unity if not per_tick.size else int(np.rint(per_tick[1] * unity))
    layer = FirstSpike(
        w_in=rounded.w_in,
        decay_mem=np.full(n, decay),
        threshold=np.clip(threshold, *signed_range(mem_bits)).astype(np.int64),
        lead_step=np.full(n, 1 << lead),
        lead_start=np.full(n, network.t_max << lead),
        label=np.arange(n) // network.neurons_per_class,
    )
    return IntegerNetwork((layer,), contract, dt, dict(metadata or {}))


def check_tick(dt: float) -> None:
    """Refuse a length that no step has.

    Raises:
        RangeError: it is not above 0 s, or above 1 s.
    """
    if not 0 < dt <= _LONGEST_TICK:
        raise RangeError(
            f"`dt` is {dt:g} s; a step must be longer than 0 s and last at most {_LONGEST_TICK:g} s"
        )
