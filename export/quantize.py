"""From a float model to an integer network: the only way there.

The scale of a neuron's weights and the gain (1 - decay_mem) of its membrane are folded into its
threshold, so scales cost nothing on a chip:

    w_int     = round(w / scale)
    threshold = floor(2^frac_bits / (scale (1 - decay_mem)))
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rsnn.model import RSNN
from rsnn.neurons import INITIAL_OUT, TimeConstants
from rsnn.surrogate import V_THRESHOLD
from rsnnctl.errors import DataError, RangeError
from sim.bounds import state_bounds
from sim.contract import (
    MAX_FRAC,
    MAX_STATE_BITS,
    MAX_WEIGHT_BITS,
    PAPER,
    NumericContract,
    signed_range,
)
from sim.network import MAX_EXPONENT, CubaLI, CubaLIF, IntegerNetwork, Layer


def quantize(
    model: RSNN,
    *,
    bits: int = 8,
    decay_bits: int = 12,
    frac_bits: int = 6,
    contract: NumericContract = PAPER,
    metadata: Mapping[str, Any] | None = None,
) -> IntegerNetwork:
    """Round a float model to integers: nearest, with one scale a neuron from its largest weight.

    Args:
        model: the float model.
        bits: width of a weight, 2..16.
        decay_bits: fractional bits of the decay factors, 1..16.
        frac_bits: fractional bits of the state below one weight unit, 0..16.
        contract: the semantics to compute under; its widths are replaced. The state widths are
            the smallest in which nothing can overflow, at most 32.
        metadata: provenance to store with the network.

    Raises:
        RangeError: a number of bits is out of range, or too large for a neuron's threshold.
        DataError: a weight or time constant is NaN or infinite.
    """
    for option, value, low, high in (
        ("--bits", bits, 2, MAX_WEIGHT_BITS),
        ("--decay-bits", decay_bits, 1, MAX_FRAC),
        ("--frac-bits", frac_bits, 0, MAX_FRAC),
    ):
        if not low <= value <= high:
            raise RangeError(f"{option} is {value}; {low} to {high} is possible")
    for name, parameter in model.named_parameters():
        broken = parameter.numel() - int(torch.isfinite(parameter).sum())
        if broken:
            raise DataError(
                f"`{name}` holds {broken} values that are NaN or infinite of {parameter.numel()};"
                " train or import the model again"
            )
    contract = replace(
        contract,
        weight_bits=bits,
        decay_frac=decay_bits,
        frac_bits=frac_bits,
        syn_bits=MAX_STATE_BITS,
        mem_bits=MAX_STATE_BITS,
    )
    layers: list[Layer] = []
    limits = []
    for float_layer in model.hidden:
        layer, limit = _hidden(float_layer, contract)
        layers.append(layer)
        limits.append(limit)
    layers.append(_readout(model, contract))
    wide = IntegerNetwork(tuple(layers), contract, model.architecture.dt, dict(metadata or {}))
    _check_thresholds(wide, limits)
    return replace(wide, contract=_narrow(wide))


def _check_thresholds(network: IntegerNetwork, limits: Sequence[NDArray[np.float64]]) -> None:
    """Refuse thresholds beyond the widest state word where the neuron could get there.

    Where it could not, the largest word stands for the threshold: it never fires either way.
    """
    top = signed_range(MAX_STATE_BITS)[1]
    bounds = state_bounds(network)
    lost = []
    for name, limit in zip(network.layer_names, limits, strict=False):
        beyond = np.flatnonzero((limit > top) & (bounds[name].mem > limit))
        lost += [(float(limit[neuron]), name, int(neuron)) for neuron in beyond]
    if lost:
        worst, name, neuron = max(lost)
        fits = network.contract.frac_bits - int(np.ceil(np.log2(worst / top)))
        way_out = f"--frac-bits {fits}" if fits >= 0 else "fewer --bits"
        raise RangeError(
            f"{name}: neuron {neuron} needs a threshold of {worst:.0f} ({len(lost)} neurons one"
            f" too large); a state word of 32 bits ends at {top}. Quantize with {way_out}"
        )


def _narrow(network: IntegerNetwork) -> NumericContract:
    """The contract with the smallest state widths in which nothing overflows, at most 32 bits."""
    bounds = state_bounds(network).values()
    constants = np.concatenate(
        [*(layer.threshold for layer in network.hidden), network.readout.initial_out]
    )
    held = int(np.abs(constants.astype(np.int64)).max()).bit_length() + 1
    return replace(
        network.contract,
        syn_bits=min(MAX_STATE_BITS, max(2, *(b.syn_bits for b in bounds))),
        mem_bits=min(MAX_STATE_BITS, max(held, *(b.mem_bits for b in bounds))),
    )


def _hidden(layer, contract: NumericContract) -> tuple[CubaLIF, NDArray[np.float64]]:
    """The integer layer, and its thresholds before they were cut to the widest state word."""
    w_in = _float64(layer.w_in)
    w_rec = None if layer.w_rec is None else _float64(layer.w_rec)
    decay_mem, decay_syn, gain = _decays(layer.tau, contract)
    steps = signed_range(contract.weight_bits)[1]
    scale_in = np.abs(w_in).max(1) / steps
    scale_rec = np.zeros_like(scale_in) if w_rec is None else np.abs(w_rec).max(1) / steps
    unit, e_in, e_rec = _common_unit(scale_in, scale_rec)
    limit = V_THRESHOLD * 2.0**contract.frac_bits / (unit * gain)
    threshold = np.floor(limit) + (contract.fires_when == ">=")
    quantized = CubaLIF(
        w_in=_rounded(w_in, unit * 2.0**e_in, steps),
        w_rec=None if w_rec is None else _rounded(w_rec, unit * 2.0**e_rec, steps),
        e_in=e_in,
        e_rec=e_rec,
        decay_syn=decay_syn,
        decay_mem=decay_mem,
        threshold=np.minimum(threshold, signed_range(contract.mem_bits)[1]).astype(np.int64),
    )
    return quantized, limit


def _readout(model: RSNN, contract: NumericContract) -> CubaLI:
    heads: list = list(model.heads)
    w_out = np.concatenate([_float64(head.w_out) for head in heads])
    parts = [_decays(head.tau, contract) for head in heads]
    decay_mem, decay_syn, gain = (np.concatenate(part) for part in zip(*parts, strict=True))
    steps = signed_range(contract.weight_bits)[1]
    unit, _, _ = _common_unit(np.abs(w_out).max(1) / steps, np.zeros(len(w_out)))
    out_scale = unit * gain / 2.0**contract.frac_bits
    low, high = signed_range(contract.mem_bits)
    return CubaLI(
        w_out=_rounded(w_out, unit, steps),
        decay_syn=decay_syn,
        decay_mem=decay_mem,
        initial_out=np.clip(np.trunc(INITIAL_OUT / out_scale), low, high).astype(np.int64),
        out_scale=out_scale,
        n_heads=len(heads),
    )


def _decays(
    tau: TimeConstants, contract: NumericContract
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Integer (decay_mem, decay_syn), and the membrane's gain 1 - decay_mem as rounded."""
    unity = 1 << contract.decay_frac
    with torch.no_grad():
        wide = TimeConstants(len(tau.mem_param), tau.tau_mem0, tau.tau_syn0, tau.dt).double()
        wide.load_state_dict(tau.state_dict())
        mem, syn = (decay.cpu().numpy() for decay in wide.decays())
    decay_mem, decay_syn = (
        np.minimum(np.rint(decay * unity), unity - 1).astype(np.int64) for decay in (mem, syn)
    )
    return decay_mem, decay_syn, 1.0 - decay_mem / unity


def _common_unit(
    scale_in: NDArray, scale_rec: NDArray
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """One unit a neuron, in which both its scales are powers of two: (unit, e_in, e_rec).

    The larger scale is kept exactly and the smaller one grows to the next power of two below it,
    so that no weight is clipped. A neuron without weights gets the unit 1.
    """
    large = np.maximum(scale_in, scale_rec)
    small = np.minimum(scale_in, scale_rec)
    large = np.where(large == 0, 1.0, large)
    shift = np.floor(np.log2(large / np.where(small == 0, large, small))).astype(np.int64)
    shift = np.minimum(shift, MAX_EXPONENT)
    e_in = np.where(scale_in >= scale_rec, shift, 0)
    return large / 2.0**shift, e_in, np.where(scale_in >= scale_rec, 0, shift)


def _rounded(weights: NDArray, scale: NDArray, steps: int) -> NDArray[np.int64]:
    return np.clip(np.rint(weights / scale[:, None]), -steps, steps).astype(np.int64)


def _float64(parameter: torch.Tensor) -> NDArray[np.float64]:
    return parameter.detach().cpu().double().numpy()
