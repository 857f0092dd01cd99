"""Warnings about a quantization that succeeded."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rsnn.model import RSNN
from rsnn.neurons import CubaLIF
from sim.network import IntegerNetwork

SHORTEST, LONGEST = 0.1, 10.0  # limits of time constants: in steps, in seconds
OUTLIER = 20.0  # times the median weight


def cautions(model: RSNN, network: IntegerNetwork, *, imported: bool = False) -> list[str]:
    """One line per kind of problem in a layer: where, how bad, and the way out.

    Args:
        model: the float model.
        network: the integer network made of it.
        imported: whether another tool set the time constants; then all of them are meant.
    """
    taus = () if imported else _time_constants(model)
    return [*taus, *_empty_neurons(model), *_lost_weights(model, network)]


def _time_constants(model: RSNN) -> Iterator[str]:
    shortest = SHORTEST * model.architecture.dt
    for name, layer in model.named_layers().items():
        for kind in ("tau_mem", "tau_syn"):
            tau = getattr(layer.tau, kind)().detach().double().numpy()
            leaks = ~layer.tau.no_leak()[kind == "tau_syn"].numpy()
            for bad, limit, meaning in (
                (tau < shortest, shortest, "nothing is left after a step"),
                (
                    leaks & (tau > LONGEST),
                    LONGEST,
                    "hardly anything leaks; give it more `decay_bits`",
                ),
            ):
                if bad.any():
                    neuron = int(np.flatnonzero(bad)[0])
                    yield (
                        f"{name}: {kind} of neuron {neuron} is {1000 * tau[neuron]:.3g} ms, of"
                        f" {int(bad.sum())} neurons beyond {1000 * limit:g} ms: {meaning}; if that"
                        " is not meant, train again with a smaller learning rate"
                    )


def _empty_neurons(model: RSNN) -> Iterator[str]:
    for i, layer in enumerate(model.layers):
        weights = _rows(layer)
        empty = np.flatnonzero(~weights.any(1) & (_bias(layer) == 0))
        if empty.size:
            yield (
                f"hidden{i}: all weights of {empty.size} neurons are zero (neuron {empty[0]} is the"
                " first), so they never fire; leave them out to save their memory"
            )


def _lost_weights(model: RSNN, network: IntegerNetwork) -> Iterator[str]:
    """Neurons all of whose weights were rounded to zero, or nearly all because of one outlier."""
    for i, (layer, integers) in enumerate(zip(model.layers, network.hidden, strict=True)):
        matrices = [("w_in", _float64(layer.w_in), integers.w_in)]
        if layer.w_rec is not None and integers.w_rec is not None:
            matrices.append(("w_rec", _float64(layer.w_rec), integers.w_rec))
        left = sum((found != 0).sum(1) for _, _, found in matrices)
        silenced = np.flatnonzero(_rows(layer).any(1) & (left == 0))
        if silenced.size:
            state = "are silent" if layer.bias is None else "have only their biases left"
            yield (
                f"hidden{i}: {silenced.size} neurons have lost all weights to rounding (neuron"
                f" {silenced[0]} is the first) and {state}; use more `bits`"
            )
        for name, wanted, found in matrices:
            for neuron in np.flatnonzero((wanted != 0).sum(1) >= 4):
                present = wanted[neuron] != 0
                sizes = np.abs(wanted[neuron][present])
                lost = int((found[neuron][present] == 0).sum())
                ratio = float(sizes.max() / np.median(sizes))
                if ratio > OUTLIER and 2 * lost > len(sizes):
                    yield (
                        f"hidden{i}.{name}: neuron {neuron} has a weight of {sizes.max():.3g},"
                        f" {ratio:.0f} times its median, and {lost} of its {len(sizes)} weights"
                        " were rounded to zero; use more `bits`, or prune that one and train again"
                    )


def _rows(layer: CubaLIF) -> NDArray[np.float64]:
    """[w_in, w_rec] of a hidden layer, (post, pre)."""
    parts = [layer.w_in] if layer.w_rec is None else [layer.w_in, layer.w_rec]
    return np.hstack([_float64(part) for part in parts])


def _bias(layer: CubaLIF) -> NDArray[np.float64]:
    """Bias of each neuron of a hidden layer, (n,); 0 where there is none."""
    return np.zeros(layer.n_neurons) if layer.bias is None else _float64(layer.bias)


def _float64(parameter: Tensor) -> NDArray[np.float64]:
    return parameter.detach().cpu().double().numpy()
