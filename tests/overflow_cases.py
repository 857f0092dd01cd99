"""Networks, rasters and a recorder to test bounds and witnesses."""

from dataclasses import replace
from itertools import product

import numpy as np
from hypothesis import strategies as st
from networks import CHOICES, random_network

from sim import reference
from sim.arithmetic.ranges import UNBOUNDED
from sim.bounds.layers import LayerBounds
from sim.contract import PAPER, NumericContract, signed_range
from sim.intermediates import asked_in
from sim.network import IntegerNetwork

EVERY = [dict(zip(CHOICES, values, strict=True)) for values in product(*CHOICES.values())]
BY_HAND = [choices for choices in EVERY if replace(PAPER, **choices).is_computed_by("bounds")]


def asked_words(network: IntegerNetwork, raster: np.ndarray) -> dict[str, np.ndarray]:
    """Smallest and largest value a run asks each word to hold, (2, n_neurons), by state name."""
    trace = reference.run(network, raster)
    return {
        f"{name}.{state}": np.stack([found.low.min(0), found.high.max(0)])
        for index, name in enumerate(network.layer_names)
        for state, found in asked_in(network, raster, trace, index).items()
    }


def violations(found: dict[str, np.ndarray], bounds: dict[str, LayerBounds]) -> list[str]:
    """Variables that were asked to hold more than their bounds."""
    wrong = []
    for name, (lowest, highest) in found.items():
        layer, variable = name.split(".")
        low, high = bounds[layer].range_of(variable)
        low, high = (
            np.where(low <= -UNBOUNDED, -(2**62), low),
            np.where(high >= UNBOUNDED, 2**62, high),
        )
        if (lowest < low).any() or (highest > high).any():
            wrong.append(name)
    return wrong


def small_network(rng: np.random.Generator, contract: NumericContract) -> IntegerNetwork:
    """A random network with special cases: decays 0 and unity, zero rows, extreme weights."""
    hidden = tuple(rng.integers(1, 5, rng.integers(1, 3)))
    network = random_network(
        rng,
        contract,
        n_inputs=int(rng.integers(1, 6)),
        hidden=hidden,
        recurrent=bool(rng.integers(2)),
        sparsity=rng.choice([0.0, 0.3, 0.8]),
        threshold=int(rng.choice([0, 3, 40, 1000, 2**20])),
        biased=bool(rng.integers(2)),
    )
    unity = contract.largest_decay
    lowest = signed_range(contract.weight_bits)[0]
    layers = []
    for layer in network.layers:
        changes = {}
        for key, value in vars(layer).items():
            if key.startswith("decay"):
                special = rng.choice([0, 1, unity - 1, unity], value.shape)
                changes[key] = np.where(rng.random(value.shape) < 0.4, special, value)
            elif key.startswith("w_") and value is not None:
                changes[key] = np.where(rng.random(value.shape) < 0.1, lowest, value)
                changes[key] = changes[key] * (rng.random((len(value), 1)) > 0.15)
            elif key == "threshold" and rng.random() < 0.3:
                ends = signed_range(contract.mem_bits)
                changes[key] = np.where(rng.random(value.shape) < 0.3, rng.choice(ends), value)
        layers.append(replace(layer, **changes))
    return replace(network, layers=tuple(layers))


def pushing_raster(rng: np.random.Generator, network: IntegerNetwork, n_steps: int) -> np.ndarray:
    """Inputs that push one neuron of the first layer up or down, in stretches, with some noise."""
    weights = network.hidden[0].w_in[rng.integers(network.hidden[0].n_neurons)]
    signs = np.repeat(rng.choice([-1, 0, 1], 4), -(-n_steps // 4))[:n_steps, None]
    raster = (weights * signs > 0) | (signs == 0) & (rng.random((n_steps, 1)) < 0.5)
    noise = rng.random(raster.shape) < rng.choice([0.0, 0.1, 0.5])
    return (raster ^ noise).astype(np.uint8)


def widths(draw) -> dict[str, int]:
    return {
        "decay_frac": draw(st.sampled_from([1, 2, 4, 8, 12, 16])),
        "frac_bits": draw(st.integers(0, 6)),
        "weight_bits": draw(st.integers(2, 8)),
        "syn_bits": draw(st.sampled_from([2, 6, 9, 12, 16, 32])),
        "mem_bits": draw(st.sampled_from([2, 6, 9, 12, 16, 32])),
    }


@st.composite
def contracts(draw) -> NumericContract:
    return replace(PAPER, **draw(st.sampled_from(EVERY)), **widths(draw))
