"""One time step in plain integers: the living definition of every network and contract.

Everything else that computes a network, compiled kernels, exports and hardware, is compared with
this file, word for word. It is written to be read; `sim/fast/runs.py` is written to be fast.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from base.errors import MismatchError
from sim.contract import NumericContract, signed_range
from sim.network import CubaLI, CubaLIF, IntegerNetwork
from sim.trace import Trace, empty_trace

Words = NDArray[np.int64]


@dataclass(frozen=True)
class HiddenState:
    """Words of a hidden layer, each (n_neurons,)."""

    spk: Words
    syn: Words
    mem: Words


@dataclass(frozen=True)
class ReadoutState:
    """Words of the readout, each (rows,)."""

    syn: Words
    out: Words


@dataclass(frozen=True)
class State:
    """All that a network remembers between two steps.

    `arriving` is the input spikes of the step before, under way where spikes have a delay.
    """

    arriving: Words
    hidden: tuple[HiddenState, ...]
    readout: ReadoutState


def initial_state(network: IntegerNetwork) -> State:
    """Everything is 0 before the first step, except the readout's `initial_out`."""

    def zeros(n: int) -> Words:
        return np.zeros(n, np.int64)

    return State(
        zeros(network.n_inputs),
        tuple(HiddenState(*(zeros(layer.n_neurons) for _ in range(3))) for layer in network.hidden),
        ReadoutState(
            zeros(network.readout.n_neurons), network.readout.initial_out.astype(np.int64)
        ),
    )


def step(network: IntegerNetwork, state: State, x: NDArray) -> State:
    """Compute one step; `x` (n_inputs,) holds this step's input spikes.

    With a delay, a layer hears what the layer below has sent in the step before, so their order
    does not matter; without one, it hears what was sent just now.
    """
    c, x = network.contract, x.astype(np.int64)
    source = state.arriving if c.delay_steps else x
    hidden = []
    for layer, old in zip(network.hidden, state.hidden, strict=True):
        new = hidden_step(c, layer, old, source)
        source = old.spk if c.delay_steps else new.spk
        hidden.append(new)
    readout = readout_step(c, network.readout, state.readout, source)
    return State(x, tuple(hidden), readout)


def hidden_step(c: NumericContract, layer: CubaLIF, old: HiddenState, source: Words) -> HiddenState:
    """One step of a hidden layer; `source` (pre,) holds the spikes that arrive from below."""
    acc = (layer.w_in.astype(np.int64) @ source) << layer.e_in.astype(np.int64)
    if layer.w_rec is not None:
        acc = acc + ((layer.w_rec.astype(np.int64) @ old.spk) << layer.e_rec.astype(np.int64))
    arrived = (acc << c.frac_bits) + bias_of(layer)
    syn = fit(decayed(c, old.syn, layer.decay_syn) + arrived, c.syn_bits, c.overflow_syn)
    drive = old.syn if c.current == "previous" else syn

    threshold = layer.threshold.astype(np.int64)

    def over(membrane: Words) -> NDArray[np.bool_]:
        return membrane > threshold if c.fires_when == ">" else membrane >= threshold

    kept = decayed(c, old.mem, layer.decay_mem)
    integrated = fit(kept + drive, c.mem_bits, c.overflow_mem)
    after_reset = kept * 0 if c.reset == "zero" else kept - threshold
    if not c.reset_drops_input:
        after_reset = after_reset + drive
    cleared = fit(after_reset, c.mem_bits, c.overflow_mem)
    tested = {
        "previous_membrane": old.mem,
        "new_membrane": integrated,
        "reset_membrane": np.where(over(old.mem), cleared, integrated),
    }[c.fires_on]
    fires = over(tested)
    mem = np.where(over(old.mem) if c.reset_delay else fires, cleared, integrated)
    return HiddenState(fires.astype(np.int64), syn, mem)


def readout_step(
    c: NumericContract, layer: CubaLI, old: ReadoutState, source: Words
) -> ReadoutState:
    """One step of the readout; `source` (pre,) holds the spikes that arrive from below."""
    acc = layer.w_out.astype(np.int64) @ source
    arrived = (acc << c.frac_bits) + bias_of(layer)
    syn = fit(decayed(c, old.syn, layer.decay_syn) + arrived, c.syn_bits, c.overflow_syn)
    drive = old.syn if c.current == "previous" else syn
    out = fit(decayed(c, old.out, layer.decay_mem) + drive, c.mem_bits, c.overflow_mem)
    return ReadoutState(syn, out)


def bias_of(layer: CubaLIF | CubaLI) -> Words:
    """What a layer adds to each current in each step, (n_neurons,); 0 without a bias."""
    if layer.bias is None:
        return np.zeros(layer.n_neurons, np.int64)
    return layer.bias.astype(np.int64)


def decayed(c: NumericContract, x: Words, decay: NDArray) -> Words:
    """`x * decay / 2^decay_frac`, rounded as the contract says."""
    product = x * decay.astype(np.int64)
    if c.rounding == "floor":
        return product >> c.decay_frac
    return np.sign(product) * (np.abs(product) >> c.decay_frac)


def fit(x: Words, bits: int, overflow: str) -> Words:
    """Bring `x` into a signed word of `bits`, saturating or wrapping."""
    low, high = signed_range(bits)
    if overflow == "saturate":
        return np.clip(x, low, high)
    return ((x - low) & ((1 << bits) - 1)) + low


def run(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
    """Run a network from its initial state and keep every state word.

    Args:
        network: the network.
        raster: input spikes (n_steps, n_inputs), 0 or 1.

    Raises:
        MismatchError: the raster has another number of channels than the network.
    """
    check_channels(network, raster.shape)
    trace = empty_trace(network, len(raster))
    state = initial_state(network)
    for t, x in enumerate(raster):
        state = step(network, state, x)
        for name, layer in zip(network.layer_names, (*state.hidden, state.readout), strict=True):
            for variable, words in vars(layer).items():
                trace.variables[f"{name}.{variable}"][t] = words
    return trace


def check_channels(network: IntegerNetwork, shape: tuple[int, ...]) -> None:
    """Raise MismatchError unless a raster of this shape, (n_steps, n_inputs), fits the network."""
    if len(shape) != 2 or shape[1] != network.n_inputs:
        raise MismatchError(
            f"the raster has shape {shape}; the network has {network.n_inputs} inputs, so"
            f" (n_steps, {network.n_inputs}) is needed: use a recording with as many channels"
        )
