"""The steps of an epoch: batches of windows, and one step of the optimizer on each."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from rsnn.model import RSNN, Decoded
from rsnn.training.batches import Windows
from rsnn.training.recipe import TrainConfig

Forward = Callable[..., Decoded]  # called with model, raster, dropout and generator


class Steps:
    """Steps of a training, one after the other.

    Attributes:
        sums: over all targets since they were last zeroed, by output: squared errors of what was
            decoded, targets, and squared targets, (3, n_outputs) float64.
    """

    def __init__(
        self,
        model: RSNN,
        forward: Forward,
        windows: Windows,
        config: TrainConfig,
        masks: Mapping[str, Tensor],
    ) -> None:
        self.model, self.forward = model, forward
        self.windows, self.config, self.masks = windows, config, masks
        n_outputs = model.architecture.n_outputs
        self.sums = torch.zeros(3, n_outputs, dtype=torch.float64, device=windows.device)
        self.optimizer = self.make_optimizer()

    def make_optimizer(self) -> torch.optim.Optimizer:
        """The optimizer of the settings, before its first step."""
        return self.config.make_optimizer(self.model.parameters())

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the steps to come."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def epoch(
        self, batches: Sequence[Tensor], generator: torch.Generator
    ) -> Iterator[tuple[float, float]]:
        """Take a step on each batch of window numbers; yield its loss and its penalty."""
        for chosen in batches:
            loss, penalty = self.take(
                chosen.to(self.windows.device),
                lambda raster: self.forward(self.model, raster, self.config.dropout, generator),
            ).tolist()
            yield loss, penalty

    def take(self, chosen: Tensor, decode: Callable[[Tensor], Decoded]) -> Tensor:
        """Take one step, add to `sums`, and return loss and penalty, (2,), on the device.

        Args:
            chosen: numbers of windows, (batch,), on the device.
            decode: raster -> what the model makes of it.
        """
        raster, target = self.windows.batch(chosen)
        decoded = decode(raster)
        loss = rmse(decoded.out, target)
        penalty = torch.stack(
            [activity_penalty(counts, self.config) for counts in decoded.spike_counts()]
        ).sum()
        self.optimizer.zero_grad()
        (loss + penalty).backward()
        self.optimizer.step()
        hold(self.model, self.masks)
        flat = target.flatten(0, 1).double()
        error = (decoded.out.detach().flatten(0, 1) - flat).square().sum(0)
        self.sums += torch.stack([error, flat.sum(0), flat.square().sum(0)])
        return torch.stack([loss.detach(), penalty.detach()])


def rmse(decoded: Tensor, target: Tensor) -> Tensor:
    """Root of the mean squared error over all elements; its gradient is 0 where the error is 0."""
    return torch.linalg.vector_norm(decoded - target) / math.sqrt(target.numel())


def activity_penalty(counts: Tensor, config: TrainConfig) -> Tensor:
    """Regularize the spike counts c of one hidden layer, b over the batch and i over neurons.

        lower_strength mean_{b,i} relu(lower_count - c_bi)^2
      + upper_strength mean_b relu(mean_i c_bi - upper_count)^2

    Args:
        counts: (batch, n_neurons), as `Decoded.spike_counts` gives them.
    """
    lower = torch.relu(config.lower_count - counts).square().mean()
    upper = torch.relu(counts.mean(1) - config.upper_count).square().mean()
    return config.lower_strength * lower + config.upper_strength * upper


def hold(model: RSNN, masks: Mapping[str, Tensor]) -> None:
    """Set the pruned weights to exact zeros."""
    weights = model.connections()
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name].masked_fill_(~mask, 0.0)
