"""An integer run as a differentiable function of its floats, by the step of each layer's kind.

For kinds without gradients written by hand (`export/quantization/straight.py`), and the oracle of
those that have them: the forward pass computes the network's integers, exact in float64, and
autograd goes back through every step.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from export.quantization.units import units_of
from rsnn.arithmetic import FloatConnection, Floats, straight_through
from rsnn.layer_floats import LayerFloats
from rsnn.model import Decoded
from rsnn.surrogate import V_THRESHOLD, Surrogate
from sim.contract import NumericContract
from sim.layer import Layer
from sim.network import IntegerNetwork


def run_by_step(
    network: IntegerNetwork,
    raster: Tensor,
    surrogates: Sequence[Surrogate],
    floats: Sequence[LayerFloats[Tensor]],
    added: Sequence[Mapping[str, Tensor]],
) -> Decoded:
    """Run a network, differentiable by the floats behind its integers.

    Args:
        network: the network.
        raster: input spikes (batch, n_steps, n_inputs).
        surrogates: surrogate of each hidden layer.
        floats: result of `export.qat.Latent.floats`.
        added: the arrays of each hidden layer that a CuBa-LIF lacks, as floats.
    """
    signal, c = raster.to(torch.float64), network.contract
    *delays, last = c.delays(len(network.layers))
    spikes = []
    for layer, surrogate, its, own, late in zip(
        network.hidden, surrogates, floats, added, delays, strict=False
    ):
        part = _Part.of(layer, c, its, own)
        signal = _run(part, c, surrogate, signal, late)["spk"]
        spikes.append(signal)
    part = _Part.of(network.readout, c, floats[-1], {})
    out = _run(part, c, Surrogate(), signal, last)["out"] * part.gain
    heads = out.unflatten(2, (network.readout.n_heads, -1))
    return Decoded(heads.mean(2).float(), tuple(spk.float() for spk in spikes))


class _Part(NamedTuple):
    """A layer with integers that have the gradients of its floats."""

    layer: Layer
    all_connections: tuple[FloatConnection, ...]
    constants: dict[str, Tensor]
    gain: Tensor
    bias: Tensor | None

    @classmethod
    def of(
        cls,
        layer: Layer,
        contract: NumericContract,
        floats: LayerFloats[Tensor],
        added: Mapping[str, Tensor],
    ) -> "_Part":
        unit = torch.from_numpy(units_of(layer, contract)) / 2.0**contract.frac_bits
        decays = {"decay_mem": floats.decay_mem.double(), "decay_syn": floats.decay_syn.double()}
        gain = unit * (1.0 - decays["decay_mem"])
        exact: dict[str, Tensor] = dict(decays)
        for name, value in added.items():
            is_decay = layer.declared()[name].content == "decay"
            exact[name] = value.double() if is_decay else value.double() / gain
        if not layer.is_readout():
            exact["threshold"] = V_THRESHOLD / gain
        if floats.bias is not None:
            exact["bias"] = floats.bias.double() / unit
        constants = {}
        for name, value in exact.items():
            integers = layer.values(name)
            is_decay = layer.declared()[name].content == "decay"
            held = contract.kept(integers) if is_decay else integers
            constants[name] = straight_through(value, torch.from_numpy(held).double())
        weights = (floats.w_in, floats.w_rec)
        connections = []
        for k, matrix in zip(layer.connections(), weights, strict=False):
            assert matrix is not None
            factor = 2.0 ** torch.from_numpy(k.shifts).double()
            scale = unit * 2.0**contract.frac_bits * factor
            whole = torch.from_numpy(k.weights.astype("float64"))
            rounded = straight_through(matrix.double() / scale[:, None], whole)
            connections.append(FloatConnection(k.name, rounded, factor * 2.0**contract.frac_bits))
        return cls(layer, tuple(connections), constants, gain, constants.get("bias"))

    def connections(self) -> tuple[FloatConnection, ...]:
        """The sums from below are computed for all steps at once."""
        below, *others = self.all_connections
        return (FloatConnection(below.name, None), *others)


def _run(
    part: _Part, contract: NumericContract, surrogate: Surrogate, signal: Tensor, late: int
) -> dict[str, Tensor]:
    """Run a layer on the values sent from below, (batch, n_steps, pre); return all its states."""
    o = Floats(contract, part.constants, part.gain, surrogate, contract)
    layer, batch = part.layer, len(signal)
    arriving = o.delivered(part.all_connections[0], signal)
    if late:
        arriving = torch.cat([torch.zeros_like(arriving[:, :1]), arriving[:, :-1]], 1)
    start = (_initial(part, state).expand(batch, -1) for state in layer.STATES)
    words = layer.words()(*start)
    kept: dict[str, list[Tensor]] = {state: [] for state in layer.STATES}
    for source in arriving.unbind(1):
        update = layer.step(o, part, words, source)
        words = layer.words()(*(getattr(update, state) for state in layer.STATES))
        for state, values in words._asdict().items():
            kept[state].append(values)
    return {state: torch.stack(values, 1) for state, values in kept.items()}


def _initial(part: _Part, state: str) -> Tensor:
    """The words before the first step; those that stand for a float keep it as decays change."""
    whole = torch.from_numpy(part.layer.initial(state)).double()
    if state not in part.layer.INITIAL:
        return whole
    return straight_through((whole * part.gain).detach() / part.gain, whole)
