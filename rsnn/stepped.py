"""Hidden layers of any kind in floating point, computed by the step of their integer kind.

For kinds without a float layer of their own: the parameters are those of a CuBa-LIF layer and what
the kind adds; gradients are autograd's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from base.order import PUBLISHED, Order
from rsnn.arithmetic import FloatConnection, Floats
from rsnn.neurons import TimeConstants
from rsnn.surrogate import V_THRESHOLD, Surrogate
from sim.layer import Layer


@dataclass(frozen=True)
class Added:
    """The parameters that a kind adds to those of a CuBa-LIF layer.

    Attributes:
        start: (n_neurons, dt in seconds) -> the parameters by name before training.
        constants: (parameters, dt) -> the arrays of the integer kind that a CuBa-LIF lacks: decays
            as factors per step, all else in the unit of the float model's membrane.
    """

    start: Callable[[int, float], dict[str, Tensor]]
    constants: Callable[[Mapping[str, Tensor], float], dict[str, Tensor]]


class Stepped(nn.Module):
    """A hidden layer of any kind.

    `w_in` is (post, pre); `w_rec` is (post, post), or None for a layer without recurrence; `bias`
    is (post,) or None; `added` holds the kind's own parameters. `kind` is the integer kind.
    """

    def __init__(
        self,
        kind: type[Layer],
        added: Added,
        n_inputs: int,
        n_neurons: int,
        *,
        recurrent: bool,
        tau_mem0: float,
        tau_syn0: float,
        dt: float,
        order: Order = PUBLISHED,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.kind, self.order = kind, order
        self.w_in = nn.Parameter(torch.zeros(n_neurons, n_inputs))
        self.w_rec = nn.Parameter(torch.zeros(n_neurons, n_neurons)) if recurrent else None
        self.bias = nn.Parameter(torch.zeros(n_neurons)) if bias else None
        self.tau = TimeConstants(n_neurons, tau_mem0, tau_syn0, dt)
        self.surrogate = Surrogate()
        start = added.start(n_neurons, dt)
        self.added = nn.ParameterDict({k: nn.Parameter(v) for k, v in start.items()})
        self._constants_of = added.constants

    @property
    def n_neurons(self) -> int:
        return self.w_in.shape[0]

    def initial_state(self, batch: int) -> Any:
        """All zero, in the weights' dtype and on their device."""
        zero = self.w_in.new_zeros(batch, self.n_neurons)
        return self.kind.words()(*(zero for _ in self.kind.STATES))

    def own_constants(self) -> dict[str, Tensor]:
        """The kind's arrays that a CuBa-LIF lacks, as `Added.constants` gives them."""
        return self._constants_of(dict(self.added.items()), self.tau.dt)

    def factors(self, batch: int) -> Floats:
        """The arithmetic of a run: constants that do not change from step to step."""
        decay_mem, decay_syn = self.tau.decays()
        gain = self.tau.gain(decay_mem)
        declared = self.kind.declared()
        constants = {
            name: value if declared[name].content == "decay" else value / gain
            for name, value in self.own_constants().items()
        }
        constants |= {
            "decay_mem": decay_mem,
            "decay_syn": decay_syn,
            "threshold": V_THRESHOLD / gain,
        }
        if self.bias is not None:
            constants["bias"] = self.bias
        wide = {name: value.expand(batch, -1) for name, value in constants.items()}
        return Floats(self.order, wide, gain.expand(batch, -1), self.surrogate)

    def connections(self) -> tuple[FloatConnection, ...]:
        """What comes from below, weighed for all steps at once, and the layer's own spikes."""
        below = FloatConnection("w_in", None)
        return (below,) if self.w_rec is None else (below, FloatConnection("w_rec", self.w_rec))

    def step(self, feed: Tensor, state: Any, sent: Tensor, factors: Floats) -> Any:
        """Advance one step.

        Args:
            feed: weighted sums from below, (batch, n_neurons).
            state: the state words before the step, each (batch, n_neurons).
            sent: the last spikes as the recurrent connection sees them (after dropout).
            factors: result of `factors`.
        """
        update = self.kind.step(factors, self, state._replace(spk=sent), feed)
        return self.kind.words()(*(getattr(update, name) for name in self.kind.STATES))
