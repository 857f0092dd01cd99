"""Which arithmetic C may use for a network, decided by worst cases of its weights."""

from dataclasses import dataclass

import numpy as np

from sim.bounds.layers import state_bounds
from sim.network import CubaLIF, IntegerNetwork
from sim.reference import bias_of

_WORD = (1 << 31) - 1


@dataclass(frozen=True)
class Arithmetic:
    """What the C may leave out.

    Attributes:
        syn_fits, mem_fits: no synaptic current, or membrane, overflows.
        headroom: see `has_headroom`.
        words: see `fits_in_words`.
    """

    syn_fits: bool
    mem_fits: bool
    headroom: bool
    words: bool


def arithmetic_of(network: IntegerNetwork) -> Arithmetic:
    """The narrowest arithmetic that worst cases of a network allow."""
    return Arithmetic(*never_overflows(network), has_headroom(network), fits_in_words(network))


def never_overflows(network: IntegerNetwork) -> tuple[bool, bool]:
    """Whether worst cases exclude that any synaptic current, or any membrane, overflows."""
    c = network.contract
    bounds = state_bounds(network).values()
    return (
        all(b.syn_bits <= c.syn_bits for b in bounds),
        all(b.mem_bits <= c.mem_bits for b in bounds),
    )


def has_headroom(network: IntegerNetwork) -> bool:
    """Whether no word reaches 2^30 and no decay is unity, so that twice a word is one too."""
    c = network.contract
    bounds = state_bounds(network)
    words = [
        min(int(b.max()), 1 << (bits - 1))
        for found in bounds.values()
        for b, bits in ((found.syn, c.syn_bits), (found.mem, c.mem_bits))
    ]
    initial = int(np.abs(network.readout.initial_out.astype(np.int64)).max())
    decays = [a for x in network.layers for a in (x.decay_syn, x.decay_mem)]
    unity = any(int(decay.max()) == 1 << c.decay_frac for decay in decays)
    return max(*words, initial) < 1 << 30 and not unity


def fits_in_words(network: IntegerNetwork) -> bool:
    """Whether 32 bits hold every sum on the way, also those that overflow the contract's words."""
    c = network.contract
    syn_top, mem_top = (1 << (bits - 1) for bits in (c.syn_bits, c.mem_bits))
    bounds = state_bounds(network)
    for name, layer in zip(network.layer_names, network.layers, strict=True):
        if isinstance(layer, CubaLIF):
            arriving = np.abs(layer.w_in.astype(np.int64)).sum(1) << layer.e_in.astype(np.int64)
            if layer.w_rec is not None:
                recurrent = np.abs(layer.w_rec.astype(np.int64)).sum(1)
                arriving = arriving + (recurrent << layer.e_rec.astype(np.int64))
            threshold = np.abs(layer.threshold.astype(np.int64)).max()
        else:
            arriving = np.abs(layer.w_out.astype(np.int64)).sum(1)
            threshold = np.int64(0)
        most = int(arriving.max()) * (1 << c.frac_bits) + int(np.abs(bias_of(layer)).max())
        syn = min(int(bounds[name].syn.max()), syn_top)
        mem = min(int(bounds[name].mem.max()), mem_top)
        if most + syn > _WORD:
            return False
        if mem + syn + int(threshold) > _WORD:
            return False
    return True
