"""Quantization-aware fine-tuning: training in the integers that ship.

The forward pass is the integer network, run by the kernels of `sim/`; `export/quantization/
backward.py` takes the gradient back. What is trained are latent floats: weights, time constants,
and one unit per neuron, on which its threshold depends,

    w_int     = round(w / (unit << e))
    bias_int  = round(2^frac_bits bias / unit)
    threshold = floor(2^frac_bits / (unit (1 - decay_mem)))

so weights, biases, decays and thresholds all move, each on its grid. The gradient by a unit is that
of a learned step size (Esser et al. 2020, LSQ); weights beyond the range get none.
"""

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from base.errors import RangeError, RsnnWarning, ToolError
from export.quantization.by_step import run_by_step
from export.quantization.fold import integer_factors
from export.quantization.on_card import run_on_card, unsupported
from export.quantization.precision import Precision
from export.quantization.rounding import Grid, Rounded
from export.quantization.straight import run_straight
from export.quantization.units import units_of
from export.quantize import assemble
from rsnn.arithmetic import straight_through
from rsnn.cuda.card import Card, Kernels
from rsnn.data.session import Session
from rsnn.data.split import Split
from rsnn.layer_floats import LayerFloats
from rsnn.model import RSNN, Decoded
from rsnn.neurons import Layer as FloatLayer
from rsnn.training.device import find_device
from rsnn.training.recipe import TrainConfig
from rsnn.training.state import EpochRecord, TrainState
from rsnn.training.steps import Forward
from rsnn.training.train import TrainResult, train
from sim.contract import MAX_STATE_BITS, signed_range
from sim.layer import Layer
from sim.network import IntegerNetwork

INSIDE = 0.49  # steps from its integer that a latent weight may start at


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
        model: the float model that the network came from; left unchanged.
        network: the network to start from.
        precision: precision of the network.
        session, split: the recording.
        config: the recipe, without dropout.
        report, generator, state, keep: as for `rsnn.training.train.train`.

    Raises:
        RangeError, ToolError: as in `check_recipe`.
        RangeError: a neuron does not leak, or a unit has grown too small for its threshold.
        MismatchError, DataError, RsnnError: as in `rsnn.training.train.train`.

    Warns:
        RsnnWarning: the device is a card whose kernels cannot compute the network, so the CPU does.
    """
    check_recipe(config)
    for name, layer in model.named_layers().items():
        if torch.cat(layer.tau.no_leak()).any():
            raise RangeError(
                f"{name} has neurons that do not leak, whose gradients are not known here;"
                " quantize without `qat_epochs`"
            )
    latent = Latent.of(model, network, precision)
    masks = {name: weight.detach() != 0 for name, weight in model.connections().items()}
    result = train(
        latent.model,
        session,
        split,
        replace(
            config, device="cpu", kernel="numba"
        ),  # of all but the forward pass and its gradient
        masks=masks,
        report=report,
        generator=generator,
        state=state,
        keep=keep,
        forward=latent.forward_on(find_device(config.device)),
    )
    return latent.network(), result


def check_recipe(config: TrainConfig) -> None:
    """Refuse a recipe by which integers cannot be trained.

    Raises:
        RangeError: it has dropout.
        ToolError: the device is not available.
    """
    if config.dropout:
        raise RangeError(
            f"dropout is {config.dropout:g}; integers train without: `settings=qat.dropout=0`"
        )
    try:
        find_device(config.device)
    except ToolError as error:
        raise ToolError(
            f"qat.device is {config.device}, but torch finds no such device on this machine; train"
            " integers on the CPU: `settings=qat.device=cpu`"
        ) from error


@dataclass(frozen=True)
class Latent:
    """The floats from which every step of a training makes an integer network.

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
                biases = latent._biases(level)
                for bias in biases:
                    bias.data = bias.data.double()  # float32 has too few digits for a state word
                step = latent._unit_at_start(level) / 2.0**network.contract.frac_bits
                _move_near(biases, layer.bias, step)
        return latent

    def network(self) -> IntegerNetwork:
        """The current integers.

        Raises:
            RangeError: a threshold or state no longer fits a word.
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

    def floats(self) -> list[LayerFloats[Tensor]]:
        """The floats behind the integers of each layer, connected to the latent floats."""
        found = []
        contract = self.origin.contract
        for level in range(len(self.origin.layers)):
            grid = self._grid(level)
            start = torch.from_numpy(self._unit_at_start(level))
            unit = start * torch.exp(self._log_unit(level))
            narrow = unit.float()
            weights = []
            for parts, top, e in zip(
                self._weights(level), self._tops(level), (grid.e_in, grid.e_rec), strict=False
            ):
                scale = narrow * torch.from_numpy(2.0**e).float()
                weights.append(_on_grid(torch.cat(parts), scale[:, None], top))
            w_in, w_rec = weights if len(weights) == 2 else (weights[0], None)
            bias = None
            if biases := self._biases(level):
                exact = torch.cat(biases)
                step = unit / 2.0**self.origin.contract.frac_bits
                bias = _on_grid(exact, step, signed_range(MAX_STATE_BITS)[1]).float()
            decays = []
            for each in zip(*(layer.tau.decays() for layer in self._layers(level)), strict=True):
                decay = torch.cat(each)
                nearest = integer_factors(decay.detach().cpu().double().numpy(), contract)
                rounded = torch.from_numpy(contract.kept(nearest)).to(decay)
                decays.append(straight_through(decay, rounded))
            found.append(LayerFloats(w_in, w_rec, bias, *decays))
        return found

    def forward(
        self,
        model: RSNN,
        raster: Tensor,
        dropout: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> Decoded:
        """Do what `RSNN.forward` does, in the current integers; `model` is the latent one."""
        assert model is self.model
        assert not dropout
        network, surrogates = self.network(), [layer.surrogate for layer in self.model.layers]
        if network.is_tuned("gradient"):
            codes = [surrogate.code for surrogate in surrogates]
            return run_straight(network, raster, codes, self.floats())
        added = [layer.own_constants() for layer in self.model.layers]
        return run_by_step(network, raster, surrogates, self.floats(), added)

    def forward_on(self, device: torch.device) -> Forward:
        """`forward`, computed on a device; all else of a training stays on the CPU.

        Warns:
            RsnnWarning: the card's kernels cannot compute the network, so the CPU does.
        """
        if device.type == "cpu":
            return self.forward
        card = Card(device)
        if (reason := unsupported(self.origin, card)) is not None:
            text = f"the cuda kernel cannot compute these integers: {reason}; the CPU does"
            warnings.warn(text, RsnnWarning, stacklevel=1)
            return self.forward
        return self.forward_by(card, device)

    def forward_by(self, kernels: Kernels, device: torch.device) -> Forward:
        """`forward` by the kernels of a card."""

        def forward(
            model: RSNN,
            raster: Tensor,
            dropout: float = 0.0,
            generator: torch.Generator | None = None,
        ) -> Decoded:
            assert model is self.model
            assert not dropout
            codes = [layer.surrogate.code for layer in self.model.layers]
            return run_on_card(self.network(), raster, codes, self.floats(), kernels, device)

        return forward

    def _layers(self, level: int) -> Sequence[FloatLayer]:
        """The float layers whose rows are those of a layer: one, or all heads."""
        hidden = self.model.layers
        return hidden[level : level + 1] if level < len(hidden) else self.model.readouts

    def _biases(self, level: int) -> list[Tensor]:
        """The parameters that form a layer's bias; none if it has no bias."""
        return [layer.bias for layer in self._layers(level) if layer.bias is not None]

    def _weights(self, level: int) -> list[list[Tensor]]:
        """The matrices of a layer, each as the parameters that form its rows."""
        if level == len(self.model.layers):
            return [[head.w_out for head in self.model.readouts]]
        layer = self.model.layers[level]
        return [[w] for w in (layer.w_in, layer.w_rec) if w is not None]

    def _tops(self, level: int) -> list[int]:
        """Largest integer of each matrix of a layer."""
        kinds = ["out"] if level == len(self.model.layers) else ["in", "rec"]
        return [self.precision.steps(kind) for kind in kinds[: len(self._weights(level))]]

    def _scales(self, level: int) -> list[NDArray[np.float64]]:
        """Weight of one step of each matrix of a layer, (post,)."""
        grid = self._grid(level)
        scales = [grid.unit * 2.0**grid.e_in, grid.unit * 2.0**grid.e_rec]
        return scales[: len(self._weights(level))]

    def _log_unit(self, level: int) -> Tensor:
        return self.model.get_parameter(f"log_unit{level}")

    def _unit_at_start(self, level: int) -> NDArray[np.float64]:
        return units_of(self.origin.layers[level], self.origin.contract)

    def _grid(self, level: int) -> Grid:
        unit = self._unit_at_start(level) * np.exp(self._log_unit(level).detach().numpy())
        layer, zero = self.origin.layers[level], np.zeros(len(unit), np.int64)
        shifts = [layer.values(shift) if shift else zero for _, shift, _ in layer.CONNECTIONS]
        return Grid(unit, *(*shifts, zero)[:2])


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


def _matrices(layer: Layer) -> list[NDArray[np.integer]]:
    return [connection.weights for connection in layer.connections()]
