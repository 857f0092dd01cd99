"""Every setting of the training of a rate network: defaults as published, TOML, `--set`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from base.checks import check_seed
from base.errors import RangeError
from base.settings import as_toml, changed
from rsnn.rate.training.initialize import Initial
from rsnn.rate.training.train import LEARNING_RATE, MAX_TRIALS

MOST_TRIALS = 1_000_000
FEWEST_TRIALS = 2  # the second is the first after which networks are evaluated


@dataclass(frozen=True)
class RateTraining:
    """How a network is trained.

    Attributes:
        learning_rate: of Adam.
        max_trials: after which a network counts as not trained.
        seed: of the network at the start and of all trials.

    Raises:
        RangeError: a number out of its range.
    """

    learning_rate: float = LEARNING_RATE
    max_trials: int = MAX_TRIALS
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate <= 1:
            raise RangeError(
                f"`learning_rate` is {self.learning_rate:g}; it must be above 0 and at most 1"
            )
        if not FEWEST_TRIALS <= self.max_trials <= MOST_TRIALS:
            raise RangeError(
                f"`max_trials` is {self.max_trials}; {FEWEST_TRIALS} to {MOST_TRIALS} is possible"
            )
        check_seed(self.seed)


@dataclass(frozen=True)
class RateConfig:
    """All settings, by section."""

    network: Initial
    training: RateTraining

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Every setting by section and name, ready for JSON."""
        return asdict(self)

    def as_toml(self) -> str:
        """Every setting as TOML text that `resolve` reads back."""
        return as_toml(self.as_dict())


def resolve(
    *,
    files: Sequence[Path] = (),
    settings: Sequence[str] = (),
    units: int | None = None,
    seed: int | None = None,
) -> RateConfig:
    """Start from the published settings and apply, in this order: TOML files, settings, the rest.

    Args:
        files: TOML with the sections and names of `RateConfig`; later ones win.
        settings: such as `network.gain=0.5`; values are written as in TOML, bare words are text.
        units: units of the network.
        seed: seed of all random numbers.

    Raises:
        RangeError: a value that is not allowed.
        DataError, FileError: as in `base.settings.changed`.
    """
    defaults = RateConfig(Initial(), RateTraining())
    values = changed(vars(defaults), files, settings, "network.gain=0.5")
    if units is not None:
        values["network"]["units"] = units
    if seed is not None:
        values["training"]["seed"] = seed
    return RateConfig(**{s: replace(v, **values[s]) for s, v in vars(defaults).items()})
