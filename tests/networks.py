"""Random integer networks, contracts and rasters for the tests of the integer world."""

from dataclasses import fields, replace
from functools import partial

import numpy as np
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from sim.conformance.covering import covering
from sim.contract import PAPER, NumericContract, choices, numbers, signed_range
from sim.kinds.adaptive_cuba_lif import AdaptiveCubaLIF
from sim.kinds.cuba_li import CubaLI
from sim.kinds.cuba_lif import CubaLIF
from sim.kinds.double_exp_lif import DoubleExpLIF
from sim.network import IntegerNetwork

# choices about inputs have tests of their own: test_sim_layer.py, test_sim_kinds_first_spike.py
OF_SOME_KINDS = {item.name for item in fields(NumericContract) if "opt_in" in item.metadata}
_INPUTS = ("input_bits", "input_signed", "inputs_once")
CHOICES = {name: values for name, values in choices().items() if name not in _INPUTS}
LOIHI_LIKE = replace(PAPER, current="new", fires_on="new_membrane")
FLOOR_SUBTRACT = replace(
    PAPER,
    current="new",
    fires_on="new_membrane",
    fires_when=">=",
    reset="subtract",
    reset_drops_input=False,
    rounding="floor",
)


def covering_contracts(writer: str = "") -> list[NumericContract]:
    """Few contracts in which every pair of choices occurs together, `PAPER` first.

    Every pair of values of every two fields is in at least one of them; with `writer`, of those
    values that its hand-written code computes.
    """
    return covering(
        {
            name: tuple(
                v
                for v in values
                if not writer or replace(PAPER, **{name: v}).is_computed_by(writer)
            )
            for name, values in CHOICES.items()
        },
    )


def random_network(
    rng: np.random.Generator,
    contract: NumericContract = PAPER,
    *,
    n_inputs: int = 12,
    hidden: tuple[int, ...] = (8,),
    recurrent: bool = True,
    n_outputs: int = 2,
    n_heads: int = 1,
    sparsity: float = 0.3,
    threshold: int | None = None,
    biased: bool = False,
    min_threshold: int | None = None,
) -> IntegerNetwork:
    """A network with weights and decays over the whole range that its contract allows.

    Thresholds are at most `threshold`, and at least `min_threshold`; a few are negative without it.
    """
    low, high = signed_range(contract.weight_bits)
    current = signed_range(contract.syn_bits)

    def weights(*shape: int) -> np.ndarray:
        return rng.integers(low, high + 1, shape) * (rng.random(shape) >= sparsity)

    def decays(n: int) -> np.ndarray:
        return rng.integers(0, contract.largest_decay + 1, n)

    def biases(n: int) -> np.ndarray | None:
        if not biased:
            return None
        size = 1 << int(rng.integers(contract.frac_bits + contract.weight_bits + 1))
        return np.clip(rng.integers(-size, size + 1, n), *current)

    reach = 1 << (contract.frac_bits + contract.weight_bits + 1)
    top = min(reach if threshold is None else threshold, signed_range(contract.mem_bits)[1])
    least = -top // 8 if min_threshold is None else min_threshold
    layers, n_pre = [], n_inputs
    for n in hidden:
        layers.append(
            CubaLIF(
                w_in=weights(n, n_pre),
                w_rec=weights(n, n) if recurrent else None,
                e_in=rng.integers(0, 4, n),
                e_rec=rng.integers(0, 4, n),
                decay_syn=decays(n),
                decay_mem=decays(n),
                threshold=rng.integers(least, top + 1, n),
                bias=biases(n),
            )
        )
        n_pre = n
    rows = n_outputs * n_heads
    mem_low, mem_high = signed_range(contract.mem_bits)
    layers.append(
        CubaLI(
            w_out=weights(rows, n_pre),
            decay_syn=decays(rows),
            decay_mem=decays(rows),
            initial_out=np.clip(rng.integers(-100, 101, rows), mem_low, mem_high),
            out_scale=rng.random(rows) + 0.5,
            n_heads=n_heads,
            bias=biases(rows),
        )
    )
    return IntegerNetwork(tuple(layers), contract, 0.004, {"seed": "test"})


def under(network: IntegerNetwork, **choices) -> IntegerNetwork:
    """The same under other choices of its contract; decays beyond the largest become that one."""
    contract = replace(network.contract, **choices)
    layers = []
    for layer in network.layers:
        decays = (name for name, each in layer.declared().items() if each.content == "decay")
        kept = {name: np.minimum(layer.values(name), contract.largest_decay) for name in decays}
        layers.append(layer.replaced(kept))
    return replace(network, layers=tuple(layers), contract=contract)


def adaptive(rng: np.random.Generator, network: IntegerNetwork) -> IntegerNetwork:
    """The same with adaptive thresholds, their steps and decays over a wide range."""
    c, top = network.contract, signed_range(network.contract.mem_bits)[1]
    layers = []
    for layer in network.hidden:
        n, most = layer.n_neurons, int(np.abs(layer.threshold).max()) // 2
        own = {
            "decay_threshold": rng.integers(0, c.largest_decay + 1, n),
            "threshold_step": np.minimum(rng.integers(0, most + 1, n), top),
        }
        layers.append(AdaptiveCubaLIF(**vars(layer), **own))
    return replace(network, layers=(*layers, network.readout))


def double_exp(rng: np.random.Generator, network: IntegerNetwork, **fields) -> IntegerNetwork:
    """Layers of as many neurons with double-exponential synapses and a refractory period."""
    computed = {
        name: next(iter(values))
        for name, values in DoubleExpLIF.CHOICES.items()
        if getattr(network.contract, name) not in values
    }
    c = replace(network.contract, **computed, **fields)
    unity, (low, high) = c.largest_decay, signed_range(c.mem_bits)
    top = min(high, signed_range(c.weight_bits)[1] << (c.frac_bits + 2))
    layers = []
    for layer in network.hidden:
        n, drawn = layer.n_neurons, partial(rng.integers, size=layer.n_neurons)
        layers.append(
            DoubleExpLIF(
                w_direct=layer.w_in,
                w_rec=layer.w_rec,
                e_direct=layer.e_in,
                e_rec=layer.e_rec,
                decay_rise=drawn(0, unity + 1),
                decay_syn=drawn(0, unity + 1),
                decay_mem=drawn(0, unity + 1),
                threshold=drawn(max(low, -(top // 8)), top + 1),
                bias=drawn(max(low, -top), top + 1) if n % 2 else None,
                initial_mem=drawn(max(low, -top), top + 1) if n % 3 else None,
            )
        )
    return replace(network, layers=(*layers, network.readout), contract=c)


def with_arrays(network: IntegerNetwork, layer: int, **arrays: ArrayLike) -> IntegerNetwork:
    """The network with other arrays in one of its layers, counted from below; -1 is the readout."""
    layers = list(network.layers)
    changes = {name: np.asarray(array) for name, array in arrays.items()}
    layers[layer] = replace(layers[layer], **changes)
    return replace(network, layers=tuple(layers))


def random_raster(rng: np.random.Generator, n_steps: int, n_inputs: int) -> np.ndarray:
    """Spikes whose density changes from stretch to stretch, silence and all ones included."""
    density = np.repeat(rng.choice([0.0, 0.05, 0.2, 0.6, 1.0], -(-n_steps // 10)), 10)[:n_steps]
    return (rng.random((n_steps, n_inputs)) < density[:, None]).astype(np.uint8)


@st.composite
def networks(draw, contracts=None) -> IntegerNetwork:
    """Networks of all shapes and widths, under one of the given contracts' choices."""
    widths = {
        name: draw(st.integers(min(values), max(values)))
        for name, values in numbers().items()
        if name not in (*OF_SOME_KINDS, "input_bits")
    }
    contract = replace(draw(st.sampled_from(contracts or [PAPER])), **widths)
    return random_network(
        np.random.default_rng(draw(st.integers(0, 2**32 - 1))),
        contract,
        n_inputs=draw(st.integers(1, 9)),
        hidden=tuple(draw(st.lists(st.integers(1, 7), min_size=1, max_size=3))),
        recurrent=draw(st.booleans()),
        n_outputs=draw(st.integers(1, 3)),
        n_heads=draw(st.integers(1, 3)),
        biased=draw(st.booleans()),
    )
