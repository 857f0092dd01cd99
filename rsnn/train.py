"""Training with the published recipe: backpropagation through time, one session, in memory.

Writes no files: a caller that is interrupted has nothing half-written.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rsnn import kernels
from rsnn.data.session import Session
from rsnn.data.split import Split, window_starts
from rsnn.denormals import flushed_denormals
from rsnn.model import RSNN, Decoded
from rsnn.recipe import OPTIMIZERS, TrainConfig
from rsnnctl.errors import DataError, MismatchError, RsnnError
from rsnnctl.metrics import r2_score

Forward = Callable[..., Decoded]  # of model, raster, dropout and generator
VALIDATION_STEPS = 500  # length of a validation window; its first fifth is not scored
SPLIT_ELEMENTS = 2**15  # from here on torch spreads an elementwise operation over threads


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch has brought.

    `loss` is the RMSE over the training batches, under dropout, in mm per step; `penalty` the sum
    of the activity regularizers; `validation_r2` and `activation_sparsity` (share of zeros in the
    hidden spikes) are without dropout, over the validation windows.
    """

    epoch: int
    n_epochs: int
    learning_rate: float
    loss: float
    penalty: float
    validation_r2: float
    activation_sparsity: float


@dataclass(frozen=True)
class TrainResult:
    """The course of a training; `best_epoch` (from 1) is the one whose parameters were kept."""

    records: tuple[EpochRecord, ...]
    best_epoch: int
    best_validation_r2: float


def train(
    model: RSNN,
    session: Session,
    split: Split,
    config: TrainConfig,
    *,
    report: Callable[[EpochRecord], None] | None = None,
    masks: Mapping[str, Tensor] | None = None,
    generator: torch.Generator | None = None,
) -> TrainResult:
    """Train a model in place and leave it with the parameters that validated best.

    Validation decodes windows of 500 steps as one batch, each from the initial state, and scores
    all but the first 100 steps of each: about a tenth of the time that one long stream takes.

    The same arguments and number of threads give the same parameters, bit for bit. An interrupt
    passes through; then too the model holds the best parameters so far.

    Args:
        model: with parameters in float32, initialized or trained before.
        report: called after every epoch.
        masks: by name of a connection, a bool tensor (post, pre); weights where it is False are
            zero from the start and after every step.
        generator: source of all randomness, such as the one that initialized the model; a fresh
            one seeded with `config.seed` otherwise.

    Raises:
        MismatchError: channels, outputs or masks that do not fit the model.
        DataError: a part too short for a window, or validation labels that never change.
        RsnnError: the loss is no longer finite.
    """
    masks = dict(masks or {})
    _refuse_misfits(model, session, masks)
    generator = generator or torch.Generator().manual_seed(config.seed)
    starts = window_starts(split.train, n_steps=config.window_steps, stride=config.stride)
    windows = Windows(session, starts, config.window_steps)
    forward = choose_forward(config.kernel)
    validation = _Validation(session, split.validation)
    _hold(model, masks)
    optimizer = OPTIMIZERS[config.optimizer](model.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.epochs)
    records: list[EpochRecord] = []
    best = copy.deepcopy(model.state_dict())
    best_epoch, best_r2 = 0, -math.inf
    try:
        for epoch in range(1, config.epochs + 1):
            rate = schedule.get_last_lr()[0]
            with _tuned_torch(model, config):
                loss, penalty = _run_epoch(
                    model, forward, windows, config, optimizer, masks, generator, epoch
                )
                r2, sparsity = validation.score(model, forward)
            schedule.step()
            if r2 > best_r2:
                best_epoch, best_r2 = epoch, r2
                best = copy.deepcopy(model.state_dict())
            records.append(EpochRecord(epoch, config.epochs, rate, loss, penalty, r2, sparsity))
            if report is not None:
                report(records[-1])
    finally:
        model.load_state_dict(best)
    return TrainResult(tuple(records), best_epoch, best_r2)


def choose_forward(kernel: str) -> Forward:
    """Return what does the work of `RSNN.forward` in a training, for a uint8 raster.

    Args:
        kernel: a name in `KERNELS`.
    """
    if kernel == "numba":
        return partial(kernels.forward, workspace=kernels.Workspace())

    def forward(model: RSNN, raster: Tensor, *rest) -> Decoded:
        time_major = raster.transpose(0, 1).to(torch.float32).contiguous()
        return model(time_major.transpose(0, 1), *rest)

    return forward


class Windows:
    """Windows of `n_steps` steps of a session from each of `starts`, as batches on demand.

    A batch is a raster (batch, n_steps, n_channels) uint8 and a velocity (batch, n_steps, 2) in mm
    per step, float32.
    """

    def __init__(self, session: Session, starts: NDArray[np.int64], n_steps: int) -> None:
        self._starts = torch.from_numpy(starts)
        self._steps = torch.arange(n_steps)
        self._raster = torch.from_numpy(np.array(session.raster))
        self._velocity = torch.from_numpy(np.array(session.velocity))

    def __len__(self) -> int:
        return len(self._starts)

    def batch(self, chosen: Tensor) -> tuple[Tensor, Tensor]:
        """Return the windows numbered `chosen` (batch,)."""
        index = self._starts[chosen, None] + self._steps
        return self._raster[index], self._velocity[index]


def rmse(decoded: Tensor, target: Tensor) -> Tensor:
    """Root of the mean squared error over all elements; its gradient is 0 where the error is."""
    return torch.linalg.vector_norm(decoded - target) / math.sqrt(target.numel())


def activity_penalty(spk: Tensor, config: TrainConfig) -> Tensor:
    """Regularize the spike counts c of one hidden layer, b over the batch and i over neurons.

        lower_strength mean_{b,i} relu(lower_count - c_bi)^2
      + upper_strength mean_b relu(mean_i c_bi - upper_count)^2

    Args:
        spk: (batch, n_steps, n_neurons) of 0 and 1.
    """
    counts = spk.sum(1)
    lower = torch.relu(config.lower_count - counts).square().mean()
    upper = torch.relu(counts.mean(1) - config.upper_count).square().mean()
    return config.lower_strength * lower + config.upper_strength * upper


def _run_epoch(
    model: RSNN,
    forward: Forward,
    windows: Windows,
    config: TrainConfig,
    optimizer: torch.optim.Optimizer,
    masks: Mapping[str, Tensor],
    generator: torch.Generator,
    epoch: int,
) -> tuple[float, float]:
    """Return RMSE and activity penalty, each the mean over the windows."""
    order = torch.randperm(len(windows), generator=generator)
    batches = order.split(min(config.batch, len(windows)))
    total_loss = total_penalty = 0.0
    for number, chosen in enumerate(batches, 1):
        raster, velocity = windows.batch(chosen)
        decoded = forward(model, raster, config.dropout, generator)
        loss = rmse(decoded.out, velocity)
        penalty = torch.stack([activity_penalty(spk, config) for spk in decoded.spk]).sum()
        if not torch.isfinite(loss + penalty):
            raise RsnnError(
                f"the loss is {loss.item() + penalty.item():g} at epoch {epoch}, batch {number} of"
                f" {len(batches)}; the best model before it is kept, train with a learning rate"
                f" below {config.learning_rate:g}"
            )
        optimizer.zero_grad()
        (loss + penalty).backward()
        optimizer.step()
        _hold(model, masks)
        total_loss += loss.item() * len(chosen)
        total_penalty += penalty.item() * len(chosen)
    return total_loss / len(windows), total_penalty / len(windows)


class _Validation:
    """The validation part as one batch of windows, each with a run-up that is not scored."""

    def __init__(self, session: Session, part: slice) -> None:
        n_steps = min(VALIDATION_STEPS, part.stop - part.start)
        self._run_up = n_steps // 5
        starts = np.arange(part.start, part.stop - n_steps + 1, n_steps - self._run_up)
        windows = Windows(session, starts, n_steps)
        self._raster, velocity = windows.batch(torch.arange(len(windows)))
        self._target = velocity[:, self._run_up :].flatten(0, 1).numpy()
        if not (self._target != self._target[:1]).any(0).all():
            raise DataError(
                f"session {session.name}: the cursor does not move in the validation part, so R2"
                " has no meaning there; use a longer session"
            )

    @torch.no_grad()
    def score(self, model: RSNN, forward: Forward) -> tuple[float, float]:
        """Return R2 over all windows as one stretch, and activation sparsity."""
        decoded = forward(model, self._raster)
        out = decoded.out[:, self._run_up :].flatten(0, 1).numpy()
        n_fired = sum(float(spk.sum()) for spk in decoded.spk)
        return r2_score(out, self._target), 1.0 - n_fired / sum(s.numel() for s in decoded.spk)


def _hold(model: RSNN, masks: Mapping[str, Tensor]) -> None:
    """Set the pruned weights to exact zeros."""
    weights = model.connections()
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name].masked_fill_(~mask, 0.0)


def _refuse_misfits(model: RSNN, session: Session, masks: Mapping[str, Tensor]) -> None:
    n_outputs = model.architecture.n_outputs
    if session.velocity.shape[1] != n_outputs:
        raise MismatchError(
            f"the model decodes {n_outputs} coordinates, the session has"
            f" {session.velocity.shape[1]}; build the model with as many outputs"
        )
    shapes = {name: tuple(weight.shape) for name, weight in model.connections().items()}
    for name, mask in masks.items():
        if tuple(mask.shape) != shapes.get(name):
            raise MismatchError(
                f"mask `{name}` is {tuple(mask.shape)}, the model has"
                f" {shapes.get(name, 'no such connection')}; make masks from this model"
            )


@contextmanager
def _tuned_torch(model: RSNN, config: TrainConfig) -> Iterator[None]:
    """Flush denormal floats, which halves the time of a step, and leave tiny work on one thread.

    torch splits no elementwise operation of fewer than 32,768 elements, so there a second thread
    gains at most a tenth in the products; but where another process has the second core, every
    product waits for it, which was seen to cost a factor of 17. The numba kernel has its own
    threads, which wait for each other twice a step. Both settings are put back.
    """
    n_threads = torch.get_num_threads()
    tiny = config.batch * max(model.architecture.hidden) < SPLIT_ELEMENTS
    if config.kernel == "torch" and tiny:
        torch.set_num_threads(1)
    try:
        with flushed_denormals():
            yield
    finally:
        torch.set_num_threads(n_threads)
