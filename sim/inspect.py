"""The content of an integer network: contract, sizes, ranges, storage and worst cases, as data."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.bounds.layers import LayerBounds, state_bounds
from sim.layer import Layer
from sim.metrics import storage
from sim.network import IntegerNetwork


def describe(network: IntegerNetwork) -> dict[str, Any]:
    """Describe a network with values that JSON can hold.

    `cannot_overflow` is true where the state widths hold the worst case of
    `sim/bounds/layers.py`. Widths needed are those in which nothing overflows; `never_fire`
    counts neurons that no input can bring beyond their threshold.
    """
    contract = network.contract
    bounds = state_bounds(network, unlimited=True)
    syn_needed = max(b.syn_bits for b in bounds.values())
    mem_needed = max(b.mem_bits for b in bounds.values())
    stored = storage(network)
    layers = []
    for name, layer in network.named_layers():
        layers.append(
            {"layer": name, "neurons": layer.n_neurons}
            | {key: _range(value) for key, value in layer.arrays()}
            | _silent(layer, bounds[name])
        )
    return {
        "digest": network.digest(),
        "dt": network.dt,
        "inputs": network.n_inputs,
        "outputs": network.readout.n_outputs,
        "heads": network.readout.n_heads,
        "contract": contract.as_dict(),
        "layers": layers,
        "weights": {
            name: {"shape": list(w.shape), "zero": int(np.count_nonzero(w == 0))}
            for name, w in network.connections().items()
        },
        "storage": {
            "dense_bits": stored.dense_bits,
            "sparse_bits": stored.sparse_bits,
            "stored_bits": stored.stored_bits,
            "encoding": stored.encoding,
        },
        "worst_case": {
            "syn_bits_needed": syn_needed,
            "mem_bits_needed": mem_needed,
            "cannot_overflow": syn_needed <= contract.syn_bits and mem_needed <= contract.mem_bits,
        },
        "provenance": dict(network.metadata),
    }


def summarize(network: IntegerNetwork) -> dict[str, Any]:
    """The few facts that decide whether a network is good enough."""
    facts = describe(network)
    n_weights = sum(w.size for w in network.connections().values())
    n_zero = sum(w["zero"] for w in facts["weights"].values())
    contract = network.contract
    return {
        "digest": facts["digest"],
        "weights": n_weights,
        "zero_weights": n_zero,
        "weight_bits": contract.weight_bits,
        "syn_bits": contract.syn_bits,
        "mem_bits": contract.mem_bits,
        "cannot_overflow": facts["worst_case"]["cannot_overflow"],
        "stored_bits": facts["storage"]["stored_bits"],
        "encoding": facts["storage"]["encoding"],
    }


def _silent(layer: Layer, bounds: LayerBounds) -> dict[str, int]:
    if layer.is_readout():
        return {}
    return {"never_fire": int(np.count_nonzero(bounds.periods == 0))}


def _range(values: NDArray[Any]) -> dict[str, float]:
    return {"min": values.min().item(), "max": values.max().item()}
