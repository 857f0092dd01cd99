"""Quantization of the spiking networks that rate networks are mapped to.

Membranes are counted from their reset, m = (v - v_reset) / u, in a unit u of their own per unit,
which takes in all that is constant: the scale s of the neuron's weights, dt / tau_mem and the
synapses' normalization 1 / (tau_rise tau). With a = dt / tau_mem:

    u           = a dt s / (tau_rise tau 2^frac_bits)
    w_rec       = round(w / s)
    threshold   = floor((v_threshold - v_reset) / u)
    w_direct    = round(a w_in input_step / (u 2^frac_bits)), shifted left by its own exponent
    decay_mem   = 1 - a,  decay_syn = exp(-dt / tau),  decay_rise = exp(-dt / tau_rise)
    bias        = floor(threshold (2^decay_frac - decay_mem) / 2^decay_frac)

The resting value of v is the threshold, and a bias that is computed apart from the rounded decay
puts it above: every neuron then fires for ever. Computed as here, it rests at the threshold or
below. The readout has one decay for all senders, the mean of theirs, weighted by their weights.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, RangeError, UnsupportedError
from export.quantization.precision import Precision
from export.quantization.rounding import Grid, Rounded, round_weights
from export.quantize import narrowed, wide_contract
from rsnn.rate.names import INTEGER_STEP
from rsnn.rate.network import DT
from rsnn.rate.spiking import BIAS, DT_LIF, RESET, TAU_MEM, TAU_RISE, THRESHOLD, LIFNetwork
from rsnn.rate.task import Task
from sim.contract import MAX_STATE_BITS, PAPER, NumericContract, signed_range
from sim.kinds.cuba_li import CubaLI
from sim.kinds.double_exp_lif import DoubleExpLIF
from sim.layer import MAX_EXPONENT
from sim.network import IntegerNetwork

FINEST_BITS = 8  # of a weight, at which states need no bits below one weight unit
CONTRACT = replace(PAPER, current="new", fires_on="new_membrane", delay_steps=0)


def frac_bits_for(bits: int) -> int:
    """Bits of a state below one weight unit: as many as a weight has fewer than 8.

    Measured on the published network at steps of 0.5 ms: with weights of 4 bits, 0 bits decode 0.56
    of the trials, since small currents decay to nothing, and 4 bits all of them.
    """
    return max(0, FINEST_BITS - bits)


def quantize_lif(
    network: LIFNetwork,
    precision: Precision,
    *,
    task: Task | None = None,
    dt: float = INTEGER_STEP,
    metadata: Mapping[str, Any] | None = None,
) -> IntegerNetwork:
    """Round a spiking network to integers.

    Args:
        network: the spiking network; of `dt` only its steps of 5 ms per column of inputs count.
        precision: widths, and the rule for scales.
        task: whose inputs the network takes; None for spikes.
        dt: length of a step in s, a whole number of which are 5 ms.
        metadata: provenance to store with the network.

    Raises:
        UnsupportedError: the network has single-exponential synapses.
        RangeError: a step that does not fit, or widths too large for a threshold or bias.
        DataError: all recurrent weights, or all of the readout, are zero.
    """
    if network.filter != "double":
        raise UnsupportedError(
            f"the network's synapses have the filter {network.filter}; integers have `double` only,"
            " map it with `filter=double`"
        )
    steps_per_column(dt)
    refractory = round(network.refractory_steps * network.dt / dt)
    contract = replace(wide_contract(CONTRACT, precision), refractory_steps=refractory)
    input_step = 1.0
    if task is not None:
        contract = replace(contract, input_bits=task.input_bits, input_signed=task.input_signed)
        input_step = task.input_step or 1.0
    hidden = _hidden(network, precision, contract, dt, input_step)
    readout = _readout(network, precision, contract, dt)
    return narrowed(
        IntegerNetwork((hidden, readout), contract, dt, dict(metadata or {})), precision
    )


def steps_per_column(dt: float) -> int:
    """Steps of an integer network per step of its task.

    Raises:
        RangeError: 5 ms are no whole number of them, or they are shorter than 0.05 ms.
    """
    count = round(DT / dt) if DT_LIF <= dt * (1 + 1e-9) <= DT * (1 + 1e-6) else 0
    if count < 1 or abs(count * dt - DT) > 1e-9:
        raise RangeError(
            f"`dt` is {dt:g} s; a step of the task lasts {DT:g} s, of which it must be a whole part"
            f" of at least {DT_LIF:g} s, such as {INTEGER_STEP:g}"
        )
    return count


def membrane_units(
    network: LIFNetwork, weights: Rounded, contract: NumericContract, dt: float
) -> NDArray[np.float64]:
    """The unit u of each membrane, (n_units,) in mV."""
    gain = dt / TAU_MEM * dt / (TAU_RISE * network.tau)
    return gain * weights.grid.unit / 2.0**contract.frac_bits


def _hidden(
    network: LIFNetwork, precision: Precision, c: NumericContract, dt: float, input_step: float
) -> DoubleExpLIF:
    weights = _rounded(network.w, "recurrent", precision.steps("rec"), precision)
    unit = membrane_units(network, weights, c, dt)
    threshold = np.floor((THRESHOLD - RESET) / unit)
    top = signed_range(MAX_STATE_BITS)[1]
    if threshold.max() > top:
        neuron = int(threshold.argmax())
        raise RangeError(
            f"hidden0: neuron {neuron} needs a threshold of {threshold[neuron]:.0f}; a state word"
            f" of 32 bits ends at {top}. Quantize with a longer `dt`, fewer `frac_bits` or fewer"
            " `bits`"
        )
    unity = 1 << c.decay_frac
    threshold = threshold.astype(np.int64)
    decay_mem = np.full(network.n_units, round((1 - dt / TAU_MEM) * unity), np.int64)
    gain = dt / TAU_MEM * input_step / (unit * 2.0**c.frac_bits)
    direct, e_direct = _direct(gain[:, None] * network.w_in, precision.steps("in"))
    assert THRESHOLD == BIAS  # the membrane rests at the threshold
    return DoubleExpLIF(
        w_direct=direct,
        w_rec=weights.w_rec,
        e_direct=e_direct,
        e_rec=weights.grid.e_rec,
        decay_rise=np.full(network.n_units, _factor(np.exp(-dt / TAU_RISE), c), np.int64),
        decay_syn=_factor(np.exp(-dt / network.tau), c),
        decay_mem=decay_mem,
        threshold=threshold,
        bias=threshold * (unity - decay_mem) >> c.decay_frac,
    )


def _readout(network: LIFNetwork, precision: Precision, c: NumericContract, dt: float) -> CubaLI:
    weights = _rounded(network.w_out[None], "readout", precision.steps("out"), precision)
    sizes = np.abs(network.w_out)
    tau = float((sizes * network.tau).sum() / sizes.sum())
    unit = weights.grid.unit * dt / (TAU_RISE * tau) / 2.0**c.frac_bits
    return CubaLI(
        w_out=weights.w_rec,
        decay_syn=np.array([_factor(np.exp(-dt / TAU_RISE), c)]),
        decay_mem=np.array([_factor(np.exp(-dt / tau), c)]),
        initial_out=np.zeros(1, np.int64),
        out_scale=unit,
    )


def _rounded(w: NDArray[np.float64], what: str, steps: int, precision: Precision) -> Rounded:
    """Weights on their grid; a row of zeros gets the smallest scale of the others."""
    if not w.any():
        raise DataError(f"all {what} weights are zero; train and map the network again")
    nothing = np.zeros((len(w), 0))
    found = round_weights(nothing, w, (1, steps), precision)
    has_weights = w.any(1)
    unit = np.where(has_weights, found.grid.unit, found.grid.unit[has_weights].min())
    return Rounded(found.w_in, found.w_rec, Grid(unit, found.grid.e_in, found.grid.e_rec))


def _direct(exact: NDArray[np.float64], steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Weights of the inputs and the shift of each row, (n_units, n_inputs) and (n_units,)."""
    largest = np.abs(exact).max(1)
    with np.errstate(divide="ignore"):
        needed = np.ceil(np.log2(largest / (steps + 0.5)))
    shift = np.maximum(needed, 0).astype(np.int64)
    if shift.max() > MAX_EXPONENT:
        neuron = int(shift.argmax())
        raise RangeError(
            f"hidden0: neuron {neuron} needs input weights shifted by {shift[neuron]} bits;"
            f" {MAX_EXPONENT} are possible. Quantize with more `frac_bits` or a longer `dt`"
        )
    return np.rint(exact / 2.0 ** shift[:, None]).astype(np.int64), shift


def _factor(decay: Any, c: NumericContract) -> Any:
    """A decay as an integer."""
    return np.rint(decay * (1 << c.decay_frac)).astype(np.int64)
