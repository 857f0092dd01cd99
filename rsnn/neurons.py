"""Current-based LIF and LI layers in floating point, one time step at a time: the definition.

Equations from Liu, Gygax, Rossbroich, Chua, Zhang, Zenke (BioCAS 2024). Every connection delays a
spike by exactly one step, so a step reads only what the step before has written.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from base.order import PUBLISHED, Order
from rsnn.surrogate import V_THRESHOLD, Spike, Surrogate, is_over

INITIAL_OUT = -0.01  # the published readouts' `out` before the first step
NO_LEAK = 2.0**100  # parameter of a time constant from which on nothing leaks


class HiddenState(NamedTuple):
    """State of a CuBa-LIF layer, each (batch, n_neurons)."""

    spk: Tensor
    syn: Tensor
    mem: Tensor


class ReadoutState(NamedTuple):
    """State of a CuBa-LI layer, each (batch, n_outputs)."""

    syn: Tensor
    out: Tensor


class TimeConstants(nn.Module):
    """Trained time constants of one layer: `tau = softplus(param) * tau0`, per neuron.

    A parameter of `NO_LEAK` is an integrator: its decay factor is 1, and a membrane's gain, which
    is 1 - decay_mem elsewhere, is 1 too. No other parameter that makes a decay below 1 is as large.
    """

    def __init__(self, n_neurons: int, tau_mem0: float, tau_syn0: float, dt: float) -> None:
        super().__init__()
        self.tau_mem0 = tau_mem0
        self.tau_syn0 = tau_syn0
        self.dt = dt
        self.mem_param = nn.Parameter(torch.ones(n_neurons))
        self.syn_param = nn.Parameter(torch.ones(n_neurons))

    def tau_mem(self) -> Tensor:
        """Membrane time constants (n_neurons,) in seconds."""
        return nn.functional.softplus(self.mem_param) * self.tau_mem0

    def tau_syn(self) -> Tensor:
        """Synaptic time constants (n_neurons,) in seconds."""
        return nn.functional.softplus(self.syn_param) * self.tau_syn0

    def decays(self) -> tuple[Tensor, Tensor]:
        """Decay factors `exp(-dt / tau)` per step: (decay_mem, decay_syn), each (n_neurons,)."""
        return torch.exp(-self.dt / self.tau_mem()), torch.exp(-self.dt / self.tau_syn())

    def no_leak(self) -> tuple[Tensor, Tensor]:
        """Whether membranes and currents are integrators: (mem, syn), each (n_neurons,) bool."""
        mem, syn = self.mem_param.detach().double(), self.syn_param.detach().double()
        return mem >= NO_LEAK, syn >= NO_LEAK

    def gain(self, decay_mem: Tensor) -> Tensor:
        """What membranes take of their current in a step, (n_neurons,)."""
        return torch.where(self.no_leak()[0], 1.0, 1.0 - decay_mem)

    def factors(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """The factors of every step of a run: decay_mem, the membrane's gain, decay_syn.

        Each is (batch, n_neurons): their gradients are summed over the batch once, not every step.
        """
        decay_mem, decay_syn = self.decays()
        gain = self.gain(decay_mem)
        return decay_mem.expand(batch, -1), gain.expand(batch, -1), decay_syn.expand(batch, -1)


class CubaLIF(nn.Module):
    """A hidden layer of current-based leaky integrate-and-fire neurons.

        A[t]   = w_in x[t-1] + w_rec spk[t-1] + bias
        spk[t] = mem[t-1] > 1
        mem[t] = (decay_mem mem[t-1] + (1 - decay_mem) syn[t-1]) (1 - spk[t])
        syn[t] = decay_syn syn[t-1] + A[t]

    That is the published order; `order` can choose another, of the equations in
    docs/numeric-contract.md. No gradient flows through the reset; through a spike goes that of
    `surrogate`. `w_in` is (post, pre); `w_rec` is (post, post), or None for a layer without
    recurrence; `bias` is (post,), there from the first step on, or None.
    """

    def __init__(
        self,
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
        self.order = order
        self.w_in = nn.Parameter(torch.zeros(n_neurons, n_inputs))
        self.w_rec = nn.Parameter(torch.zeros(n_neurons, n_neurons)) if recurrent else None
        self.bias = nn.Parameter(torch.zeros(n_neurons)) if bias else None
        self.tau = TimeConstants(n_neurons, tau_mem0, tau_syn0, dt)
        self.surrogate = Surrogate()

    @property
    def n_neurons(self) -> int:
        return self.w_in.shape[0]

    def initial_state(self, batch: int) -> HiddenState:
        """All zero, in the weights' dtype and on their device."""
        zero = self.w_in.new_zeros(batch, self.n_neurons)
        return HiddenState(zero, zero, zero)

    def own_constants(self) -> dict[str, Tensor]:
        """Arrays of the integer kind that a CuBa-LIF lacks: none."""
        return {}

    def factors(self, batch: int) -> tuple[Tensor, Tensor, Tensor]:
        """The factors of every step of a run, those of `tau`."""
        return self.tau.factors(batch)

    def step(self, feed: Tensor, state: HiddenState, sent: Tensor, factors) -> HiddenState:
        """Advance one step.

        Args:
            feed: `w_in x[t-1]`, (batch, n_neurons).
            state: state after step t-1.
            sent: `spk[t-1]` as the recurrent connection sees it (after dropout).
            factors: result of `factors(batch)`.
        """
        decay_mem, gain_mem, decay_syn = factors
        acc = feed
        if self.bias is not None and self.order.bias_on == "current":
            acc = feed + self.bias
        if self.w_rec is not None:
            acc = acc + sent @ self.w_rec.T
        if self.order != PUBLISHED:
            return self._step_otherwise(acc, state, factors)
        spk = Spike.apply(state.mem, self.surrogate)
        mem = decay_mem * state.mem + gain_mem * state.syn
        mem = mem.masked_fill(state.mem > V_THRESHOLD, 0.0)  # where spk is 1, without its gradient
        return HiddenState(spk, decay_syn * state.syn + acc, mem)

    def _step_otherwise(self, acc: Tensor, state: HiddenState, factors) -> HiddenState:
        """The step in the order of `self.order`; `acc` is the sum of all that arrives."""
        decay_mem, gain_mem, decay_syn = factors
        chosen = self.order
        syn = _current(chosen, decay_syn, state.syn, acc)
        drive = state.syn if chosen.current == "previous" else syn
        if self.bias is not None and chosen.bias_on == "membrane":
            drive = drive + self.bias
        drive = gain_mem * drive
        kept = decay_mem * state.mem
        integrated = kept + drive
        cleared = torch.zeros_like(kept) if chosen.reset == "zero" else kept - V_THRESHOLD
        if not chosen.reset_drops_input:
            cleared = cleared + drive
        was_over = is_over(state.mem, chosen.fires_when)
        tested = state.mem
        if chosen.fires_on == "new_membrane":
            tested = integrated
        elif chosen.fires_on == "reset_membrane":
            tested = torch.where(was_over, cleared, integrated)
        resets = was_over if chosen.reset_delay else is_over(tested, chosen.fires_when)
        mem = torch.where(resets, cleared, integrated)
        return HiddenState(Spike.apply(tested, self.surrogate, chosen.fires_when), syn, mem)


class CubaLI(nn.Module):
    """A readout head of current-based leaky integrators.

        out[t] = decay_mem out[t-1] + (1 - decay_mem) syn[t-1]
        syn[t] = decay_syn syn[t-1] + w_out spk[t-1] + bias

    `w_out` is (post, pre), `bias` (post,) or None; `out` starts at `initial_out`. `order` can
    choose syn[t] instead of syn[t-1].
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int,
        *,
        tau_mem0: float,
        tau_syn0: float,
        dt: float,
        order: Order = PUBLISHED,
        initial_out: float = INITIAL_OUT,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.order = order
        self.initial_out = initial_out
        self.w_out = nn.Parameter(torch.zeros(n_outputs, n_inputs))
        self.bias = nn.Parameter(torch.zeros(n_outputs)) if bias else None
        self.tau = TimeConstants(n_outputs, tau_mem0, tau_syn0, dt)

    def initial_state(self, batch: int) -> ReadoutState:
        """`syn` zero and `out` at its initial value."""
        zero = self.w_out.new_zeros(batch, self.w_out.shape[0])
        return ReadoutState(zero, zero + self.initial_out)

    def step(self, feed: Tensor, state: ReadoutState, factors) -> ReadoutState:
        """Advance one step; `feed` is `w_out spk[t-1]`, (batch, n_outputs)."""
        decay_mem, gain_mem, decay_syn = factors
        on_current = self.order.bias_on == "current"
        acc = feed if self.bias is None or not on_current else feed + self.bias
        syn = _current(self.order, decay_syn, state.syn, acc)
        drive = state.syn if self.order.current == "previous" else syn
        if self.bias is not None and not on_current:
            drive = drive + self.bias
        return ReadoutState(syn, decay_mem * state.out + gain_mem * drive)


Layer = CubaLIF | CubaLI


def _current(order: Order, decay: Tensor, syn: Tensor, arrived: Tensor) -> Tensor:
    """The synaptic current of a step from the one before, and what arrived."""
    if order.adds_first:
        return decay * (syn + arrived)
    return decay * syn + arrived


def inverse_softplus(value: float) -> float:
    """The parameter whose softplus is `value` (> 0), to set a wanted tau / tau0."""
    return value + math.log(-math.expm1(-value))
