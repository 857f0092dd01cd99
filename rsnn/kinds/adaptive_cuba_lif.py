"""CuBa-LIF neurons whose thresholds rise with each spike and fall back, for training.

        adapt[t]     = decay_threshold adapt[t-1] + threshold_step spk[t]
        threshold[t] = 1 + adapt[t-1]

Both the step and the time constant of the decay are trained, one of each per neuron, through
softplus, so that they stay above 0. Bellec et al. (2018), arXiv:1803.09574, have the same neuron
with one step for all and fixed time constants of about a second.
"""

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn.functional import softplus

from rsnn.float_kind import FloatKind
from rsnn.stepped import Added, Stepped
from sim.kinds.adaptive_cuba_lif import AdaptiveCubaLIF

TAU0 = 0.2  # s, multiplied by the trained factor of the decay
STEP0 = 0.1  # of a threshold of 1, multiplied by the trained factor of the step


def _start(n_neurons: int, dt: float) -> dict[str, Tensor]:
    return {"tau_param": torch.ones(n_neurons), "step_param": torch.ones(n_neurons)}


def _constants(parameters: Mapping[str, Tensor], dt: float) -> dict[str, Tensor]:
    return {
        "decay_threshold": torch.exp(-dt / (softplus(parameters["tau_param"]) * TAU0)),
        "threshold_step": softplus(parameters["step_param"]) * STEP0,
    }


FLOAT_KIND = FloatKind(make=partial(Stepped, AdaptiveCubaLIF, Added(_start, _constants)))
