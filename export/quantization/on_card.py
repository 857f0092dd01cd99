"""An integer run on a CUDA card, differentiable by the floats behind its integers.

Forward is the integer network, word for word, as `export.quantization.straight` has it; backward is
that of the floats, on the same kernels as other trainings.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from base.order import Order
from export.quantization.units import gain_of, units_of
from rsnn.cuda.bptt import run_integers
from rsnn.cuda.card import Kernels
from rsnn.cuda.run import Integers, refusal
from rsnn.layer_floats import LayerFloats
from rsnn.model import Decoded
from sim.contract import NumericContract
from sim.layer import Layer
from sim.network import IntegerNetwork

_LARGEST = 2**31 - 1  # of a sum of weights, which the kernels add in 32 bits


def unsupported(network: IntegerNetwork, kernels: Kernels) -> str | None:
    """Why the kernels of a card cannot compute a network; None if they can.

    Args:
        kernels: of the card.
    """
    contract = network.contract
    if not network.is_tuned("gradient"):
        return "its neurons have no gradient but that of their step"
    if any(getattr(contract, name) != default for name, default in vars(Order()).items()):
        return "the order of its step is not the published one"
    if contract.input_values != (0, 1):
        return "its inputs are not spikes"
    layers = dict(zip(network.layer_names, network.layers, strict=True))
    for name, layer in layers.items():
        if sum(int(np.abs(weights).sum(1).max()) for weights in _shifted(layer)) > _LARGEST:
            return f"sums of the weights of {name} do not fit in 32 bits"
        if not layer.is_readout() and layer.threshold.min() < 0:
            return f"{name} has a threshold below 0"
    sizes = [(name, layer.n_neurons) for name, layer in layers.items()]
    recurrent = any(len(_shifted(layer)) > 1 for layer in network.hidden)
    inputs = ("the input", network.n_inputs)
    return refusal([inputs, *sizes], recurrent, kernels, integers=True)


def run_on_card(
    network: IntegerNetwork,
    raster: Tensor,
    surrogates: Sequence[tuple[int, np.float32]],
    floats: Sequence[LayerFloats[Tensor]],
    kernels: Kernels,
    device: torch.device,
) -> Decoded:
    """Run a network that `unsupported` finds no fault with.

    Args:
        raster, floats: on the CPU, as are the results; as in
            `export.quantization.straight.run_straight`.
        surrogates: `rsnn.surrogate.Surrogate.code` of each hidden layer.
        kernels, device: of the card.
    """
    there = [LayerFloats(*(None if x is None else x.to(device) for x in each)) for each in floats]
    layers = [_integers(layer, network.contract, device) for layer in network.layers]
    out, *rest = run_integers(
        layers, _sizes(network.contract), there, raster.to(device), surrogates, kernels
    )
    n_hidden = len(network.hidden)
    mean = out.unflatten(2, (network.readout.n_heads, -1)).mean(2)
    counts, spk = rest[:n_hidden], rest[n_hidden:]
    return Decoded(
        mean.transpose(0, 1).cpu(),
        tuple(each.transpose(0, 1).cpu() for each in spk),
        tuple(each.cpu() for each in counts),
    )


def _sizes(contract: NumericContract) -> dict[str, int]:
    """The macros of a contract."""
    return {
        "ROUNDS_DOWN": int(contract.rounding == "floor"),
        "DECAY_FRAC": contract.decay_frac,
        "FRAC_BITS": contract.frac_bits,
        "SYN_BITS": contract.syn_bits,
        "MEM_BITS": contract.mem_bits,
        "SYN_WRAPS": int(contract.overflow_syn == "wrap"),
        "MEM_WRAPS": int(contract.overflow_mem == "wrap"),
    }


def _shifted(layer: Layer) -> list[NDArray[np.int64]]:
    """Weights of each connection, (post, pre), shifted."""
    found = []
    for name, shift, _ in layer.CONNECTIONS:
        weights = getattr(layer, name)
        if weights is not None:
            by = layer.values(shift) if shift else np.zeros(layer.n_neurons, np.int64)
            found.append(weights.astype(np.int64) << by[:, None])
    return found


def _integers(layer: Layer, contract: NumericContract, device: torch.device) -> Integers:
    """A layer on the card."""
    unit = units_of(layer, contract) / 2.0**contract.frac_bits
    mem = unit * gain_of(layer, contract)
    start = "initial_out" if layer.is_readout() else "threshold"
    units = [unit, mem] if layer.is_readout() else [unit, mem, layer.threshold * mem]
    matrices = _shifted(layer)

    def there(array: NDArray) -> Tensor:
        return torch.from_numpy(array.astype(np.int32)).to(device)

    return Integers(
        there(matrices[0]),
        there(matrices[1]) if len(matrices) > 1 else None,
        there(layer.values("bias")),
        there(layer.decay_mem),
        there(layer.decay_syn),
        there(layer.values(start)),
        torch.from_numpy(np.stack(units).astype(np.float32)).to(device),
    )
