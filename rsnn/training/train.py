"""Training with the published recipe: backpropagation through time, one session, in memory.

Writes no files: a caller that is interrupted has nothing half-written.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from base.errors import MismatchError, RangeError, RsnnError
from base.meeting import check_meeting
from rsnn.data.session import Session
from rsnn.data.split import Split, window_starts
from rsnn.fast import bptt
from rsnn.fast.denormals import flushed_denormals
from rsnn.model import RSNN, Decoded
from rsnn.surrogate import Surrogate
from rsnn.training.batches import Scoring, Windows
from rsnn.training.device import find_device, moved
from rsnn.training.recipe import OPTIMIZERS, TrainConfig
from rsnn.training.state import EpochRecord, TrainState

Forward = Callable[..., Decoded]  # called with model, raster, dropout and generator
SPLIT_ELEMENTS = 2**15  # from this size torch spreads an elementwise operation over threads


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
    others: Sequence[tuple[Session, Split]] = (),
    report: Callable[[EpochRecord], None] | None = None,
    masks: Mapping[str, Tensor] | None = None,
    generator: torch.Generator | None = None,
    state: TrainState | None = None,
    keep: Callable[[TrainState], None] | None = None,
    forward: Forward | None = None,
) -> TrainResult:
    """Train a model in place and leave it with the parameters that validated best.

    Validation decodes windows of 500 steps as one batch, each from the initial state, and scores
    all but the first 100 steps of each: about a tenth of the time that one long stream takes.

    The same arguments and number of threads give the same parameters, bit for bit, also when the
    training is interrupted and continues from the last state that `keep` was given. An interrupt
    passes through; then too the model holds the best parameters so far. All random numbers are
    drawn on the CPU, so another device shuffles and drops the same.

    Args:
        model: with parameters in float32, initialized or trained before; on `config.device` while
            it is trained.
        others: more sessions with the same number of channels, trained and validated on alike.
        report: called after every epoch.
        masks: by name of a connection, a bool tensor (post, pre); weights where it is False are
            zero from the start and after every step.
        generator: source of all randomness, such as the one that initialized the model; a fresh
            one seeded with `config.seed` otherwise.
        state: state to continue from; None starts afresh.
        keep: called after every epoch with the state to continue from.
        forward: does the work of `RSNN.forward` for a uint8 raster; by default what
            `config.kernel` names.

    Raises:
        MismatchError: the step, channels or outputs of a session, masks or a state do not fit the
            model.
        DataError: a part too short for a window, or validation targets that never change.
        ToolError: the device is not available.
        RangeError: a device other than the CPU beside `forward`.
        RsnnError: the loss is no longer finite.
    """
    device = find_device(config.device)
    if forward is not None and device.type != "cpu":
        raise RangeError(f"device is {config.device}, this training computes on the CPU only")
    masks = {name: mask.to(device) for name, mask in (masks or {}).items()}
    corpus = ((session, split), *others)
    for each, _ in corpus:
        _refuse_misfits(model, each, masks)
    generator = generator or torch.Generator().manual_seed(config.seed)
    windows = Windows(
        [
            (s, window_starts(p.train, n_steps=config.window_steps, stride=config.stride))
            for s, p in corpus
        ],
        config.window_steps,
        device,
    )
    forward = forward or choose_forward(config.kernel)
    validation = Scoring([(s, p.validation) for s, p in corpus], device)
    for layer in model.layers:
        layer.surrogate = Surrogate(config.surrogate, config.surrogate_beta)
    with moved(model, device):
        _hold(model, masks)
        optimizer = OPTIMIZERS[config.optimizer](model.parameters(), lr=config.learning_rate)
        if state is None:
            state = TrainState.first(model)
        else:
            state.put_back(model, optimizer, generator)
        try:
            while state.epoch < config.epochs:
                rate = annealed(config, state.epoch)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                epoch = state.epoch + 1
                with _tuned_torch(model, config):
                    loss, train_r2, penalty = _run_epoch(
                        model, forward, windows, config, optimizer, masks, generator, epoch
                    )
                    r2, sparsity = validation.score(model, forward)
                record = EpochRecord(
                    epoch, config.epochs, rate, loss, train_r2, penalty, r2, sparsity
                )
                state = state.after(record, model, optimizer, generator)
                if keep is not None:
                    keep(state)
                if report is not None:
                    report(record)
        finally:
            model.load_state_dict(state.best)
    return TrainResult(state.records, state.best_epoch, state.best_r2)


def annealed(config: TrainConfig, n_done: int) -> float:
    """Learning rate of the epoch after `n_done`: half a cosine from full to zero."""
    return config.learning_rate * (1.0 + math.cos(math.pi * n_done / config.epochs)) / 2.0


def score(model: RSNN, session: Session, part: slice, config: TrainConfig) -> float:
    """R2 of a model on a part of a session, without dropout, as validation computes it.

    Args:
        config: its kernel and device compute it.

    Raises:
        MismatchError: step, channels or outputs of the session are not the model's.
    """
    check_meeting(model.architecture, session)
    device = find_device(config.device)
    with flushed_denormals(), moved(model, device):
        return Scoring([(session, part)], device).score(model, choose_forward(config.kernel))[0]


def choose_forward(kernel: str) -> Forward:
    """Return the function that does the work of `RSNN.forward` in a training, for a uint8 raster.

    Args:
        kernel: a name in `KERNELS`.
    """
    if kernel == "numba":
        return partial(bptt.forward, workspace=bptt.Workspace(), with_spikes=False)

    def forward(model: RSNN, raster: Tensor, *rest) -> Decoded:
        time_major = raster.transpose(0, 1).to(torch.float32).contiguous()
        return model(time_major.transpose(0, 1), *rest)

    return forward


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


def _run_epoch(
    model: RSNN,
    forward: Forward,
    windows: Windows,
    config: TrainConfig,
    optimizer: torch.optim.Optimizer,
    masks: Mapping[str, Tensor],
    generator: torch.Generator,
    epoch: int,
) -> tuple[float, float, float]:
    """Return RMSE (mean over the windows), R2 over all of them, and mean activity penalty."""
    order = torch.randperm(len(windows), generator=generator)
    batches = order.split(min(config.batch, len(windows)))
    total_loss = total_penalty = 0.0
    error, total, squares = torch.zeros(
        3, model.architecture.n_outputs, dtype=torch.float64, device=windows.device
    )
    for number, chosen in enumerate(batches, 1):
        raster, velocity = windows.batch(chosen)
        decoded = forward(model, raster, config.dropout, generator)
        loss = rmse(decoded.out, velocity)
        penalty = torch.stack([activity_penalty(c, config) for c in decoded.spike_counts()]).sum()
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
        target = velocity.flatten(0, 1).double()
        error += (decoded.out.detach().flatten(0, 1) - target).square().sum(0)
        total += target.sum(0)
        squares += target.square().sum(0)
        total_penalty += penalty.item() * len(chosen)
    n_targets = len(windows) * config.window_steps
    r2 = float((1.0 - error / (squares - total.square() / n_targets)).mean())
    return total_loss / len(windows), r2, total_penalty / len(windows)


def _hold(model: RSNN, masks: Mapping[str, Tensor]) -> None:
    """Set the pruned weights to exact zeros."""
    weights = model.connections()
    with torch.no_grad():
        for name, mask in masks.items():
            weights[name].masked_fill_(~mask, 0.0)


def _refuse_misfits(model: RSNN, session: Session, masks: Mapping[str, Tensor]) -> None:
    check_meeting(model.architecture, session)
    shapes = {name: tuple(weight.shape) for name, weight in model.connections().items()}
    for name, mask in masks.items():
        if tuple(mask.shape) != shapes.get(name):
            raise MismatchError(
                f"mask `{name}` is {tuple(mask.shape)}, the model has"
                f" {shapes.get(name, 'no such connection')}; make masks from this model"
            )


@contextmanager
def _tuned_torch(model: RSNN, config: TrainConfig) -> Iterator[None]:
    """Flush denormal floats, which halves the time of a step, and run tiny work on one thread.

    torch splits no elementwise operation of fewer than 32,768 elements, so there a second thread
    gains at most a tenth in the products; but where another process has the second core, every
    product waits for it, which was seen to cost a factor of 17. The numba kernel has threads of its
    own, which wait for each other only twice per step. Both settings are restored afterwards.
    """
    n_threads = torch.get_num_threads()
    if config.batch * max(model.architecture.hidden) < SPLIT_ELEMENTS:
        torch.set_num_threads(1)
    try:
        with flushed_denormals():
            yield
    finally:
        torch.set_num_threads(n_threads)
