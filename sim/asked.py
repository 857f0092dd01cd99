"""What a run asks of its state words: the values before overflow handling, step by step.

A trace holds words after it, in which an overflow cannot be seen; but every sum follows from the
words one step earlier. This is the arithmetic that `sim/bounds/layers.py` bounds.
"""

import numpy as np
from numpy.typing import NDArray

from sim.bounds.membrane import Range
from sim.network import CubaLI, CubaLIF, IntegerNetwork
from sim.reference import bias_of, decayed
from sim.trace import Trace

Words = NDArray[np.int64]


def variables_of(network: IntegerNetwork, index: int) -> tuple[str, str]:
    """Names of a layer's two states, as in a trace: `syn`, and `mem` or, of the readout, `out`."""
    return ("syn", "out" if isinstance(network.layers[index], CubaLI) else "mem")


def asked_in(
    network: IntegerNetwork,
    raster: NDArray[np.uint8],
    trace: Trace,
    index: int,
    neurons: NDArray[np.intp],
) -> dict[str, Range]:
    """Tell what some neurons' words were asked to hold in a run.

    Args:
        network: the network.
        raster: input spikes (n_steps, n_inputs), 0 or 1.
        trace: of the run.
        index: which layer; the readout is the last.
        neurons: which neurons of it.

    Returns:
        By variable, smallest and largest value in each step, both (n_steps, len(neurons)). They
        differ where a firing neuron's sum was tested and then replaced by a reset, or a
        reset by a sum.
    """
    c, layer, name = network.contract, network.layers[index], network.layer_names[index]
    if index:
        source = trace.variables[f"{network.layer_names[index - 1]}.spk"]
    else:
        source = raster
    if c.delay_steps:
        source = _later(source)
    membrane = variables_of(network, index)[1]
    now = {
        v: trace.variables[f"{name}.{v}"][:, neurons].astype(np.int64) for v in ("syn", membrane)
    }
    before = {v: _later(words) for v, words in now.items()}
    if isinstance(layer, CubaLIF):
        acc = _weighed(layer.w_in[neurons], source) << layer.e_in[neurons].astype(np.int64)
        if layer.w_rec is not None:
            own = _weighed(layer.w_rec[neurons], _later(trace.variables[f"{name}.spk"]))
            acc = acc + (own << layer.e_rec[neurons].astype(np.int64))
    else:
        acc = _weighed(layer.w_out[neurons], source)
        before[membrane][:1] = layer.initial_out[neurons]
    syn = decayed(c, before["syn"], layer.decay_syn[neurons]) + (acc << c.frac_bits)
    syn = syn + bias_of(layer)[neurons]
    drive = before["syn"] if c.current == "previous" else now["syn"]
    kept = decayed(c, before[membrane], layer.decay_mem[neurons])
    found = {"syn": Range(syn, syn), membrane: Range(kept + drive, kept + drive)}
    if isinstance(layer, CubaLIF):
        threshold = layer.threshold[neurons].astype(np.int64)
        fires = trace.variables[f"{name}.spk"][:, neurons] != 0
        reset = kept * 0 if c.reset == "zero" else kept - threshold
        if not c.reset_drops_input:
            reset = reset + drive
        old = before[membrane]
        was_over = old > threshold if c.fires_when == ">" else old >= threshold
        used = np.where(was_over if c.reset_delay else fires, reset, kept + drive)
        tested = {
            "previous_membrane": used,
            "new_membrane": kept + drive,
            "reset_membrane": np.where(was_over, reset, kept + drive),
        }[c.fires_on]
        found[membrane] = Range(np.minimum(used, tested), np.maximum(used, tested))
    return found


def _later(words: NDArray) -> NDArray:
    """Each row one step later; the first step finds zeros."""
    moved = np.zeros_like(words)
    moved[1:] = words[:-1]
    return moved


def _weighed(weights: NDArray[np.integer], spikes: NDArray) -> Words:
    """Weighted sums (n_steps, post) of the spikes that arrive.

    In float64, which is exact: a neuron's weights add up to less than 2^31.
    """
    return (spikes.astype(np.float64) @ weights.T.astype(np.float64)).astype(np.int64)
