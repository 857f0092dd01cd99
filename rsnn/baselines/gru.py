"""A GRU of tinyRSNN's size on binned spike counts: as many parameters, without spikes.

One layer of gated recurrent units (Cho et al. 2014, in the form of torch.nn.GRU) sees the spike
counts of bins of 20 ms, and a linear readout turns its state into a velocity. As many copies of its
state as a bin has steps take turns, so that each step has one whose bin has just ended.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from base.errors import DataError
from base.metrics import r2_score
from rsnn.baselines.baseline import BIN, Baseline, counts_behind, refuse_stillness, score_baseline
from rsnn.data.session import Session
from rsnn.data.split import Split
from rsnn.model import RSNN, tiny

N_OUTPUTS = 2


@dataclass(frozen=True)
class GruConfig:
    """Training settings of a GRU: Adam, a cosine schedule, mean squared error.

    Attributes:
        updates: steps of the optimizer, whatever the length of the session; this bounds the time.
        validations: number of times the validation part is decoded, at even distances.
        batch: windows per update, each from anywhere in the train part.
        window_bins: length of a window in bins, of which the first tenth is not scored.
        learning_rate: learning rate of the first update.
        dropout: share of the input counts and of the states before the readout that is lost.
        seed: seed of the first weights, the windows and the dropout.
    """

    updates: int = 600
    validations: int = 12
    batch: int = 64
    window_bins: int = 50
    learning_rate: float = 1e-2
    dropout: float = 0.2
    seed: int = 1


class _Stretch(NamedTuple):
    """Spikes (n_steps, n_channels) and, around 0 and of deviation 1, velocity (n_steps, 2)."""

    raster: NDArray[np.uint8]
    target: NDArray[np.float32]


class _Gru(nn.Module):
    """Gated recurrent units and a linear readout, from (batch, n_bins, n_channels)."""

    def __init__(self, n_channels: int, n_units: int, generator: torch.Generator) -> None:
        super().__init__()
        # by way of "meta", where torch draws no first weights from its global generator
        self.units = nn.GRU(n_channels, n_units, batch_first=True, device="meta")
        self.readout = nn.Linear(n_units, N_OUTPUTS, device="meta")
        self.to_empty(device="cpu")
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(n_units**-0.5), n_units**-0.5, generator=generator)

    def forward(self, counts: Tensor, dropout: float, generator: torch.Generator | None) -> Tensor:
        """Return (batch, n_bins, N_OUTPUTS), in units of the velocity's standard deviation."""
        states, _ = self.units(_drop(counts, dropout, generator))
        return self.readout(_drop(states, dropout, generator))


def train_gru(session: Session, split: Split, config: GruConfig | None = None) -> Baseline:
    """Train a GRU on a session's train part and score it on every step of the test part.

    The weights that decode the validation part best are kept. torch computes in one thread
    meanwhile, so that the same arguments give the same weights on any number of cores; that, and
    torch's global generator, are afterwards what they were before.

    Args:
        session: recording or synthetic session.
        split: its parts.
        config: how to train; the defaults take a minute or less.

    Raises:
        DataError: a train part too short for a window, or a cursor that does not move.
    """
    config = config or GruConfig()
    refuse_stillness(session, split)
    steps = max(1, round(BIN / session.dt))
    n_train, n_window = split.train.stop - split.train.start, config.window_bins * steps
    if n_train < n_window:
        raise DataError(
            f"session {session.name}: its train part has {n_train} steps; a GRU is trained on"
            f" windows of {n_window}, use a longer session"
        )
    mean, scale = _mean_and_scale(session.velocity[split.train])
    learn, check = (
        _Stretch(session.raster[part], (session.velocity[part] - mean) / scale)
        for part in (split.train, split.validation)
    )
    generator = torch.Generator().manual_seed(config.seed)
    n_units = units_like_tiny(session.n_channels)
    model = _Gru(session.n_channels, n_units, generator)
    with _one_thread():
        _train(model, learn, check, config, steps, generator)
        decoded = mean + scale * _decode(model, session.raster[split.test], steps)
    weights = [p.numel() for p in model.parameters() if p.dim() == 2]
    return score_baseline(
        f"GRU, {n_units} units, bins of {1000 * steps * session.dt:.0f} ms",
        decoded,
        session,
        split,
        n_parameters=sum(p.numel() for p in model.parameters()),
        # the gates also multiply a unit's values three times
        dense=sum(weights) + 3 * n_units,
    )


def units_like_tiny(n_channels: int) -> int:
    """The most units with which a GRU has at most as many parameters as tinyRSNN.

    With n units, c channels and 2 outputs a GRU has 3 n (c + n + 2) + 2 n + 2 of them.
    """
    most = sum(parameter.numel() for parameter in RSNN(tiny(n_channels)).parameters())
    n = 1
    while 3 * (n + 1) * (n_channels + n + 3) + N_OUTPUTS * (n + 2) <= most:
        n += 1
    return n


def _mean_and_scale(
    velocity: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation (N_OUTPUTS,), 1 where a coordinate never changes.

    The readout could do without them: both fold into its weights, so they count as no parameters.
    """
    scale = velocity.std(0)
    return velocity.mean(0), np.where(scale > 0, scale, 1).astype(np.float32)


def _train(
    model: _Gru,
    learn: _Stretch,
    check: _Stretch,
    config: GruConfig,
    steps: int,
    generator: torch.Generator,
) -> None:
    """Train in place on one stretch and keep the weights that decode another best."""
    counts = torch.from_numpy(counts_behind(learn.raster, steps))
    target = torch.from_numpy(learn.target)
    within = torch.arange(config.window_bins) * steps
    run_up = config.window_bins // 10
    optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config.updates)
    best, best_r2 = copy.deepcopy(model.state_dict()), -math.inf
    n_starts = len(counts) - int(within[-1])
    every = max(1, config.updates // config.validations)
    for update in range(1, config.updates + 1):
        starts = torch.randint(n_starts, (config.batch, 1), generator=generator)
        index = starts + within
        decoded = model(counts[index], config.dropout, generator)
        loss = (decoded - target[index])[:, run_up:].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if update % every == 0 or update == config.updates:
            r2 = r2_score(_decode(model, check.raster, steps), check.target)
            if r2 > best_r2:
                best, best_r2 = copy.deepcopy(model.state_dict()), r2
    model.load_state_dict(best)


@torch.no_grad()
def _decode(model: _Gru, raster: NDArray[np.uint8], steps: int) -> NDArray[np.float32]:
    """Decode every step of a stretch, (n_steps, N_OUTPUTS), by states that take turns."""
    n_rounds = -(-len(raster) // steps)
    counts = counts_behind(raster, steps)
    counts = np.pad(counts, ((0, n_rounds * steps - len(raster)), (0, 0)))
    turns = torch.from_numpy(counts.reshape(n_rounds, steps, -1)).transpose(0, 1)
    decoded = model(turns, 0.0, None).transpose(0, 1)
    return decoded.reshape(n_rounds * steps, -1)[: len(raster)].numpy()


def _drop(values: Tensor, dropout: float, generator: torch.Generator | None) -> Tensor:
    if dropout == 0.0:
        return values
    kept = torch.rand(values.shape, generator=generator) >= dropout
    return values * kept / (1.0 - dropout)


@contextmanager
def _one_thread() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)
