"""Every setting of a first-spike training: names of the published configurations; TOML or JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from pathlib import Path
from typing import Any, ClassVar

from base.checks import check_at_most, check_choice, check_count, check_seed
from base.errors import DataError, RangeError
from base.files import read_bytes
from base.settings import applied, as_toml, parsed, settings_in
from base.toml import read_toml
from rsnn.first_spike.names import BEST, EXACT, KEPT, SEMANTICS
from rsnn.first_spike.network import MOST_NEURONS, check_leak
from rsnn.first_spike.presets import PRESETS

EXAMPLE = "optimizer.ap=0.05"
MOST_EPOCHS, MOST_RUNS = 100_000, 10_000
_LARGEST = 1e9  # of a weight, a threshold, a rate
_MAX_BYTES = 1 << 20
STDP = ("additive", "multiplicative")


def _check_within(section: str, values: Mapping[str, float], low: float, high: float) -> None:
    for name, value in values.items():
        if not low <= value <= high:
            raise RangeError(f"`{section}.{name}` is {value:g}; it must be in {low:g}..{high:g}")


@dataclass(frozen=True)
class Layer:
    """The neurons.

    Attributes:
        n_neurons: a multiple of the number of classes.
        firing_threshold: above which a neuron fires.
        w_init_normal: weights at the start are normal, else uniform in w_min..w_max.
        w_init_mean, w_init_std: of normal weights.
        w_norm: the sum of each neuron's weights is kept.
        w_min, w_max: range of the weights.
        leak_tau: time constant of a leak, in units of a sample's length; 0 for none.
        semantics: `exact` or `published`.

    Raises:
        RangeError: a number out of its range.
    """

    n_neurons: int = 10
    firing_threshold: float = 1.0
    w_init_normal: bool = True
    w_init_mean: float = 0.3
    w_init_std: float = 0.01
    w_norm: bool = False
    w_min: float = 0.0
    w_max: float = 1.0
    leak_tau: float = 0.0
    semantics: str = EXACT

    def __post_init__(self) -> None:
        check_count("n_neurons", self.n_neurons, MOST_NEURONS)
        names = ("firing_threshold", "w_init_mean", "w_min", "w_max")
        _check_within("network", {n: getattr(self, n) for n in names}, -_LARGEST, _LARGEST)
        _check_within("network", {"w_init_std": self.w_init_std}, 0, _LARGEST)
        if self.w_min >= self.w_max:
            raise RangeError(
                f"`network.w_min` is {self.w_min:g}; it must be below w_max, {self.w_max:g}"
            )
        check_leak(self.leak_tau)
        check_choice("semantics", self.semantics, SEMANTICS)


def _check_optimizer(found: Any) -> None:
    """Refuse what no rule can use: types are checked when settings are read."""
    values: dict[str, float] = {k: v for k, v in asdict(found).items() if isinstance(v, float)}
    shares: dict[str, float] = {k: values.pop(k) for k in ("t_gap", "annealing") if k in values}
    _check_within("optimizer", values, -_LARGEST, _LARGEST)
    _check_within("optimizer", shares, 0, 1)
    if "stdp" in asdict(found):
        check_choice("stdp", found.stdp, STDP)
        if found.w_min >= found.w_max:
            raise RangeError(
                f"`optimizer.w_min` is {found.w_min:g}; it must be below w_max, {found.w_max:g}"
            )


@dataclass(frozen=True)
class S2STDP:
    """S2-STDP, and SSTDP with `use_time_ranges`.

    Attributes:
        method: `s2stdp`.
        stdp: `additive` or `multiplicative`.
        t_gap: gap between the wanted times of both sorts of neurons, in units of a sample's length.
        class_inhib: only the first neuron of each class is updated (competition groups).
        use_time_ranges: neurons may also fire earlier, or later, than is wanted.
        ap, am: rates for inputs up to the spike, and for others.
        ignore_silent: weights of silent inputs get no `am`.
        beta, w_min, w_max: of multiplicative steps.
        annealing: by which rates are multiplied after each epoch.

    Raises:
        RangeError: a number out of its range.
    """

    METHOD: ClassVar[str] = "s2stdp"
    method: str = METHOD
    stdp: str = STDP[0]
    t_gap: float = 0.04
    class_inhib: bool = False
    use_time_ranges: bool = False
    ap: float = 0.005
    am: float = -0.01
    ignore_silent: bool = False
    beta: float = 1.0
    w_min: float = 0.0
    w_max: float = 1.0
    annealing: float = 1.0

    def __post_init__(self) -> None:
        _check_optimizer(self)


@dataclass(frozen=True)
class RSTDP:
    """R-STDP.

    Attributes:
        method: `rstdp`.
        stdp: `additive` or `multiplicative`.
        ap, am: rates if the winner is right, for inputs up to its spike, and for others.
        anti_ap, anti_am: rates if it is wrong; by default -ap and -am.
        adaptive_lr: rates are weighted by the errors, and by the successes, of the epoch before.
        beta, w_min, w_max: of multiplicative steps.
        annealing: by which rates are multiplied after each epoch.

    Raises:
        RangeError: a number out of its range.
    """

    METHOD: ClassVar[str] = "rstdp"
    method: str = METHOD
    stdp: str = STDP[0]
    ap: float = 0.05
    am: float = -0.001
    anti_ap: float = -0.05
    anti_am: float = 0.001
    adaptive_lr: bool = True
    beta: float = 1.0
    w_min: float = 0.0
    w_max: float = 1.0
    annealing: float = 1.0

    def __post_init__(self) -> None:
        _check_optimizer(self)


@dataclass(frozen=True)
class S4NN:
    """S4NN: as published, or without `use_time_ranges` as S2-STDP's authors adapted it.

    Attributes:
        method: `s4nn`.
        t_gap: gap between the wanted times of both sorts of neurons, in units of a sample's length.
        lr: rate for inputs up to the spike; others are left.
        class_inhib: only the first neuron of each class is updated (competition groups).
        use_time_ranges: neurons may also fire earlier, or later, than is wanted.
        annealing: by which `lr` is multiplied after each epoch.

    Raises:
        RangeError: a number out of its range.
    """

    METHOD: ClassVar[str] = "s4nn"
    method: str = METHOD
    t_gap: float = 0.1
    lr: float = 0.005
    class_inhib: bool = False
    use_time_ranges: bool = True
    annealing: float = 1.0

    def __post_init__(self) -> None:
        _check_optimizer(self)


Optimizer = S2STDP | RSTDP | S4NN
OPTIMIZERS: dict[str, type[Optimizer]] = {each.METHOD: each for each in (S2STDP, RSTDP, S4NN)}


@dataclass(frozen=True)
class Regularizer:
    """Competition regulation: thresholds of target neurons of a class are balanced.

    Attributes:
        thr_lr: rate; 0 for none.
        thr_anneal: by which it is multiplied after each epoch.
        use_two_thr: adapted thresholds are for the neuron's own class and for training only.

    Raises:
        RangeError: a number out of its range.
    """

    thr_lr: float = 0.0
    thr_anneal: float = 1.0
    use_two_thr: bool = True

    def __post_init__(self) -> None:
        _check_within("regularizer", {"thr_lr": self.thr_lr}, 0, _LARGEST)
        _check_within("regularizer", {"thr_anneal": self.thr_anneal}, 0, 1)


@dataclass(frozen=True)
class Trainer:
    """The training loop.

    Attributes:
        epochs: at most.
        early_stopping: epochs without a higher validation accuracy after which to stop; 0: none.
        keep: the epoch whose weights are kept: the `best` in validation, or the `last`.
        nt_neurons: neurons of each class that are not wanted to fire.
        dropout_in, dropout_out: probability that an input, or a neuron, counts as silent.
        gridsearch_stop_acc: in a grid, a run below this accuracy in the fourth epoch or later ends.
        seed: of all random numbers.

    Raises:
        RangeError: a number out of its range.
    """

    epochs: int = 100
    early_stopping: int = 10
    keep: str = BEST
    nt_neurons: int = 0
    dropout_in: float = 0.0
    dropout_out: float = 0.0
    gridsearch_stop_acc: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        check_count("epochs", self.epochs, MOST_EPOCHS)
        for name, most in (("early_stopping", MOST_EPOCHS), ("nt_neurons", MOST_NEURONS)):
            _check_within("trainer", {name: getattr(self, name)}, 0, most)
        shares = ("dropout_in", "dropout_out", "gridsearch_stop_acc")
        _check_within("trainer", {name: getattr(self, name) for name in shares}, 0, 1)
        check_choice("keep", self.keep, KEPT)
        check_seed(self.seed)


@dataclass(frozen=True)
class FirstSpikeConfig:
    """All settings, by section."""

    network: Layer
    optimizer: Optimizer
    regularizer: Regularizer
    trainer: Trainer

    def as_dict(self) -> dict[str, dict[str, Any]]:
        """Every setting by section and name, ready for JSON."""
        return asdict(self)

    def as_toml(self) -> str:
        """Every setting as TOML text that `resolve` reads back."""
        return as_toml(self.as_dict())


Change = tuple[str, str, Any]
SECTIONS = tuple(field.name for field in fields(FirstSpikeConfig))


def gathered(preset: str | None, file: Path | None, settings: Sequence[str]) -> list[Change]:
    """Settings (section, name, value) of a preset or a file, then of `section.name=value`.

    Args:
        preset: its name; None for none.
        file: TOML, or JSON (.json) with the sections of published code.
        settings: values are written as in TOML, bare words are text.

    Raises:
        RangeError: no such preset.
        DataError: a file or setting that cannot be read as such.
        FileError: no such file.
    """
    found: list[Change] = []
    if preset is not None:
        check_choice("preset", preset, PRESETS)
        found += settings_in(Path(preset), PRESETS[preset])
    if file is not None:
        tables = _read_json(file) if Path(file).suffix == ".json" else read_toml(Path(file))
        found += settings_in(Path(file), tables)
    return found + [parsed(setting, EXAMPLE) for setting in settings]


def resolve(changes: Sequence[Change], *, seed: int | None = None) -> FirstSpikeConfig:
    """Settings from their defaults and what changes; later ones win.

    Args:
        changes: as `gathered` returns them.
        seed: seed of all random numbers, above all other settings.

    Raises:
        RangeError: a value that is not allowed.
        DataError: an unknown setting, or one of another type.
    """
    method = S2STDP.METHOD
    for section, name, value in changes:
        if (section, name) == ("optimizer", "method"):
            check_choice("method", str(value), OPTIMIZERS)
            method = value
    defaults = FirstSpikeConfig(Layer(), OPTIMIZERS[method](), Regularizer(), Trainer())
    values = applied(vars(defaults), changes)
    if method == RSTDP.METHOD:
        for name in ("ap", "am"):
            rate = values["optimizer"].get(name, getattr(defaults.optimizer, name))
            values["optimizer"].setdefault(f"anti_{name}", -rate)
    if seed is not None:
        values["trainer"]["seed"] = seed
    return FirstSpikeConfig(**{s: replace(v, **values[s]) for s, v in vars(defaults).items()})


def expanded(changes: Sequence[Change]) -> Iterator[tuple[dict[str, Any], list[Change]]]:
    """Every combination of the settings that are lists: their values by name, and all changes.

    Sections are taken in the order of `SECTIONS`, names in that in which they were first given; the
    last list changes fastest.

    Raises:
        RangeError: an empty list, or more than 10,000 combinations.
    """
    known: dict[tuple[str, str], Any] = {(s, n): v for s, n, v in changes}
    lists = {key: value for key, value in known.items() if isinstance(value, list)}
    n = 1
    for (section, name), values in lists.items():
        n *= len(values)
        if not values:
            raise RangeError(f"`{section}.{name}` is []; at least one value is needed")
    check_at_most("combinations", n, MOST_RUNS)
    ordered = sorted(lists, key=lambda key: _place(key[0]))
    for combination in product(*(lists[key] for key in ordered)):
        chosen = dict(zip(ordered, combination, strict=True))
        label = {f"{section}.{name}": value for (section, name), value in chosen.items()}
        yield label, [(*key, value) for key, value in (known | chosen).items()]


def _place(section: str) -> int:
    """Published order: network, regularizer, optimizer, trainer; unknown ones are refused later."""
    order = ("network", "regularizer", "optimizer", "trainer")
    return order.index(section) if section in order else len(order)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(read_bytes(path, _MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{path}: holds no sections, such as `optimizer`")
    layers = found.get("network")
    if isinstance(layers, list):
        if len(layers) != 1:
            raise DataError(f"{path}: `network` has {len(layers)} layers; one can be trained")
        found["network"] = layers[0]
    return found
