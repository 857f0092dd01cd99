"""Every setting of a training in one place: a named recipe, changed by a TOML file and by hand."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from base.checks import check_choice
from base.errors import RangeError
from base.settings import as_toml, changed
from rsnn.kinds import float_kinds
from rsnn.model import PRESETS, Architecture
from rsnn.training.recipe import (
    BIG,
    NO_UPPER,
    PRETRAINING,
    QAT,
    RETRAINING,
    TRAINING,
    TrainConfig,
    kernel_for,
)

SMALLEST_STEP = 0.001  # of the search for what can be pruned, which trains at each
STAGES = ("pretraining", "training", "retraining", "qat")  # the sections that configure a training


@dataclass(frozen=True)
class ModelConfig:
    """The network: a preset, and the differences from it.

    Attributes:
        preset: a name in `rsnn.model.PRESETS`.
        hidden: neurons of each hidden layer; empty for those of the preset.
        recurrent: whether hidden layers are recurrent.
        bias: whether every unit, hidden or of a readout, has a bias.
        neuron: kind of the hidden neurons, a name in `rsnn.kinds.float_kinds`.
    """

    preset: str = "tiny"
    hidden: tuple[int, ...] = ()
    recurrent: bool = True
    bias: bool = False
    neuron: str = Architecture.neuron

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise RangeError(f"model.preset is {self.preset}; known: {', '.join(PRESETS)}")
        if self.neuron not in (known := float_kinds()):
            raise RangeError(f"model.neuron is {self.neuron}; known: {', '.join(known)}")
        self.architecture(1)  # which refuses sizes that no recording makes possible

    def architecture(self, n_inputs: int) -> Architecture:
        """The architecture for recordings of `n_inputs` channels."""
        preset = PRESETS[self.preset](n_inputs)
        return replace(
            preset,
            hidden=self.hidden or preset.hidden,
            recurrent=self.recurrent,
            bias=self.bias,
            neuron=self.neuron,
        )


@dataclass(frozen=True)
class PruneConfig:
    """The published search for how much can be pruned (`rsnn.training.prune.search`).

    Attributes:
        start, step: first fraction of each weight matrix to prune, and its increase.
        fine_step: increase after the first fraction that costs too much.
        stop: the largest fraction tried.
        tolerance: share of the unpruned model's train R2 that may be lost.
    """

    start: float = 0.40
    step: float = 0.10
    fine_step: float = 0.05
    stop: float = 0.80
    tolerance: float = 0.02

    def __post_init__(self) -> None:
        for name in ("start", "stop"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise RangeError(
                    f"pruning.{name} is {getattr(self, name):g}; it must be at least 0 and below 1"
                )
        for name in ("step", "fine_step"):
            if 0.0 < getattr(self, name) < SMALLEST_STEP:
                raise RangeError(
                    f"pruning.{name} is {getattr(self, name):g}; it must be at least"
                    f" {SMALLEST_STEP:g}"
                )
        for name in ("step", "fine_step", "tolerance"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise RangeError(
                    f"pruning.{name} is {getattr(self, name):g}; it must be above 0 and below 1"
                )


@dataclass(frozen=True)
class Config:
    """All settings of a run, by section."""

    model: ModelConfig
    pretraining: TrainConfig
    training: TrainConfig
    retraining: TrainConfig
    pruning: PruneConfig
    qat: TrainConfig

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Every setting by section and name, ready for JSON."""
        return dataclasses.asdict(self)

    def as_toml(self) -> str:
        """Every setting as TOML text that `resolve` reads back."""
        return as_toml(self.as_dict())


def choices(stages: Sequence[str], device: str | None, kernel: str | None) -> tuple[str, ...]:
    """Settings that make all stages compute on a device and with a kernel, where given.

    A device given without a kernel gets its fastest one.
    """
    chosen = {} if device is None else {"device": device, "kernel": kernel_for(device)}
    if kernel is not None:
        chosen["kernel"] = kernel
    return tuple(f"{stage}.{name}={value}" for stage in stages for name, value in chosen.items())


def resolve(
    recipe: str = "published",
    *,
    preset: str = "tiny",
    files: Sequence[Path] = (),
    settings: Sequence[str] = (),
    seed: int | None = None,
) -> Config:
    """Start from a recipe and apply, in this order: preset, TOML files, `section.name=value`, seed.

    A device given without a kernel gets its fastest one.

    `big` is trained without the upper activity regularizer, as published, and by the recipe `short`
    at a different learning rate.

    Args:
        recipe: a name in `rsnn.training.recipe.TRAINING`.
        preset: preset of the model, unless a file or a setting names another.
        files: TOML with the sections and names of `Config`; later ones win.
        settings: such as `training.epochs=50`; values are written as in TOML, bare words are text.
        seed: seed of all stages.

    Raises:
        RangeError: no such recipe, or a value that is not allowed.
        DataError: an unknown section or name (the nearest known one is named), a value of another
            type, or a file that is not TOML.
        FileError: no such file.
    """
    check_choice("recipe", recipe, TRAINING)
    config = Config(
        ModelConfig(),
        PRETRAINING[recipe],
        TRAINING[recipe],
        RETRAINING[recipe],
        PruneConfig(),
        QAT[recipe],
    )
    values = changed(vars(config), files, settings, "training.epochs=50")
    values["model"].setdefault("preset", preset)
    if seed is not None:
        for stage in STAGES:
            values[stage]["seed"] = seed
    by_hand = {setting.partition("=")[0].strip() for setting in settings}
    for stage in STAGES:
        chosen = "device" in values[stage] and "kernel" not in values[stage]
        chosen |= f"{stage}.device" in by_hand and f"{stage}.kernel" not in by_hand
        if chosen:
            values[stage]["kernel"] = kernel_for(values[stage]["device"])
    if values["model"]["preset"] == "big":
        for stage in STAGES:
            values[stage] = BIG[recipe].get(stage, NO_UPPER) | values[stage]
    return Config(**{s: replace(v, **values[s]) for s, v in vars(config).items()})
