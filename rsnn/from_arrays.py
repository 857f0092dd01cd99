"""A float model of plain arrays."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from base.order import Order
from rsnn.layer_arrays import LayerArrays, check_size
from rsnn.model import RSNN, Architecture, Head
from rsnn.neurons import NO_LEAK

_NO_MEMORY = 1e-3  # steps: exp(-1000) is 0 in every float
_TAU_MEM0, _TAU_SYN0 = 0.020, 0.010  # s, what the trained factors multiply


def model_of(hidden: Sequence[LayerArrays], readout: LayerArrays, dt: float, order: Order) -> RSNN:
    """Make a model in float64, which keeps decay factors as exact as they were given.

    Its readout starts at 0.

    Args:
        hidden: at least one layer; where only some are recurrent, the others get zero weights, and
            where only some layers have a bias, the others get one of zeros.
        readout: one head.
        dt: seconds per step.
        order: order of a step.

    Raises:
        RangeError: more weights than any plausible network has.
    """
    recurrent = any(layer.w_rec is not None for layer in hidden)
    check_size(
        [layer.w_in.shape for layer in (*hidden, readout)]
        + [(len(layer.w_in),) * 2 for layer in hidden if recurrent]
    )
    model = RSNN(
        Architecture(
            hidden[0].w_in.shape[1],
            tuple(len(layer.w_in) for layer in hidden),
            (Head(_TAU_MEM0, _TAU_SYN0),),
            len(readout.w_in),
            recurrent=recurrent,
            tau_mem0=_TAU_MEM0,
            tau_syn0=_TAU_SYN0,
            dt=dt,
            order=order,
            initial_out=0.0,
            bias=any(layer.bias is not None for layer in (*hidden, readout)),
        )
    ).double()
    with torch.no_grad():
        modules: list = [*model.layers, model.readouts[0]]
        for arrays, module in zip((*hidden, readout), modules, strict=True):
            weights = module.w_out if module is modules[-1] else module.w_in
            weights.copy_(torch.from_numpy(arrays.w_in))
            if arrays.w_rec is not None:
                module.w_rec.copy_(torch.from_numpy(arrays.w_rec))
            if arrays.bias is not None:
                module.bias.copy_(torch.from_numpy(arrays.bias))
            module.tau.mem_param.copy_(_parameter(arrays.decay_mem, dt, _TAU_MEM0))
            module.tau.syn_param.copy_(_parameter(arrays.decay_syn, dt, _TAU_SYN0))
    return model.eval()


def _parameter(decay: NDArray[np.float64], dt: float, tau0: float) -> torch.Tensor:
    """The parameter that softplus and exp turn into a decay factor."""
    leaks = decay < 1.0
    with np.errstate(divide="ignore"):
        tau = np.maximum(-dt / np.log(np.where(leaks, decay, 0.5)), _NO_MEMORY * dt) / tau0
    return torch.from_numpy(np.where(leaks, tau + np.log(-np.expm1(-tau)), NO_LEAK))
