"""A network in the parameters of Loihi's compartments, and what of it they do not hold.

Of the chip's public emulators (lava-nc, nengo-loihi, brian2-loihi) these are the ranges; the
compartment of a readout is one that never fires.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from base.errors import UnsupportedError
from sim.arithmetic.ranges import UNBOUNDED
from sim.bounds.layers import state_bounds
from sim.layer import Layer
from sim.network import IntegerNetwork

Integers = NDArray[np.int64]
UNITY = 4096  # of decays
WORD = 1 << 23  # one more than the largest u and v
THRESHOLD_BITS = 6  # below those of `vth`
LARGEST_VTH = (1 << 17) - 1
LARGEST_EXPONENT = 7
_MANTISSA = 1 << 12  # of biases, which have 13 bits and a sign


@dataclass(frozen=True)
class Population:
    """The compartments of a layer. Equations: docs/chips.md.

    Attributes:
        du, dv: (post,) decays, of which 4096 is all.
        vth: (post,) thresholds without their 6 lower bits; of a readout the largest.
        bias_mant, bias_exp: (post,) biases are bias_mant << bias_exp.
        v: (post,) before the first step.
        weights: by name (post, pre), and of each the left shifts (post,).
    """

    du: Integers
    dv: Integers
    vth: Integers
    bias_mant: Integers
    bias_exp: Integers
    v: Integers
    weights: dict[str, tuple[Integers, Integers]]


def populations(network: IntegerNetwork) -> tuple[Population, ...]:
    """The compartments of every layer of a network that the chip holds, from below.

    Raises:
        UnsupportedError: it does not hold it; the message has every reason.
    """
    if found := list(violations(network)):
        raise UnsupportedError("; ".join(found))
    return tuple(_population(layer) for layer in network.layers)


def violations(network: IntegerNetwork) -> Iterator[str]:
    """What of a network under Loihi's contract its compartments do not hold, a line for each.

    Each has the smallest change after which they hold it.
    """
    for name, layer in network.named_layers():
        yield from _ranges(name, layer)
        for connection in layer.connections():
            yield from _weights(f"{name}.{connection.name}", connection.weights)
    yield from _words(network)


def _population(layer: Layer) -> Population:
    vth = np.full(layer.n_neurons, LARGEST_VTH)
    start = layer.initial([*layer.STATES][-1])
    if not layer.is_readout():
        vth = layer.values("threshold") >> THRESHOLD_BITS
    mantissa, exponent = _bias(layer.values("bias"))
    return Population(
        du=UNITY - 1 - layer.values("decay_syn"),
        dv=UNITY - layer.values("decay_mem"),
        vth=vth,
        bias_mant=mantissa,
        bias_exp=exponent,
        v=start,
        weights={
            connection.name: (connection.weights.astype(np.int64), connection.shifts)
            for connection in layer.connections()
        },
    )


def _bias(bias: Integers) -> tuple[Integers, Integers]:
    """Mantissas and exponents, each the smallest that leaves no more bits than a mantissa has."""
    exponent = np.zeros_like(bias)
    for _ in range(LARGEST_EXPONENT):
        exponent += (bias >> exponent < -_MANTISSA) | (bias >> exponent >= _MANTISSA)
    return bias >> exponent, exponent


def _ranges(name: str, layer: Layer) -> Iterator[str]:
    """Constants that a compartment does not hold."""

    def beyond(array: str, low: int, high: int) -> Iterator[str]:
        values = layer.values(array)
        wrong = np.flatnonzero((values < low) | (values > high))
        if wrong.size:
            worst = int(values[wrong[0]])
            yield (
                f"`{name}.{array}` of {_neurons(wrong.size)} is beyond {low}..{high}, of neuron"
                f" {wrong[0]} {worst}: make it {min(max(worst, low), high)}"
            )

    yield from beyond("decay_syn", 0, UNITY - 1)
    yield from beyond("decay_mem", 1, UNITY)
    for connection, (_, shift, _) in zip(layer.connections(), layer.CONNECTIONS, strict=False):
        if connection.shift is not None:
            yield from beyond(shift, 0, LARGEST_EXPONENT)
    if not layer.is_readout():
        yield from beyond("threshold", 0, LARGEST_VTH << THRESHOLD_BITS)
        yield from _steps(name, layer, "threshold", on_grid)
    yield from _steps(name, layer, "bias", _held_bias)


def _steps(
    name: str, layer: Layer, array: str, nearest: Callable[[Integers], Integers]
) -> Iterator[str]:
    """Constants between those that there are."""
    values = layer.values(array)
    off = np.flatnonzero(values != nearest(values))
    if off.size:
        to = int(nearest(values)[off[0]])
        what = {
            "threshold": f"no multiple of {1 << THRESHOLD_BITS}",
            "bias": "no number of 13 bits shifted by 0..7",
        }
        yield (
            f"`{name}.{array}` of {_neurons(off.size)} is {what[array]}, of neuron {off[0]}"
            f" {int(values[off[0]])}: make it {to}"
        )


def on_grid(thresholds: Integers) -> Integers:
    """The nearest thresholds that there are, of two the larger."""
    return (thresholds + (1 << THRESHOLD_BITS - 1)) >> THRESHOLD_BITS << THRESHOLD_BITS


def _held_bias(bias: Integers) -> Integers:
    """The nearest biases that there are, of two the larger."""
    most = _MANTISSA - 1 << LARGEST_EXPONENT
    within = np.clip(bias, -_MANTISSA << LARGEST_EXPONENT, most)
    _, exponent = _bias(within)
    rounded = (within + (1 << exponent >> 1)) >> exponent << exponent
    return np.minimum(rounded, most)


def _weights(name: str, weights: NDArray[np.integer]) -> Iterator[str]:
    """Weights of 8 bits, of which a sign takes the lowest where a matrix has both."""
    low, high = int(weights.min()), int(weights.max())
    if low >= 0 or high <= 0:
        if low < -255:
            yield f"`{name}` holds {low}; without weights of the other sign -255 is the least"
        return
    odd = int((weights & 1).sum())
    if odd:
        yield (
            f"`{name}` has both signs and {odd} odd weights; the chip keeps even ones there: round"
            " them, or double the weights and make the shifts of the row one less"
        )


def _words(network: IntegerNetwork) -> Iterator[str]:
    """Words that could leave the range in which the chip and all its emulators agree."""
    bounds = state_bounds(network, unlimited=True)
    for name, layer in network.named_layers():
        found = bounds[name].range_of("syn")
        largest = int(np.maximum(-found.low, found.high).max())
        if largest >= WORD:
            yield (
                f"`{name}.syn` is not proven to stay below 2^23, where emulators part: it can reach"
                f" {_too_far(largest, WORD)}"
            )
        if layer.is_readout():
            top, most = int(bounds[name].range_of("out").high.max()), LARGEST_VTH << THRESHOLD_BITS
            if top > most:
                yield (
                    f"`{name}.out` is not proven to stay below the largest threshold, {most}, at"
                    f" which it would fire: it can reach {_too_far(top, most + 1)}"
                )


def _too_far(value: int, end: int) -> str:
    """How far a word can go, and what brings it below an end."""
    if value >= UNBOUNDED:
        return "any size, as a decay is 4096 in 4096: make it less"
    n_bits = (value // end).bit_length()
    return f"{value}. Make its weights {n_bits} bit{'' if n_bits == 1 else 's'} smaller"


def _neurons(n: int) -> str:
    return f"{n} neuron{'' if n == 1 else 's'}"
