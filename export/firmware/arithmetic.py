"""The arithmetic that C may use for a network, decided by worst cases of its weights."""

from dataclasses import dataclass

import numpy as np

from sim.bounds.layers import state_bounds
from sim.bounds.words import fits_in_words
from sim.network import IntegerNetwork


@dataclass(frozen=True)
class Arithmetic:
    """Precautions that the C can omit.

    Attributes:
        syn_fits, mem_fits: no synaptic current, or no membrane, overflows.
        headroom: see `has_headroom`.
        words: see `sim.bounds.words.fits_in_words`.
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
    """Whether no word reaches 2^30 and no decay is unity, so that doubled words still fit."""
    c = network.contract
    bounds = state_bounds(network)
    words = [
        min(int(b.max()), 1 << (bits - 1))
        for found in bounds.values()
        for b, bits in ((found.syn, c.syn_bits), (found.mem, c.mem_bits))
    ]
    *_, decoded = network.readout.STATES
    initial = int(np.abs(network.readout.initial(decoded)).max())
    unity = any(layer.has_unity(c) for layer in network.layers)
    return max(*words, initial) < 1 << 30 and not unity
