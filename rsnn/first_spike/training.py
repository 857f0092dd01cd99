"""The training loop: epochs in the stored order of the samples, accuracies, early stopping."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from base.checks import check_at_most
from base.errors import RangeError
from rsnn.first_spike import kernels
from rsnn.first_spike.config import RSTDP, S4NN, FirstSpikeConfig
from rsnn.first_spike.data.parts import Parts
from rsnn.first_spike.definition import Learner
from rsnn.first_spike.layer import decays
from rsnn.first_spike.names import BEST, PUBLISHED
from rsnn.first_spike.network import MOST_WEIGHTS, FirstSpikeNetwork, check_groups
from rsnn.first_spike.rules import METHODS, Rates, Rule

_FIRST_JUDGED = 4  # epoch, from 1, from which on a run of a grid may be abandoned


@dataclass(frozen=True)
class Record:
    """An epoch, counted from 1, and accuracies: in training, and after it with test thresholds."""

    epoch: int
    train_accuracy: float
    validation_accuracy: float | None
    test_accuracy: float


@dataclass
class Training:
    """A training under way; everything that the next epoch depends on.

    Attributes:
        config: its settings.
        learner: the layer as it is now.
        n_classes: classes of the training samples.
        generator: of all random numbers.
        records: of every epoch.
        best: the epoch that is kept, or 0.
        kept: weights and test thresholds of that epoch.
        abandoned: it was worse than a grid asks for.
    """

    config: FirstSpikeConfig
    learner: Learner
    n_classes: int
    generator: np.random.Generator
    records: list[Record] = field(default_factory=list)
    best: int = 0
    kept: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    abandoned: bool = False

    @property
    def is_done(self) -> bool:
        """Whether no further epoch follows."""
        trainer, n = self.config.trainer, len(self.records)
        if self.abandoned or n >= trainer.epochs:
            return True
        if not trainer.early_stopping or not n or self.records[-1].validation_accuracy is None:
            return False
        return n - self._best_validated() >= trainer.early_stopping

    @property
    def record(self) -> Record:
        """That of the epoch that is kept."""
        return self.records[self.best - 1]

    def network(self) -> FirstSpikeNetwork:
        """The network that is kept; before the first epoch that of the start."""
        layer = self.config.network
        w, threshold = self.kept or (self.learner.w, self.learner.threshold)
        numbers = self.n_classes, self.learner.t_max, layer.leak_tau
        return FirstSpikeNetwork(w, threshold, *numbers, layer.semantics)

    def _best_validated(self) -> int:
        """The first epoch of the highest validation accuracy."""
        validated = [record.validation_accuracy or 0.0 for record in self.records]
        return int(np.argmax(validated)) + 1

    def _keep(self) -> None:
        n = len(self.records)
        is_validated = self.records[-1].validation_accuracy is not None
        if self.config.trainer.keep == BEST and is_validated and self._best_validated() < n:
            return
        self.best = n
        self.kept = (self.learner.w.copy(), self.learner.threshold.copy())


def start(config: FirstSpikeConfig, parts: Parts) -> Training:
    """A training before its first epoch: its generator has drawn the weights.

    Raises:
        MismatchError: the neurons cannot be divided among the classes.
        RangeError: too many weights, or not enough neurons of a class.
    """
    layer, samples = config.network, parts.train
    n, n_classes = layer.n_neurons, samples.n_classes
    check_groups(n, n_classes)
    check_at_most("weights", n * samples.n_inputs, MOST_WEIGHTS)
    if config.trainer.nt_neurons >= n // n_classes:
        raise RangeError(
            f"`trainer.nt_neurons` is {config.trainer.nt_neurons}; below {n // n_classes}, the"
            " neurons of each class, is possible"
        )
    generator = np.random.default_rng(config.trainer.seed)
    shape = n, samples.n_inputs
    if layer.w_init_normal:
        w = generator.normal(layer.w_init_mean, layer.w_init_std, shape)
    else:
        w = generator.uniform(layer.w_min, layer.w_max, shape)
    row_sum = w.sum(1)
    threshold = np.full(n, layer.firing_threshold)
    decay = decays(layer.leak_tau, samples.t_max)
    clipped = np.clip(w, layer.w_min, layer.w_max)
    learner = Learner(clipped, row_sum, threshold, threshold.copy(), decay, samples.t_max)
    return Training(config, learner, n_classes, generator)


def rule_of(config: FirstSpikeConfig, n_classes: int) -> Rule:
    """The rule that settings ask for, with that many classes."""
    layer, optimizer, trainer = config.network, config.optimizer, config.trainer
    stepped = optimizer if not isinstance(optimizer, S4NN) else None
    timed = optimizer if not isinstance(optimizer, RSTDP) else None
    return Rule(
        method=METHODS.index(optimizer.method),
        t_gap=timed.t_gap if timed else 0.0,
        ranges=timed.use_time_ranges if timed else False,
        class_inhib=timed.class_inhib if timed else False,
        multiplicative=stepped.stdp == "multiplicative" if stepped else False,
        beta=stepped.beta if stepped else 0.0,
        lo=stepped.w_min if stepped else 0.0,
        hi=stepped.w_max if stepped else 1.0,
        ignore_silent=getattr(optimizer, "ignore_silent", False),
        published=layer.semantics == PUBLISHED,
        w_min=layer.w_min,
        w_max=layer.w_max,
        w_norm=layer.w_norm,
        n_classes=n_classes,
        n_nontarget=trainer.nt_neurons,
        two_thresholds=config.regularizer.use_two_thr,
        dropout_in=trainer.dropout_in,
        dropout_out=trainer.dropout_out,
    )


def rates_of(config: FirstSpikeConfig, epoch: int, share_right: float) -> Rates:
    """The rates of an epoch.

    Args:
        config: the settings.
        epoch: its number, from 0.
        share_right: training accuracy of the epoch before; in the first, that of guessing.
    """
    optimizer = config.optimizer
    annealed = optimizer.annealing**epoch
    threshold = config.regularizer.thr_lr * config.regularizer.thr_anneal**epoch
    if isinstance(optimizer, S4NN):
        return Rates(optimizer.lr * annealed, 0.0, 0.0, 0.0, threshold)
    if not isinstance(optimizer, RSTDP):
        return Rates(optimizer.ap * annealed, optimizer.am * annealed, 0.0, 0.0, threshold)
    right, wrong = (1 - share_right, share_right) if optimizer.adaptive_lr else (1.0, 1.0)
    return Rates(
        optimizer.ap * annealed * right,
        optimizer.am * annealed * right,
        optimizer.anti_ap * annealed * wrong,
        optimizer.anti_am * annealed * wrong,
        threshold,
    )


def train(
    training: Training,
    parts: Parts,
    *,
    report: Callable[[Record], None] = lambda record: None,
    is_grid: bool = False,
) -> None:
    """Train until no further epoch follows.

    Args:
        training: changed.
        parts: the samples it was started with.
        report: called after each epoch; the training is in a state from which it can continue.
        is_grid: abandon it where `gridsearch_stop_acc` says so.
    """
    rule = rule_of(training.config, training.n_classes)
    learner = training.learner
    while not training.is_done:
        epoch = len(training.records)
        before = training.records[-1].train_accuracy if epoch else 1 / training.n_classes
        if rule.two_thresholds:
            learner.adapted[:] = learner.threshold
        rates = rates_of(training.config, epoch, before)
        right = kernels.learn_epoch(learner, rule, rates, parts.train, training.generator)
        if not rule.two_thresholds:
            learner.threshold[:] = learner.adapted
        record = _judged(training, parts, epoch + 1, right / parts.train.n_samples)
        training.records.append(record)
        training._keep()
        if is_grid and epoch + 1 >= _FIRST_JUDGED:
            found = [record.train_accuracy, record.validation_accuracy]
            least = training.config.trainer.gridsearch_stop_acc
            training.abandoned = any(share is not None and share < least for share in found)
        report(record)


def _judged(training: Training, parts: Parts, epoch: int, train_accuracy: float) -> Record:
    learner, layer = training.learner, training.config.network
    numbers = training.n_classes, learner.t_max, layer.leak_tau, layer.semantics
    network = FirstSpikeNetwork(learner.w, learner.threshold, *numbers)
    validation = None if parts.validation is None else network.accuracy(parts.validation)
    return Record(epoch, train_accuracy, validation, network.accuracy(parts.test))
