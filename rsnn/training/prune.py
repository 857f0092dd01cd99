"""Magnitude pruning: the smallest weights of each matrix are removed, the rest retrained."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from base.errors import RangeError
from rsnn.data.session import Session
from rsnn.data.split import Split
from rsnn.model import RSNN
from rsnn.training.recipe import TrainConfig
from rsnn.training.state import EpochRecord, TrainState
from rsnn.training.train import TrainResult, train


@dataclass(frozen=True)
class PruneResult:
    """The weights that are left (bool, by name of the connection), and the course of retraining."""

    masks: dict[str, Tensor]
    training: TrainResult

    @property
    def connection_sparsity(self) -> float:
        """Share of pruned weights among all."""
        n_kept = sum(int(mask.sum()) for mask in self.masks.values())
        return 1.0 - n_kept / sum(mask.numel() for mask in self.masks.values())


def magnitude_masks(model: RSNN, fraction: float) -> dict[str, Tensor]:
    """Mark the weights that stay when each matrix loses its smallest, by name of the connection.

    A matrix of n weights loses floor(fraction n), which is how many zeros each published
    tinyRSNN has (2764 of 6144 at 0.45). Of equal weights the first is removed first. Weights that
    are zero already count as removed and never stay: pruning twice is pruning once, and pruning
    by 0 keeps what was pruned before.

    Raises:
        RangeError: a fraction outside 0..1, 1 excluded.
    """
    if not 0.0 <= fraction < 1.0:
        raise RangeError(
            f"fraction is {fraction:g}; it must be at least 0 and below 1, the published networks"
            " lie between 0.4 and 0.5"
        )
    masks = {}
    for name, weight in model.connections().items():
        n_lost = math.floor(round(fraction * weight.numel(), 6))  # 0.29 * 100 is 28.999..
        magnitude = weight.detach().abs().flatten()
        mask = magnitude > 0.0
        mask[torch.argsort(magnitude, stable=True)[:n_lost]] = False
        masks[name] = mask.view(weight.shape)
    return masks


def prune(
    model: RSNN,
    session: Session,
    split: Split,
    config: TrainConfig,
    *,
    fraction: float,
    report: Callable[[EpochRecord], None] | None = None,
    generator: torch.Generator | None = None,
    state: TrainState | None = None,
    keep: Callable[[TrainState], None] | None = None,
) -> PruneResult:
    """Prune a trained model in place, then retrain what is left.

    The masks are held at exact zeros, optimizer and schedule start afresh. To try another fraction
    from the same weights, as the published search does, prune a copy of the model.

    To continue an interrupted retraining, start from the unpruned weights too: they decide the
    masks.

    Args and errors: as in `magnitude_masks` and `rsnn.training.train.train`.
    """
    masks = magnitude_masks(model, fraction)
    training = train(
        model,
        session,
        split,
        config,
        report=report,
        masks=masks,
        generator=generator,
        state=state,
        keep=keep,
    )
    return PruneResult(masks, training)
