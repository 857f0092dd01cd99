"""Training with the published recipe: backpropagation through time, one session, in memory.

Writes no files: a caller that is interrupted has nothing half-written.
"""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from base.errors import MismatchError, RangeError, RsnnError, RsnnWarning
from base.meeting import check_meeting
from rsnn.cuda.bptt import unsupported
from rsnn.cuda.card import Card
from rsnn.data.session import Session
from rsnn.data.split import Split, window_starts
from rsnn.fast import bptt
from rsnn.fast.denormals import flushed_denormals
from rsnn.fast.parameters import has_published_loops
from rsnn.model import RSNN, Decoded
from rsnn.surrogate import Surrogate
from rsnn.training.batches import Scoring, Windows
from rsnn.training.captured import CapturedSteps, CardForward
from rsnn.training.device import find_device, moved
from rsnn.training.recipe import TrainConfig
from rsnn.training.state import EpochRecord, TrainState
from rsnn.training.steps import Forward, Steps, hold

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
    validation = Scoring([(s, p.validation) for s, p in corpus], device)
    for layer in model.layers:
        layer.surrogate = Surrogate(config.surrogate, config.surrogate_beta)
    with moved(model, device):
        hold(model, masks)
        forward = forward or find_forward(model, config, device)
        make = CapturedSteps if isinstance(forward, CardForward) else Steps
        steps = make(model, forward, windows, config, masks)
        optimizer = steps.optimizer
        if state is None:
            state = TrainState.first(model)
        else:
            state.put_back(model, optimizer, generator)
        try:
            while state.epoch < config.epochs:
                rate = annealed(config, state.epoch)
                steps.set_rate(rate)
                epoch = state.epoch + 1
                with _tuned_torch(model, config):
                    loss, train_r2, penalty = _run_epoch(steps, generator, epoch)
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
        forward = find_forward(model, config, device)
        return Scoring([(session, part)], device).score(model, forward)[0]


def find_forward(model: RSNN, config: TrainConfig, device: torch.device) -> Forward:
    """Return the function that does the work of `RSNN.forward` for a model on a device.

    Raises:
        ToolError: the kernel is cuda and cuda-core is not installed.

    Warns:
        RsnnWarning: the kernel is cuda and cannot compute the model, so torch does.
    """
    if config.kernel != "cuda":
        return choose_forward(config.kernel)
    forward = CardForward(device)
    reason = unsupported(model, forward.card)
    if reason is None:
        return forward
    text = f"the cuda kernel cannot compute this model: {reason}; the torch kernel does"
    warnings.warn(text, RsnnWarning, stacklevel=1)
    return choose_forward("torch")


def kernel_used(model: RSNN, config: TrainConfig) -> str:
    """The kernel that computes the steps of a training: that of the settings, or `torch` for it.

    Raises:
        ToolError: as in `find_forward`.
    """
    if config.kernel == "cuda":
        card = Card(find_device(config.device))
        return "torch" if unsupported(model, card) else "cuda"
    return config.kernel if has_published_loops(model) else "torch"


def choose_forward(kernel: str) -> Forward:
    """Return the function that does the work of `RSNN.forward` in a training, for a uint8 raster.

    Args:
        kernel: `numba` or `torch`.
    """
    if kernel == "numba":
        return partial(bptt.forward, workspace=bptt.Workspace(), with_spikes=False)

    def forward(model: RSNN, raster: Tensor, *rest) -> Decoded:
        time_major = raster.transpose(0, 1).to(torch.float32).contiguous()
        return model(time_major.transpose(0, 1), *rest)

    return forward


def _run_epoch(steps: Steps, generator: torch.Generator, epoch: int) -> tuple[float, float, float]:
    """Return RMSE (mean over the windows), R2 over all of them, and mean activity penalty."""
    config, n_windows = steps.config, len(steps.windows)
    order = torch.randperm(n_windows, generator=generator)
    batches = order.split(min(config.batch, n_windows))
    total_loss = total_penalty = 0.0
    steps.sums.zero_()
    for number, (loss, penalty) in enumerate(steps.epoch(batches, generator), 1):
        if not math.isfinite(loss + penalty):
            raise RsnnError(
                f"the loss is {loss + penalty:g} at epoch {epoch}, batch {number} of"
                f" {len(batches)}; the best model before it is kept, train with a learning rate"
                f" below {config.learning_rate:g}"
            )
        total_loss += loss * len(batches[number - 1])
        total_penalty += penalty * len(batches[number - 1])
    error, total, squares = steps.sums
    r2 = (1.0 - error / (squares - total.square() / (n_windows * config.window_steps))).mean()
    return total_loss / n_windows, float(r2), total_penalty / n_windows


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
