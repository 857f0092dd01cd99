"""The layers of a chain in the units of a float model: decays, and gains folded into weights.

With the box convention (see `export.nir.readers`) a CubaLIF node does in a step

    I' = d_syn I + (1 - d_syn) w_in (W S + b)    v' = d_mem v + (1 - d_mem) r I

and fires above v_threshold; a float model does

    syn' = d_syn syn + W' S + b'                 mem' = d_mem mem + (1 - d_mem) syn

and fires above 1. They are the same with mem = v / v_threshold and

    W' = W r (1 - d_syn) w_in / v_threshold      b' = b r (1 - d_syn) w_in / v_threshold

A LIF or LI has d_syn = 0 and w_in = 1; a readout has no threshold, so mem = v. A membrane that
decays to v_leak gets (1 - d_mem) v_leak in each step, which is what a bias of v_leak / r does where
d_syn = 0: v_leak / v_threshold is added to b'. Membranes start at 0.

A membrane with d_mem = 1, whose tau is too long for a float64 to tell, has a gain of 1 in a float
model, so W' and b' hold its 1 - d_mem, dt / tau. An IF or I has d_mem = 1 and adds r (W S + b) in
each step, whatever dt: a spike is an impulse to it, as in norse and sinabs.
"""

from dataclasses import dataclass

import nir
import numpy as np
from numpy.typing import NDArray

from base.checks import check_at_most, check_choice
from base.errors import DataError, RangeError
from export.nir.chain import Stage, finite, spread
from rsnn.layer_arrays import LayerArrays

Array = NDArray[np.float64]
LONGEST_STEP = 1e6  # s
DISCRETIZATIONS = ("exact", "euler")


@dataclass(frozen=True)
class TimeStep:
    """The conversion of continuous time to steps.

    Attributes:
        dt: seconds per step.
        discretization: `exact`: d = exp(-dt / tau), or `euler`: d = 1 - dt / tau.

    Raises:
        RangeError: an impossible dt, or an unknown discretization.
    """

    dt: float
    discretization: str = "exact"

    def __post_init__(self) -> None:
        if not np.isfinite(self.dt) or self.dt <= 0:
            raise RangeError(f"`dt` is {self.dt}; a step is longer than 0 s")
        check_at_most("dt", self.dt, LONGEST_STEP)
        check_choice("discretization", self.discretization, DISCRETIZATIONS)

    def decay(self, stage: Stage, key: str) -> tuple[Array, Array]:
        """Decay factors d (n,) of the time constants of a stage, and 1 - d, which is never 0."""
        tau = spread(stage.name, key, getattr(stage.node, key), len(stage.w_in))
        if np.any(tau <= 0):
            raise DataError(f"node `{stage.name}`: `{key}` is {tau.min()}; it is longer than 0 s")
        with np.errstate(over="ignore"):
            steps = self.dt / tau
        if self.discretization == "exact":
            decay, lost = np.exp(-steps), -np.expm1(-steps)
        else:
            decay, lost = 1.0 - steps, steps
            if np.any(decay < -1e-9):
                raise DataError(
                    f"node `{stage.name}`: `{key}` is {tau.min()} s, shorter than a step of"
                    f" {self.dt} s, where forward Euler is unstable; use `discretization=exact`"
                )
            decay = np.maximum(decay, 0.0)
        return decay, np.where(decay == 1.0, lost, 1.0 - decay)


def layer_of(stage: Stage, time: TimeStep) -> LayerArrays:
    """Weights, decays and bias of a stage.

    Raises:
        DataError: a parameter that no layer can have.
    """
    node, n = stage.node, len(stage.w_in)
    bias = stage.bias
    if node is None:
        return LayerArrays(stage.w_in, None, np.zeros(n), np.zeros(n), bias if bias.any() else None)
    gain = spread(stage.name, "r", node.r, n)
    if isinstance(node, nir.CubaLIF | nir.CubaLI):
        decay_mem, lost = time.decay(stage, "tau_mem")
        decay_syn, taken = time.decay(stage, "tau_syn")
        gain = gain * taken * spread(stage.name, "w_in", node.w_in, n)
    elif isinstance(node, nir.IF | nir.I):
        decay_mem, lost, decay_syn = np.ones(n), np.ones(n), np.zeros(n)
    else:
        (decay_mem, lost), decay_syn = time.decay(stage, "tau"), np.zeros(n)
    without = np.where(decay_mem == 1.0, lost, 1.0)
    gain, drive = gain * without, _leak(stage, node, decay_syn) * without
    if isinstance(node, nir.CubaLIF | nir.LIF | nir.IF):
        _check_zero(stage, "v_reset")
        if not np.all(np.asarray(node.v_threshold) == np.inf):
            threshold = spread(stage.name, "v_threshold", node.v_threshold, n)
            if np.any(threshold <= 0):
                raise DataError(
                    f"node `{stage.name}`: `v_threshold` is {threshold.min()}; it is above the rest"
                    " at 0"
                )
            with np.errstate(over="ignore"):
                gain, drive = gain / threshold, drive / threshold
    with np.errstate(over="ignore", invalid="ignore"):
        w_in = finite(stage.name, "weight (with its gain)", stage.w_in * gain[:, None])
        w_rec = stage.w_rec
        if w_rec is not None:
            w_rec = finite(stage.name, "weight (with its gain)", w_rec * gain[:, None])
        bias = finite(stage.name, "bias (with its gain)", bias * gain + drive)
    return LayerArrays(w_in, w_rec, decay_mem, decay_syn, bias if bias.any() else None)


def _leak(stage: Stage, node: nir.NIRNode, decay_syn: Array) -> Array:
    """What membranes decay to, (n,), which a bias of as much does where the current is not kept."""
    if isinstance(node, nir.IF | nir.I):
        return np.zeros(len(stage.w_in))
    leak = spread(stage.name, "v_leak", node.v_leak, len(stage.w_in))
    kept = (leak != 0) & (decay_syn != 0)
    if kept.any():
        raise DataError(
            f"node `{stage.name}`: `v_leak` is {leak[kept][0]}, which no bias is where a current"
            " decays with `tau_syn`; shift the node's voltages"
        )
    return leak


def _check_zero(stage: Stage, key: str) -> None:
    values = spread(stage.name, key, getattr(stage.node, key), len(stage.w_in))
    if values.any():
        worst = values[np.argmax(np.abs(values))]
        raise DataError(
            f"node `{stage.name}`: `{key}` is {worst}; a float model rests and resets at 0, so"
            " shift the node's voltages"
        )
