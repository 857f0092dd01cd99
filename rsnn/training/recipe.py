"""The settings of a training: the published recipe, and shorter ones that take minutes."""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from base.checks import LARGEST_SEED
from base.errors import RangeError
from rsnn.surrogate import Surrogate
from rsnn.training.names import DEVICES, KERNELS
from rsnn.training.optimizers import SMORMS3

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "smorms3": SMORMS3,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


@dataclass(frozen=True)
class TrainConfig:
    """The recipe; its defaults are the published one (200 epochs on the session, tinyRSNN).

    Attributes:
        epochs: passes over the training windows; the learning rate is annealed to zero over them,
            as a cosine, by one step per epoch.
        batch: windows per step of the optimizer; the last batch of an epoch may be smaller.
        learning_rate: learning rate of the first epoch.
        optimizer: a name in `OPTIMIZERS`.
        dropout: share of input and hidden spikes removed.
        lower_strength, lower_count: hidden neurons with fewer spikes per window are penalized.
        upper_strength, upper_count: layers with more spikes per neuron and window are; a strength
            of 0, as for bigRSNN, switches that off.
        window_steps, stride: length of a training window and distance of their offsets, in steps.
            The two counts are spikes in such a window: change them along with its length.
        seed: seed of shuffling and dropout.
        kernel: code that computes a step: `numba`, fast on CPUs, `cuda`, fast on cards, or `torch`,
            the definition, on both. All train alike up to the rounding of floats.
        device: `cpu` or `cuda`.
        surrogate, surrogate_beta: stand-in for the derivative of a spike, a name in
            `rsnn.surrogate.SURROGATES`, and its steepness.

    Raises:
        RangeError: a value that makes no sense.
    """

    epochs: int = 200
    batch: int = 250
    learning_rate: float = 2e-3
    optimizer: str = "smorms3"
    dropout: float = 0.3
    lower_strength: float = 100.0
    lower_count: float = 1e-3
    upper_strength: float = 0.01
    upper_count: float = 10.0
    window_steps: int = 500
    stride: int = 100
    seed: int = 1
    kernel: str = "numba"
    device: str = "cpu"
    surrogate: str = "superspike"
    surrogate_beta: float = 20.0

    def __post_init__(self) -> None:
        for name, most in (("epochs", 10**5), ("batch", 10**6)):
            _refuse_outside(name, getattr(self, name), 1, most)
        for name in ("window_steps", "stride"):
            _refuse_outside(name, getattr(self, name), 1, 10**7)
        for name in ("lower_strength", "lower_count", "upper_strength", "upper_count"):
            _refuse_outside(name, getattr(self, name), 0, 10**9)
        _refuse_outside("seed", self.seed, 0, LARGEST_SEED)
        if not 0.0 < self.learning_rate < math.inf:
            raise RangeError(
                f"learning_rate is {self.learning_rate:g}; it must be above 0 and finite, the"
                " published one is 0.002"
            )
        if not 0.0 <= self.dropout < 1.0:
            raise RangeError(
                f"dropout is {self.dropout:g}; it must be at least 0 and below 1, the published one"
                " is 0.3"
            )
        _refuse_unknown("optimizer", self.optimizer, OPTIMIZERS)
        _refuse_unknown("kernel", self.kernel, KERNELS)
        _refuse_unknown("device", self.device, DEVICES)
        if self.kernel == "numba" and self.device != "cpu":
            raise RangeError(
                f"kernel is {self.kernel}, which computes on the CPU only; omit `kernel` or"
                f" choose cuda with `device={self.device}`"
            )
        if self.kernel == "cuda" and self.device != "cuda":
            raise RangeError("kernel is cuda, which computes on a card; choose `device=cuda` too")
        Surrogate(self.surrogate, self.surrogate_beta)  # which refuses invalid values

    def make_optimizer(
        self, parameters: Iterable[nn.Parameter], rate: Tensor | None = None
    ) -> torch.optim.Optimizer:
        """The optimizer before its first step.

        Args:
            rate: learning rate on a card, for steps that are captured.
        """
        if rate is None:
            return OPTIMIZERS[self.optimizer](parameters, lr=self.learning_rate)
        options = {} if self.optimizer == "smorms3" else {"capturable": True}
        return OPTIMIZERS[self.optimizer](parameters, lr=rate, **options)


def kernel_for(device: str) -> str:
    """The fastest kernel that computes on a device."""
    return "numba" if device == "cpu" else "cuda"


def _refuse_outside(name: str, value: float, low: int, high: int) -> None:
    if not value >= low:
        raise RangeError(f"{name} is {value:g}; it must be at least {low}")
    if value > high:
        raise RangeError(f"{name} is {value}; it must be at most {high}")


def _refuse_unknown(name: str, value: str, known: Collection[str]) -> None:
    if value not in known:
        raise RangeError(f"{name} is `{value}`; choose one of {', '.join(sorted(known))}")


# For training on a 5-minute session of 96 channels in a minute or two. Windows of
# 1 s (hence half the count of spikes) in batches of 32 give 18 steps of the optimizer per epoch
# instead of 2, each a fifth as long; SMORMS3 then bears 15 times the published rate.
SHORT = TrainConfig(epochs=25, batch=32, learning_rate=0.03, window_steps=250, upper_count=5.0)

# By name: the recipes of pre-training on all sessions, of training on one, of retraining after
# pruning, and of training in integers.
PRETRAINING = {"published": TrainConfig(epochs=100), "short": SHORT}
TRAINING = {"published": TrainConfig(), "short": SHORT}
RETRAINING = {
    "published": TrainConfig(epochs=100),
    "short": replace(SHORT, epochs=10, learning_rate=0.015),
}
# Differences for the preset `big`, by recipe and stage: no upper regularizer, as
# published. Its gradients add up over 16 times as many neurons, so it learns at the published rate.
NO_UPPER = {"upper_strength": 0.0}
SHORT_BIG = NO_UPPER | {"epochs": 12, "batch": 16, "learning_rate": 2e-3}
BIG: dict[str, dict[str, dict[str, float]]] = {
    "published": {},
    "short": {
        "pretraining": SHORT_BIG,
        "training": SHORT_BIG,
        "retraining": SHORT_BIG | {"epochs": 5, "learning_rate": 1e-3},
    },
}
# Fine-tuning in integers, which have no dropout. Weights must cross from step to step of a coarse
# grid, which takes long at small learning rates.
QAT = {
    "published": TrainConfig(epochs=50, dropout=0.0),
    "short": replace(SHORT, epochs=10, learning_rate=0.005, dropout=0.0),
}
