"""Quantization: the only way from a float model to an integer network.

The scale of a neuron's weights and the gain (1 - decay_mem) of its membrane are folded into its
threshold, so scales cost nothing on a chip:

    w_int     = round(w / scale)
    bias_int  = round(2^frac_bits bias / scale)
    threshold = floor(2^frac_bits / (scale (1 - decay_mem)))
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from base.errors import DataError, RangeError
from export.quantization.calibration import Calibration, response_to
from export.quantization.calibration import moments as moments_of
from export.quantization.corrections import Correction, correct
from export.quantization.kinds import find_fold
from export.quantization.precision import Precision
from export.quantization.rounding import Rounded, round_weights
from rsnn.evaluate import Response
from rsnn.model import RSNN
from sim.bounds.layers import highest_membranes, state_bounds
from sim.contract import MAX_STATE_BITS, PAPER, NumericContract, signed_range
from sim.kinds.cuba_li import CubaLI
from sim.network import IntegerNetwork

PLAIN = Precision()


def quantize(
    model: RSNN,
    precision: Precision = PLAIN,
    *,
    moments: Mapping[str, NDArray[np.float64]] | None = None,
    contract: NumericContract = PAPER,
    metadata: Mapping[str, Any] | None = None,
) -> IntegerNetwork:
    """Round a float model to integers.

    Args:
        model: the float model.
        precision: widths, and the rule for scales.
        moments: moments of a layer's inputs by layer name (`calibration.moments`); without them,
            each weight is rounded to nearest.
        contract: the numeric contract; its widths are replaced.
        metadata: provenance to store with the network.

    Raises:
        RangeError: the widths are too large for a neuron's threshold or bias, or too small for its
            state.
        DataError: a weight or time constant is NaN or infinite, or a matrix is all zero.
    """
    check_model(model)
    rounded = [
        round_weights(w_in, w_rec, (precision.steps("in"), precision.steps("rec")), precision, m)
        for (w_in, w_rec), m in zip(_hidden_weights(model), _moments(model, moments), strict=True)
    ]
    w_out = np.concatenate([_float64(head.w_out) for head in model.readouts])
    nothing = np.zeros((len(w_out), 0))
    moment = None if moments is None else moments["readout"]
    steps = (precision.steps("out"), 1)
    rounded.append(round_weights(w_out, nothing, steps, precision, moment))
    return assemble(model, rounded, precision, contract, metadata)


def assemble(
    model: RSNN,
    rounded: Sequence[Rounded],
    precision: Precision,
    contract: NumericContract,
    metadata: Mapping[str, Any] | None = None,
) -> IntegerNetwork:
    """Make the network of rounded weights, hidden layers first, and a model's time constants.

    Raises:
        RangeError: thresholds, biases or widths that do not fit.
    """
    if not model.architecture.is_published:  # then the order is the model's
        contract = replace(contract, **asdict(model.architecture.order))
    contract = wide_contract(contract, precision)
    parts: list[tuple[str, str, Sequence[Any]]] = [
        (f"hidden{i}", model.architecture.neuron, [layer]) for i, layer in enumerate(model.layers)
    ]
    parts.append(("readout", CubaLI.kind(), model.readouts))
    layers, limits = [], []
    for (name, kind, floats), weights in zip(parts, rounded, strict=True):
        bias = _integer_bias(name, floats, weights, contract)
        folded = find_fold(kind).fold(floats, weights, bias, contract)
        layers.append(folded.layer)
        limits.append(folded.limits)
    wide = IntegerNetwork(tuple(layers), contract, model.architecture.dt, dict(metadata or {}))
    _check_thresholds(wide, limits[:-1])
    return narrowed(wide, precision)


@dataclass(frozen=True)
class Calibrated:
    """Result of `calibrate`.

    Attributes:
        network: the result.
        rounded: the same before corrections, with states of 32 bits.
        narrow: `rounded` with its final state widths.
        corrections: corrections that were tried.
        response: response of the float model to the calibration data.
    """

    network: IntegerNetwork
    rounded: IntegerNetwork
    narrow: IntegerNetwork
    corrections: tuple[Correction, ...]
    response: Response


def calibrate(
    model: RSNN,
    precision: Precision,
    calibration: Calibration,
    *,
    contract: NumericContract = PAPER,
    metadata: Mapping[str, Any] | None = None,
) -> Calibrated:
    """Round a float model to integers that suit calibration data, and correct it on them.

    Arguments and errors as in `quantize`.

    Raises:
        MismatchError: step, channels or outputs of the calibration data are not the model's.
    """
    check_model(model)
    model = copy.deepcopy(model).float()
    response = response_to(model, calibration)
    chosen = calibration.is_fit
    found = moments_of(model, calibration.part(chosen), response.part(chosen))
    network = quantize(model, precision, moments=found, contract=contract, metadata=metadata)
    wide = replace(network, contract=wide_contract(network.contract, precision))
    corrected, tried = correct(wide, calibration, response, precision)
    return Calibrated(narrowed(corrected, precision), wide, network, tried, response)


def wide_contract(contract: NumericContract, precision: Precision) -> NumericContract:
    """The contract with the widths of a precision, but states of 32 bits."""
    return replace(
        contract,
        weight_bits=precision.weight_bits,
        decay_frac=precision.decay_bits,
        frac_bits=precision.frac_bits,
        syn_bits=MAX_STATE_BITS,
        mem_bits=MAX_STATE_BITS,
    )


def check_model(model: RSNN) -> None:
    """Refuse a model that no integers can represent.

    Raises:
        DataError: a parameter is not finite, or a matrix is all zero.
    """
    for name, parameter in model.named_parameters():
        broken = parameter.numel() - int(torch.isfinite(parameter).sum())
        if broken:
            raise DataError(
                f"`{name}` holds {broken} values that are NaN or infinite of {parameter.numel()};"
                " train or import the model again"
            )
    for name, weights in model.connections().items():
        if name.endswith((".w_in", ".w_out")) and not weights.any():
            raise DataError(
                f"`{name}` is all zero, so nothing passes it; prune less, or train the model again"
            )


def _check_thresholds(network: IntegerNetwork, limits: Sequence[NDArray[np.float64]]) -> None:
    """Refuse thresholds beyond the widest state word where the neuron could reach them.

    Where it could not, the largest word stands for the threshold: it never fires either way.
    """
    top = signed_range(MAX_STATE_BITS)[1]
    highest = highest_membranes(network)
    lost = []
    for name, limit in zip(network.layer_names, limits, strict=False):
        beyond = np.flatnonzero((limit > top) & (highest[name] > limit))
        lost += [(float(limit[neuron]), name, int(neuron)) for neuron in beyond]
    if lost:
        worst, name, neuron = max(lost)
        raise RangeError(
            f"{name}: neuron {neuron} needs a threshold of {worst:.0f} ({len(lost)} neurons one"
            f" too large); a state word of 32 bits ends at {top}. Quantize with"
            f" {_way_out(worst, network.contract)}"
        )


def _way_out(worst: float, contract: NumericContract) -> str:
    """The parameter with which a constant too large for a state word would fit."""
    top = signed_range(MAX_STATE_BITS)[1]
    fits = contract.frac_bits - int(np.ceil(np.log2(worst / top)))
    return f"`frac_bits={fits}`" if fits >= 0 else "fewer `bits`"


def narrowed(wide: IntegerNetwork, precision: Precision) -> IntegerNetwork:
    """The network with the requested state widths, or the smallest in which nothing overflows.

    At most 32 bits in any case; thresholds, initial values and biases fit.

    Raises:
        RangeError: the requested width does not hold every threshold or bias.
    """
    bounds = state_bounds(wide).values()
    held = _width_of(*_constants(wide, "mem"))
    if precision.mem_bits is not None and held > precision.mem_bits:
        raise RangeError(
            f"`mem_bits` is {precision.mem_bits}; the largest threshold or initial value needs"
            f" {held}. Quantize with `mem_bits={held}` or fewer `frac_bits`"
        )
    held_bias = _width_of(*_constants(wide, "syn"))
    if precision.syn_bits is not None and held_bias > precision.syn_bits:
        raise RangeError(
            f"`syn_bits` is {precision.syn_bits}; the largest bias needs {held_bias}. Quantize with"
            f" `syn_bits={held_bias}` or fewer `frac_bits`"
        )
    contract = replace(
        wide.contract,
        syn_bits=precision.syn_bits or min(MAX_STATE_BITS, max(2, *(b.syn_bits for b in bounds))),
        mem_bits=precision.mem_bits
        or min(MAX_STATE_BITS, max(held, *(b.mem_bits for b in bounds))),
    )
    return replace(wide, contract=contract)


def _constants(network: IntegerNetwork, word: str) -> Iterator[NDArray[np.integer]]:
    """Every array that has to fit the words `syn` or `mem`."""
    for layer in network.layers:
        declared = layer.declared()
        yield from (array for key, array in layer.arrays() if declared[key].content == word)


def _width_of(*constants: NDArray[np.integer]) -> int:
    """Signed width that holds all constants and their negatives."""
    largest = max((int(np.abs(values.astype(np.int64)).max()) for values in constants), default=0)
    return largest.bit_length() + 1


def _integer_bias(
    name: str, layers: Sequence[Any], weights: Rounded, contract: NumericContract
) -> NDArray[np.int64] | None:
    """Biases of the neurons of one or more float layers, in the unit of the current's word.

    Raises:
        RangeError: one that no state word holds.
    """
    if layers[0].bias is None:
        return None
    floats = np.concatenate([_float64(layer.bias) for layer in layers])
    bias = np.rint(floats / weights.grid.unit * 2.0**contract.frac_bits)
    top = signed_range(MAX_STATE_BITS)[1]
    n_lost = int((np.abs(bias) > top).sum())
    if n_lost:
        neuron = int(np.argmax(np.abs(bias)))
        raise RangeError(
            f"{name}: neuron {neuron} needs a bias of {bias[neuron]:.0f} ({n_lost} neurons one"
            f" too large); a state word of 32 bits ends at {top}. Quantize with"
            f" {_way_out(abs(bias[neuron]), contract)}"
        )
    return bias.astype(np.int64)


def _hidden_weights(model: RSNN) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """(w_in, w_rec) of each hidden layer; w_rec is (post, 0) where there is none."""
    found = []
    for layer in model.layers:
        w_in = _float64(layer.w_in)
        w_rec = np.zeros((len(w_in), 0)) if layer.w_rec is None else _float64(layer.w_rec)
        found.append((w_in, w_rec))
    return found


def _moments(model: RSNN, moments: Mapping[str, NDArray] | None) -> list[NDArray | None]:
    if moments is None:
        return [None] * len(model.layers)
    return [moments[f"hidden{i}"] for i in range(len(model.layers))]


def _float64(parameter: torch.Tensor) -> NDArray[np.float64]:
    return parameter.detach().cpu().double().numpy()
