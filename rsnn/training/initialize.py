"""Fluctuation-driven initialization: weights that make every membrane hover below threshold.

Rossbroich, Gygax, Zenke (Neuromorph. Comput. Eng. 2022). A neuron whose n inputs fire as
independent Poisson processes of rate nu (Hz) through weights of variance sigma_w^2 and mean 0 has a
free membrane whose variance over time is

    sigma_u^2 = n nu eps sigma_w^2,    eps = integral of psp(t)^2 dt, in seconds

so that each connection gets  sigma_w^2 = share sigma_u^2 / (n nu eps),  where the shares of the
connections that end on one neuron sum to 1.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from base.errors import MismatchError, RangeError
from rsnn.model import RSNN
from rsnn.neurons import CubaLIF

SIGMA_U = 0.5  # target standard deviation of the membrane, in units of the threshold
INPUT_SHARE = 0.9  # share of sigma_u^2 from below; the rest is recurrent
ARRAY_CHANNELS = 96  # electrodes of one array; "loco" has two, which fire at different rates


def psp_energy(tau_mem: float, tau_syn: float) -> float:
    """Integral of the squared membrane response to one spike of weight 1, in seconds.

    A spike lifts syn by 1; with a membrane of gain 1 - decay_mem, in continuous time,

        psp(t) = (1 / tau_mem) int_0^t exp(-(t - s) / tau_mem) exp(-s / tau_syn) ds
               = tau_syn / (tau_mem - tau_syn) (exp(-t / tau_mem) - exp(-t / tau_syn))

    and the integral of its square over t > 0 is

        tau_syn^2 / (tau_mem - tau_syn)^2
            (tau_mem / 2 + tau_syn / 2 - 2 tau_mem tau_syn / (tau_mem + tau_syn))
        = tau_syn^2 / (2 (tau_mem + tau_syn)),

    finite at tau_mem = tau_syn too. Steps of 4 ms make the real fluctuations of a 20 ms / 10 ms
    neuron 1.22 times as large, because a spike then fills a whole step; the recipe ignores that.

    Args:
        tau_mem, tau_syn: in seconds.
    """
    return tau_syn**2 / (2.0 * (tau_mem + tau_syn))


def input_rates(raster: NDArray[np.uint8], dt: float) -> tuple[float, ...]:
    """Mean rate in Hz of each electrode array of 96 channels, or of all channels as one group.

    Args:
        raster: (n_steps, n_channels), of the training part.
        dt: s per step.
    """
    n_channels = raster.shape[1]
    n_groups = n_channels // ARRAY_CHANNELS if n_channels % ARRAY_CHANNELS == 0 else 1
    groups = np.split(raster.mean(0, dtype=np.float64) / dt, max(n_groups, 1))
    return tuple(float(group.mean()) for group in groups)


def initialize(model: RSNN, *, rates: Sequence[float], generator: torch.Generator) -> None:
    """Draw every parameter of a model afresh, as the published networks start.

    Weights onto hidden neurons are normal with mean 0 and the variance above, at tau_mem0 and
    tau_syn0. nu is the mean of `rates` for every connection, the recurrent one and those between
    hidden layers included: no other rate is known before training. Input columns of group
    g are scaled by rates[0] / rates[g]. Readout weights are N(0, 1) / sqrt(fan_in). Time constants
    start at softplus(U(0, 1)) tau0 for hidden neurons, at softplus(1) tau0 for readouts. Biases
    start at zero.

    Args:
        rates: mean input rate in Hz of each of the equally large groups of channels, in order, as
            `input_rates` returns them.
        generator: source of all draws, on the CPU.

    Raises:
        RangeError: a group that is silent.
        MismatchError: channels that do not divide into that many groups.
    """
    n_inputs = model.architecture.n_inputs
    if not rates or n_inputs % len(rates):
        raise MismatchError(
            f"{n_inputs} channels do not divide into {len(rates)} groups of equal size; give one"
            " mean rate per group"
        )
    for group, rate in enumerate(rates):
        if not rate > 0.0:
            raise RangeError(
                f"channel group {group} has a mean rate of {rate:g} Hz; it must be above 0, use a"
                " recording in which that group fires"
            )
    nu = float(np.mean(rates))
    with torch.no_grad():
        for hidden in model.layers:
            _draw_hidden(hidden, nu, generator)
        columns = torch.tensor([rates[0] / rate for rate in rates])
        model.layers[0].w_in.mul_(columns.repeat_interleave(n_inputs // len(rates)))
        for layer in model.named_layers().values():
            if layer.bias is not None:
                layer.bias.zero_()
        for head in model.readouts:
            head.w_out.normal_(0.0, head.w_out.shape[1] ** -0.5, generator=generator)
            head.tau.mem_param.fill_(1.0)
            head.tau.syn_param.fill_(1.0)


def _draw_hidden(layer: CubaLIF, nu: float, generator: torch.Generator) -> None:
    eps = psp_energy(layer.tau.tau_mem0, layer.tau.tau_syn0)
    connections = [(layer.w_in, INPUT_SHARE)]
    if layer.w_rec is not None:
        connections.append((layer.w_rec, 1.0 - INPUT_SHARE))
    for weight, share in connections:
        variance = share * SIGMA_U**2 / (weight.shape[1] * nu * eps)
        weight.normal_(0.0, variance**0.5, generator=generator)
    layer.tau.mem_param.uniform_(0.0, 1.0, generator=generator)
    layer.tau.syn_param.uniform_(0.0, 1.0, generator=generator)
