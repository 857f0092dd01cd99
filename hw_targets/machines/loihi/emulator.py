"""Loihi's arithmetic in the chip's own parameters, as its public emulators compute it.

    rz(x, d) = sign(x) (|x| (4096 - d) >> 12)
    a        = sum over matrices of (W s[t-1]) << exponent
    u        = rz(u, du + 1) + (a << 6), a word of 24 bits
    v        = clip(rz(v, dv) + u + (bias_mant << bias_exp), -(2^23 - 1), 2^23 - 1)
    s        = v > vth << 6, and v = 0 where it is

It shares no code with the reference.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw_targets.machines.loihi.chip import (
    THRESHOLD_BITS,
    UNITY,
    WORD,
    Integers,
    Population,
    populations,
)
from hw_targets.machines.target import Runner
from sim.layer import OWN
from sim.network import IntegerNetwork
from sim.trace import Trace

_FRAC_BITS = 6


def prepared(network: IntegerNetwork, folder: Path) -> Runner:
    """Make a network ready to run.

    Raises:
        UnsupportedError: compartments do not hold it.
    """
    every = populations(network)
    names = [
        [(connection.name, connection.source) for connection in layer.connections()]
        for layer in network.layers
    ]

    def run(
        blocks: Iterable[NDArray[np.uint8]], n_steps: int
    ) -> Iterator[tuple[NDArray[np.uint8], Trace]]:
        u = [np.zeros_like(each.du) for each in every]
        v = [each.v for each in every]
        spikes = [np.zeros_like(each.du) for each in every]
        arriving = np.zeros(network.n_inputs, np.int64)
        for block in blocks:
            kept: dict[str, list[Integers]] = {}
            for x in block:
                sent = [arriving, *spikes]
                for i, chip in enumerate(every):
                    a = np.zeros_like(chip.du)
                    for name, source in names[i]:
                        weights, exponent = chip.weights[name]
                        a += weights @ sent[i + 1 if source == OWN else i] << exponent
                    u[i], v[i], spikes[i] = compartments(chip, u[i], v[i], a)
                arriving = x.astype(np.int64)
                for name, words in _named(network, u, v, spikes):
                    kept.setdefault(name, []).append(words)
            yield block, Trace({name: np.array(words) for name, words in kept.items()})

    return run


def compartments(
    chip: Population, u: Integers, v: Integers, a: Integers
) -> tuple[Integers, Integers, Integers]:
    """The new u and v and the spikes, (post,) each; `a` (post,) is what arrives."""
    u = _decayed(u, chip.du + 1) + (a << _FRAC_BITS)
    u = (u + WORD) % (2 * WORD) - WORD
    v = np.clip(_decayed(v, chip.dv) + u + (chip.bias_mant << chip.bias_exp), 1 - WORD, WORD - 1)
    spikes = v > chip.vth << THRESHOLD_BITS
    return u, np.where(spikes, 0, v), spikes.astype(np.int64)


def _decayed(x: Integers, d: Integers) -> Integers:
    decayed: Integers = np.sign(x) * (np.abs(x) * (UNITY - d) >> 12)
    return decayed


def _named(
    network: IntegerNetwork, u: list[Integers], v: list[Integers], spikes: list[Integers]
) -> Iterator[tuple[str, Integers]]:
    """The words of all compartments by the names of the network's variables."""
    for i, (name, layer) in enumerate(network.named_layers()):
        if not layer.is_readout():
            yield f"{name}.spk", spikes[i].astype(np.uint8)
        yield f"{name}.syn", u[i].astype(np.int32)
        yield f"{name}.{[*layer.STATES][-1]}", v[i].astype(np.int32)
