"""Quantization-aware fine-tuning: training in the integers that ship.

The forward pass is the integer network, run by the kernels of `sim/`; `export/quantization/
backward.py` takes the gradient back. What is trained are latent floats: weights, time constants,
and one unit a neuron, on which its threshold depends,

    w_int     = round(w / (unit << e))
    bias_int  = round(2^frac_bits bias / unit)
    threshold = floor(2^frac_bits / (unit (1 - decay_mem)))

so weights, biases, decays and thresholds all move, each on its grid. The gradient by a unit is that
of a learned step size (Esser et al. 2020, LSQ); weights beyond the range get none.
"""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from export.quantization.backward import Units, choices, pull_hidden, pull_readout
from export.quantization.precision import Precision
from export.quantization.rounding import Grid, Rounded
from export.quantize import assemble
from rsnn.data.session import Session
from rsnn.data.split import Split
from rsnn.denormals import flushed_denormals
from rsnn.model import RSNN, Decoded
from rsnn.recipe import TrainConfig
from rsnn.train import TrainResult, train
from rsnn.train_state import EpochRecord, TrainState
from rsnnctl.errors import RangeError
from sim import kernels
from sim.contract import MAX_STATE_BITS, NumericContract, signed_range
from sim.network import CubaLI, IntegerNetwork, Layer
from sim.trace import Trace

INSIDE = 0.49  # steps from its integer that a latent weight may start at
CHUNK = 8  # streams whose gradients are summed before they are summed with others'


def fine_tune(
    model: RSNN,
    network: IntegerNetwork,
    precision: Precision,
    session: Session,
    split: Split,
    config: TrainConfig,
    *,
    report: Callable[[EpochRecord], None] | None = None,
    generator: torch.Generator | None = None,
    state: TrainState | None = None,
    keep: Callable[[TrainState], None] | None = None,
) -> tuple[IntegerNetwork, TrainResult]:
    """Train an integer network further, and return the one that validated best.

    What validation shows is what that network computes. Weights that are zero in `model` stay zero.

    Args:
        model: the float model that the network came from; left as it is.
        network: where to start.
        precision: of the network.
        session, split: the recording.
        config: the recipe, without dropout.
        report, generator, state, keep: as for `rsnn.train.train`.

    Raises:
        RangeError: the recipe has dropout, or a unit has grown too small for its threshold.
        MismatchError, DataError, RsnnError: what `rsnn.train.train` refuses.
    """
    if config.dropout:
        raise RangeError(
            f"dropout is {config.dropout:g}; integers train without: --set qat.dropout=0"
        )
    latent = Latent.of(model, network, precision)
    masks = {name: weight.detach() != 0 for name, weight in model.connections().items()}
    result = train(
        latent.model,
        session,
        split,
        config,
        masks=masks,
        report=report,
        generator=generator,
        state=state,
        keep=keep,
        forward=latent.forward,
    )
    return latent.network(), result


@dataclass(frozen=True)
class Latent:
    """Floats of which an integer network is made at every step of a training.

    Attributes:
        model: weights, biases and time constants, and as further parameters `log_unit0`,
            `log_unit1`, ..: for each layer the logarithm of each neuron's unit over the one it
            started with.
        precision: widths.
        origin: the network it started as; its shifts and contract stay.
    """

    model: RSNN
    precision: Precision
    origin: IntegerNetwork

    @classmethod
    def of(cls, model: RSNN, network: IntegerNetwork, precision: Precision) -> "Latent":
        """Latent floats that give the network, as near to the model's as they can be."""
        latent = cls(copy.deepcopy(model).float(), precision, network)
        for level, layer in enumerate(network.layers):
            zero = torch.zeros(layer.n_neurons, dtype=torch.float64)
            latent.model.register_parameter(f"log_unit{level}", nn.Parameter(zero))
            scales = latent._scales(level)
            for parts, integers, scale in zip(
                latent._weights(level), _matrices(layer), scales, strict=True
            ):
                _move_near(parts, integers, scale[:, None])
            if layer.bias is not None:
                biases = [each.bias for each in latent._layers(level)]
                for bias in biases:
                    bias.data = bias.data.double()  # float32 has too few digits for a state word
                step = latent._unit_at_start(level) / 2.0**network.contract.frac_bits
                _move_near(biases, layer.bias, step)
        return latent

    def network(self) -> IntegerNetwork:
        """The integers of now.

        Raises:
            RangeError: a threshold or state fits no word any more.
        """
        rounded = []
        for level in range(len(self.origin.layers)):
            integers = []
            tops, scales = self._tops(level), self._scales(level)
            for parts, top, scale in zip(self._weights(level), tops, scales, strict=True):
                exact = torch.cat(parts).detach().double().numpy() / scale[:, None]
                integers.append(np.clip(np.rint(exact), -top, top).astype(np.int64))
            w_in, *w_rec = integers
            nothing = np.zeros((len(w_in), 0), np.int64)
            rounded.append(Rounded(w_in, w_rec[0] if w_rec else nothing, self._grid(level)))
        return assemble(
            self.model, rounded, self.precision, self.origin.contract, self.origin.metadata
        )

    def floats(self) -> list[Tensor]:
        """What the integers stand for, connected to the latent floats.

        For each layer: its weights (w_in, and w_rec if it has any; or w_out), its bias if it has
        one, decay_mem, decay_syn.
        """
        found: list[Tensor] = []
        unity = 2.0**self.precision.decay_bits
        for level in range(len(self.origin.layers)):
            grid = self._grid(level)
            start = torch.from_numpy(self._unit_at_start(level))
            unit = start * torch.exp(self._log_unit(level))
            narrow = unit.float()
            for parts, top, e in zip(
                self._weights(level), self._tops(level), (grid.e_in, grid.e_rec), strict=False
            ):
                scale = narrow * torch.from_numpy(2.0**e).float()
                found.append(_on_grid(torch.cat(parts), scale[:, None], top))
            if self.model.architecture.bias:
                bias = torch.cat([layer.bias for layer in self._layers(level)])
                step = unit / 2.0**self.origin.contract.frac_bits
                found.append(_on_grid(bias, step, signed_range(MAX_STATE_BITS)[1]).float())
            decays = [layer.tau.decays() for layer in self._layers(level)]
            for each in zip(*decays, strict=True):
                decay = torch.cat(each)
                rounded = torch.clamp(torch.round(decay * unity), max=unity - 1.0) / unity
                found.append(decay + (rounded - decay).detach())
        return found

    def forward(
        self,
        model: RSNN,
        raster: Tensor,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Decoded:
        """Do what `RSNN.forward` does, in the integers of now; `model` is the latent one."""
        assert model is self.model
        assert not dropout
        surrogates = [layer.surrogate.code for layer in _list(model.hidden)]
        run = _Run(self.network(), raster.numpy(), surrogates)
        out, *spk = _Straight.apply(run, *self.floats())
        return Decoded(out, tuple(spk))

    def _layers(self, level: int) -> list[Any]:
        return [self.model.hidden[level]] if level < len(self.model.hidden) else [*self.model.heads]

    def _weights(self, level: int) -> list[list[Tensor]]:
        """The matrices of a layer, each as the parameters whose rows it is made of."""
        layers = self._layers(level)
        if level == len(self.model.hidden):
            return [[head.w_out for head in layers]]
        return [[w] for w in (layers[0].w_in, layers[0].w_rec) if w is not None]

    def _tops(self, level: int) -> list[int]:
        """Largest integer of each matrix of a layer."""
        kinds = ["out"] if level == len(self.model.hidden) else ["in", "rec"]
        return [self.precision.steps(kind) for kind in kinds[: len(self._weights(level))]]

    def _scales(self, level: int) -> list[NDArray[np.float64]]:
        """Weight of one step of each matrix of a layer, (post,)."""
        grid = self._grid(level)
        scales = [grid.unit * 2.0**grid.e_in, grid.unit * 2.0**grid.e_rec]
        return scales[: len(self._weights(level))]

    def _log_unit(self, level: int) -> Tensor:
        return self.model.get_parameter(f"log_unit{level}")

    def _unit_at_start(self, level: int) -> NDArray[np.float64]:
        return _units_of(self.origin.layers[level], self.origin.contract)

    def _grid(self, level: int) -> Grid:
        unit = self._unit_at_start(level) * np.exp(self._log_unit(level).detach().numpy())
        layer = self.origin.layers[level]
        if isinstance(layer, CubaLI):
            return Grid(unit, *np.zeros((2, len(unit)), np.int64))
        return Grid(unit, layer.e_in.astype(np.int64), layer.e_rec.astype(np.int64))


def _move_near(parts: list[Tensor], integers: NDArray[np.integer], step: NDArray) -> None:
    """Move latent floats to within `INSIDE` steps of their integers; zeros stay zero."""
    exact = torch.cat(parts).detach().double().numpy() / step
    near = integers + np.clip(exact - integers, -INSIDE, INSIDE)
    moved = torch.from_numpy(np.where(exact == 0, 0.0, near * step))
    for part, rows in zip(parts, moved.chunk(len(parts)), strict=True):
        part.data.copy_(rows)


def _on_grid(weights: Tensor, scale: Tensor, top: int) -> Tensor:
    """Weights or biases on their grid; straight through rounding, not through the range's ends."""
    inside = torch.clamp(weights / scale, -top, top)
    return (inside + (torch.round(inside) - inside).detach()) * scale


def _units_of(layer: Layer, contract: NumericContract) -> NDArray[np.float64]:
    """The unit of each neuron of a network: what its threshold, or its output scale, says."""
    one = 2.0**contract.frac_bits
    gain = 1.0 - layer.decay_mem / 2.0**contract.decay_frac
    if isinstance(layer, CubaLI):
        return layer.out_scale * one / gain
    rounded_down = layer.threshold - (contract.fires_when == ">=")
    return one / ((rounded_down + 0.5) * gain)


def _matrices(layer: Layer) -> list[NDArray[np.integer]]:
    if isinstance(layer, CubaLI):
        return [layer.w_out]
    return [w for w in (layer.w_in, layer.w_rec) if w is not None]


def _list(modules: Any) -> list[Any]:
    return list(modules)


class _Straight(torch.autograd.Function):
    """An integer run as a function of the floats that its integers stand for."""

    @staticmethod
    def forward(ctx: Any, run: "_Run", *floats: Tensor) -> tuple[Tensor, ...]:
        ctx.run = run
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*floats)
        return tuple(torch.from_numpy(result) for result in run.forward())

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:
        floats = [np.ascontiguousarray(tensor.numpy()) for tensor in ctx.saved_tensors]
        return (None, *map(torch.from_numpy, ctx.run.backward(floats, grads)))


class _Run:
    """A batch of streams through an integer network, and the gradient back through it."""

    def __init__(
        self,
        network: IntegerNetwork,
        rasters: NDArray[np.uint8],
        surrogates: list[tuple[int, np.float32]],
    ) -> None:
        self.network = network
        self.rasters = rasters
        self.surrogates = surrogates
        self.traces: list[Trace] = []

    def forward(self) -> list[NDArray[np.float32]]:
        """Decoded values, and the spikes of each hidden layer, (batch, n_steps, n)."""
        n_threads = torch.get_num_threads()
        runs = kernels.run_many(self.network, self.rasters, record=True, threads=n_threads)
        self.traces = [run.trace for run in runs if run.trace is not None]
        out = np.stack([self.network.readout.decode(run.out) for run in runs])
        names = [f"{name}.spk" for name in self.network.layer_names[:-1]]
        spk = [np.stack([trace.variables[name] for trace in self.traces]) for name in names]
        return [result.astype(np.float32) for result in (out, *spk)]

    def backward(
        self, floats: list[NDArray[np.float32]], grads: tuple[Tensor | None, ...]
    ) -> list[NDArray[np.float32]]:
        """The gradients of `floats` from those of what `forward` returned."""
        chunks = [
            range(start, min(start + CHUNK, len(self.rasters)))
            for start in range(0, len(self.rasters), CHUNK)
        ]

        def work(chunk: range) -> list[NDArray[np.float32]]:
            sums = [np.zeros(f.T.shape, np.float32) for f in floats]
            for stream in chunk:
                self._pull(stream, floats, [None if g is None else g[stream] for g in grads], sums)
            return sums

        with flushed_denormals(), ThreadPoolExecutor(torch.get_num_threads()) as pool:
            found = list(pool.map(work, chunks))  # summed in order, whatever the threads
        return [np.ascontiguousarray(sum(parts).T) for parts in zip(*found, strict=True)]

    def _pull(
        self,
        stream: int,
        floats: list[NDArray[np.float32]],
        grads: list[Tensor | None],
        sums: list[NDArray[np.float32]],
    ) -> None:
        network, words = self.network, self.traces[stream].variables
        how = choices(network.contract)
        readout = network.readout
        biased = readout.bias is not None
        place = len(floats) - 3 - biased
        w_out, *_, decay_mem, decay_syn = floats[place:]
        unused = np.empty(0, np.float32)
        shape = (len(self.rasters[stream]), readout.n_outputs)
        grad = np.zeros(shape, np.float32) if grads[0] is None else grads[0].numpy()
        names = network.layer_names
        below = [self.rasters[stream], *(words[f"{name}.spk"] for name in names[:-1])]
        by_spk = [
            np.zeros(spk.shape, np.float32) if g is None else np.array(g.numpy(), np.float32)
            for spk, g in zip(below[1:], grads[1:], strict=True)
        ]
        pull_readout(
            how,
            _units(readout, network.contract, decay_mem, decay_syn),
            readout.initial_out,
            below[-1],
            words["readout.syn"],
            words["readout.out"],
            w_out,
            np.tile(grad, readout.n_heads) / np.float32(readout.n_heads),
            by_spk[-1],
            (sums[place], sums[-1], sums[-2], sums[place + 1] if biased else unused),
        )
        none = np.empty((0, 0), np.float32)
        for level in reversed(range(len(network.hidden))):
            layer, name = network.hidden[level], names[level]
            recurrent = layer.w_rec is not None
            mem, syn = 1 + recurrent + biased, 2 + recurrent + biased
            place -= 1 + syn
            own, total = floats[place:], sums[place:]
            w_rec, sum_rec = (own[1], total[1]) if recurrent else (none, none)
            sum_bias = total[1 + recurrent] if biased else unused
            pull_hidden(
                how,
                _units(layer, network.contract, own[mem], own[syn]),
                self.surrogates[level],
                below[level],
                words[f"{name}.spk"],
                words[f"{name}.syn"],
                words[f"{name}.mem"],
                own[0],
                w_rec,
                by_spk[level],
                by_spk[level - 1] if level else none,
                (total[0], sum_rec, total[syn], total[mem], sum_bias),
            )


def _units(
    layer: Layer, contract: NumericContract, decay_mem: NDArray, decay_syn: NDArray
) -> Units:
    """What a layer's words weigh in floats."""
    unit = _units_of(layer, contract) / 2.0**contract.frac_bits
    mem = unit * (1.0 - layer.decay_mem / 2.0**contract.decay_frac)
    threshold = np.ones(1) if isinstance(layer, CubaLI) else layer.threshold * mem
    unit32, mem32, threshold32 = (part.astype(np.float32) for part in (unit, mem, threshold))
    return Units(unit32, mem32, threshold32, decay_syn, decay_mem)
