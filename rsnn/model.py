"""Recurrent spiking decoders in floating point: the RSNN, and the published presets of it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple, Self, cast

import torch
from torch import Tensor, nn

from base.errors import MismatchError, RangeError
from base.order import PUBLISHED, Order
from rsnn.fast.dropout import keep_factors
from rsnn.kinds import find_float_kind
from rsnn.layer_arrays import MOST_WEIGHTS
from rsnn.neurons import INITIAL_OUT, CubaLI, CubaLIF, Layer
from sim.layer import SPIKES

MOST_LAYERS, MOST_UNITS = 64, 1 << 16
DT = 0.004  # seconds per step, of the recordings and of every published network


@dataclass(frozen=True)
class Head:
    """Initial time constants of one readout head, in seconds."""

    tau_mem0: float
    tau_syn0: float


@dataclass(frozen=True)
class Architecture:
    """The shape of an RSNN: everything needed to build one with unset parameters.

    `hidden` lists the neurons of each hidden layer, `heads` the readout heads (their outputs are
    averaged), `dt` is in seconds, `order` is that of a step; `out` starts at `initial_out`.
    With `bias` every unit, hidden or of a readout, has one. `neuron` is the kind of hidden neurons,
    a file in `rsnn/kinds/`.
    """

    n_inputs: int
    hidden: tuple[int, ...] = (64,)
    heads: tuple[Head, ...] = (Head(0.050, 0.010),)
    n_outputs: int = 2
    recurrent: bool = True
    tau_mem0: float = 0.020
    tau_syn0: float = 0.010
    dt: float = DT
    order: Order = PUBLISHED
    initial_out: float = INITIAL_OUT
    bias: bool = False
    neuron: str = "cuba_lif"

    def __post_init__(self) -> None:
        sizes = {"n_inputs": self.n_inputs, "n_outputs": self.n_outputs}
        sizes |= {f"hidden[{i}]": n for i, n in enumerate(self.hidden)}
        for name, size in sizes.items():
            if size < 1:
                raise RangeError(f"{name} is {size}; a layer needs at least 1 unit")
        if len(self.hidden) > MOST_LAYERS:
            raise RangeError(f"hidden has {len(self.hidden)} layers; at most {MOST_LAYERS} fit")
        n_weights, n_below = 0, self.n_inputs
        for i, n in enumerate(self.hidden):
            n_weights += n * (n_below + n * self.recurrent)
            n_below = n
            if n > MOST_UNITS or n_weights > MOST_WEIGHTS:
                raise RangeError(
                    f"hidden[{i}] is {n}; at most {MOST_UNITS} units of a layer and {MOST_WEIGHTS}"
                    " weights of all are possible"
                )
        if not self.hidden or not self.heads:
            raise RangeError("a network needs at least one hidden layer and one readout head")

    @property
    def is_published(self) -> bool:
        """Whether neurons, initial state and order of a step are the published ones.

        Fast loops support nothing else.
        """
        found = self.neuron, self.order, self.initial_out
        return found == (type(self).neuron, PUBLISHED, INITIAL_OUT)

    @property
    def delays(self) -> tuple[int, ...]:
        """Steps that a spike takes to each hidden layer from below, and to the readout."""
        return self.order.delays(len(self.hidden) + 1)

    @property
    def input_values(self) -> tuple[int, int]:
        """Smallest and largest value of an input in a step: float models take spikes."""
        return SPIKES

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values, as in model files: `initial_out` lies beside the order."""
        values = asdict(self)
        values["dynamics"] = values.pop("order") | {"initial_out": values.pop("initial_out")}
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build an architecture from `as_dict`'s result; fields with a default may be missing.

        Raises:
            KeyError, TypeError, ValueError, AttributeError: the values describe no architecture.
            RangeError: a value is not allowed.
        """
        fields = dict(values)
        hidden = tuple(fields.pop("hidden"))
        heads = tuple(Head(**head) for head in fields.pop("heads"))
        chosen = dict(fields.pop("dynamics", {}))
        start = chosen.pop("initial_out", INITIAL_OUT)
        return cls(hidden=hidden, heads=heads, order=Order(**chosen), initial_out=start, **fields)


def tiny(n_inputs: int) -> Architecture:
    """tinyRSNN: 64 recurrent neurons, one head."""
    return Architecture(n_inputs)


def big(n_inputs: int) -> Architecture:
    """bigRSNN: 1024 recurrent neurons, five heads with different time constants."""
    heads = ((50, 10), (20, 5), (20, 20), (30, 10), (100, 30))  # ms
    return Architecture(n_inputs, (1024,), tuple(Head(m / 1000, s / 1000) for m, s in heads))


PRESETS = {"tiny": tiny, "big": big}


class Decoded(NamedTuple):
    """Result of a run of an RSNN.

    `out` is (batch, n_steps, n_outputs), the mean of the heads; `spk` holds the spikes of each
    hidden layer, (batch, n_steps, n_neurons), as 0 and 1. `counts`, their sums over the steps, are
    there only if they were counted during the run, possibly without the spikes; see `spike_counts`.
    """

    out: Tensor
    spk: tuple[Tensor, ...]
    counts: tuple[Tensor, ...] = ()

    def spike_counts(self) -> tuple[Tensor, ...]:
        """Spikes of each neuron over all steps, (batch, n_neurons) per hidden layer."""
        return self.counts or tuple(spk.sum(1) for spk in self.spk)


class RSNN(nn.Module):
    """Hidden layers of one kind and CuBa-LI readout heads. Parameters start at zero weight.

    The dtype of the parameters is the precision in which the model is kept; it computes in it too.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        a = architecture
        fan_in = (a.n_inputs, *a.hidden)
        make = find_float_kind(a.neuron).make
        self.hidden = nn.ModuleList(
            make(
                n_in,
                n,
                recurrent=a.recurrent,
                tau_mem0=a.tau_mem0,
                tau_syn0=a.tau_syn0,
                dt=a.dt,
                order=a.order,
                bias=a.bias,
            )
            for n_in, n in zip(fan_in[:-1], a.hidden, strict=True)
        )
        self.heads = nn.ModuleList(
            CubaLI(
                a.hidden[-1],
                a.n_outputs,
                tau_mem0=h.tau_mem0,
                tau_syn0=h.tau_syn0,
                dt=a.dt,
                order=a.order,
                initial_out=a.initial_out,
                bias=a.bias,
            )
            for h in a.heads
        )

    @property
    def layers(self) -> Sequence[CubaLIF]:
        """The hidden layers, in the order in which signals pass them."""
        return cast("Sequence[CubaLIF]", self.hidden)

    @property
    def readouts(self) -> Sequence[CubaLI]:
        """The readout heads."""
        return cast("Sequence[CubaLI]", self.heads)

    def named_layers(self) -> dict[str, Layer]:
        """Every layer by name, the hidden ones first: `hidden0` and so on, `head0` and so on."""
        named: dict[str, Layer] = {f"hidden{i}": layer for i, layer in enumerate(self.layers)}
        return named | {f"head{i}": head for i, head in enumerate(self.readouts)}

    def connections(self) -> dict[str, nn.Parameter]:
        """Every weight matrix (post, pre) by name, in the order in which signals pass them."""
        named = {}
        for i, layer in enumerate(self.layers):
            named[f"hidden{i}.w_in"] = layer.w_in
            if layer.w_rec is not None:
                named[f"hidden{i}.w_rec"] = layer.w_rec
        named |= {f"head{i}.w_out": head.w_out for i, head in enumerate(self.readouts)}
        return named

    def forward(
        self, raster: Tensor, dropout: float = 0.0, generator: torch.Generator | None = None
    ) -> Decoded:
        """Run from the initial state over a raster of 0 and 1.

        Args:
            raster: input spikes (batch, n_steps, n_inputs), in the dtype of the parameters.
            dropout: share of input and hidden spikes removed, independently; the rest is scaled by
                1 / (1 - dropout).
            generator: source of the dropout masks.

        Raises:
            MismatchError: the raster has a different number of channels.
        """
        check_channels(self, raster.shape[2])
        signal = _drop(raster.transpose(0, 1), dropout, generator)
        spikes = []
        *delays, last = self.architecture.delays
        for layer, late in zip(self.layers, delays, strict=True):
            spk, signal = _run_hidden(layer, signal, late, dropout, generator)
            spikes.append(spk.transpose(0, 1))
        out = torch.stack([_run_readout(head, signal, last) for head in self.readouts]).mean(0)
        return Decoded(out.transpose(0, 1), tuple(spikes))


def check_channels(model: RSNN, n_channels: int) -> None:
    """Refuse a raster that does not fit a model.

    Raises:
        MismatchError: the model takes a different number of channels.
    """
    n_inputs = model.architecture.n_inputs
    if n_channels != n_inputs:
        raise MismatchError(
            f"the raster has {n_channels} channels, the model {n_inputs}; use a recording with as"
            " many channels"
        )


# Signals below are time-major, (n_steps, batch, n): a step is then one contiguous block. Layers
# run one after the other, each over all steps: nothing feeds back into a layer but its own spikes.


def _run_hidden(
    layer: CubaLIF, signal: Tensor, late: int, dropout: float, generator: torch.Generator | None
) -> tuple[Tensor, Tensor]:
    """Return the spikes of a layer, and the same as its connections see them (after dropout)."""
    batch = signal.shape[1]
    # unbind, because the gradient of 500 slices would be 500 tensors as large as the whole
    feeds = _arriving(signal @ layer.w_in.T, late)
    keep = keep_factors((*signal.shape[:2], layer.n_neurons), dropout, generator, layer.w_in)
    factors = layer.factors(batch)
    state = layer.initial_state(batch)
    sent = state.spk
    spikes, all_sent = [], []
    for t, feed in enumerate(feeds):
        state = layer.step(feed, state, sent, factors)
        sent = state.spk if keep is None else state.spk * keep[t]
        spikes.append(state.spk)
        all_sent.append(sent)
    spk = torch.stack(spikes)
    return spk, spk if keep is None else torch.stack(all_sent)


def _run_readout(head: CubaLI, signal: Tensor, late: int) -> Tensor:
    """Return `out` of a readout head at every step."""
    batch = signal.shape[1]
    factors = head.tau.factors(batch)
    state = head.initial_state(batch)
    outs = []
    for feed in _arriving(signal @ head.w_out.T, late):
        state = head.step(feed, state, factors)
        outs.append(state.out)
    return torch.stack(outs)


def _arriving(projected: Tensor, late: int) -> list[Tensor]:
    """The signal that arrives at each step: sent in that step or, with a delay, before it."""
    if not late:
        return [*projected.unbind(0)]
    return [torch.zeros_like(projected[0]), *projected[:-1].unbind(0)]


def _drop(spikes: Tensor, dropout: float, generator: torch.Generator | None) -> Tensor:
    keep = keep_factors(tuple(spikes.shape), dropout, generator, spikes)
    return spikes if keep is None else spikes * keep
