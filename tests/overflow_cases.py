"""Networks, rasters and a recorder with which bounds and witnesses are tested."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import strategies as st
from networks import CHOICES, random_network

from sim import reference
from sim.contract import PAPER, NumericContract, signed_range
from sim.network import IntegerNetwork

EVERY = [dict(zip(CHOICES, values, strict=True)) for values in product(*CHOICES.values())]


def asked_words(network: IntegerNetwork, raster: np.ndarray) -> dict[str, np.ndarray]:
    """What the contract gives to its overflow rules: smallest and largest, (2, n_neurons) each.

    From the arguments of the reference's own `fit`, in the order of its calls. A sum that is
    neither tested nor kept does not count, nor does a reset.
    """
    calls: list[np.ndarray] = []
    right = reference.fit

    def recording(x, bits, overflow):
        calls.append(x)
        return right(x, bits, overflow)

    state = reference.initial_state(network)
    kept: dict[str, list] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reference, "fit", recording)
        for x in raster:
            calls.clear()
            old = state
            state = reference.step(network, state, x)
            for i in range(len(network.hidden)):
                syn, integrated, after_reset = calls[3 * i : 3 * i + 3]
                sums, resets = used(network, i, old.hidden[i], state.hidden[i])
                integrated = np.where(sums, integrated, after_reset)
                after_reset = np.where(resets, after_reset, integrated)
                kept.setdefault(f"hidden{i}.syn", []).append(syn)
                kept.setdefault(f"hidden{i}.mem", []).extend([integrated, after_reset])
            for variable, words in zip(("syn", "mem"), calls[-2:], strict=True):
                kept.setdefault(f"readout.{variable}", []).append(words)
    return {name: np.stack([np.min(w, 0), np.max(w, 0)]) for name, w in kept.items()}


def used(network: IntegerNetwork, i: int, old, new) -> tuple[np.ndarray, np.ndarray]:
    """Where a step's sum, and where its reset, is tested or kept; each (n_neurons,)."""
    c, threshold = network.contract, network.hidden[i].threshold
    was_over = old.mem > threshold if c.fires_when == ">" else old.mem >= threshold
    resets = was_over if c.reset_delay else new.spk == 1
    if c.fires_on == "new_membrane":
        return np.ones_like(resets), resets
    if c.fires_on == "reset_membrane":
        return ~resets | ~was_over, resets | was_over
    return ~resets, resets


def small_network(rng: np.random.Generator, contract: NumericContract) -> IntegerNetwork:
    """A random network with all that is special: decays 0 and unity, zero rows, extreme weights."""
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
    unity = 1 << contract.decay_frac
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
