"""A trained layer of first-spike neurons, and what it says about samples."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from base.checks import check_choice, check_count
from base.errors import DataError, MismatchError, RangeError
from rsnn.first_spike import kernels
from rsnn.first_spike.data.samples import MOST_CLASSES, MOST_TICKS, Samples
from rsnn.first_spike.layer import decays
from rsnn.first_spike.names import PUBLISHED, SEMANTICS

MOST_NEURONS = 65536
MOST_WEIGHTS = 1 << 26


@dataclass(frozen=True)
class FirstSpikeNetwork:
    """Fully connected neurons that fire once; the first to fire decides. Arrays are read-only.

    Attributes:
        w: weights, (n, n_inputs) float64, axes [post, pre].
        threshold: a neuron fires above it, (n,) float64.
        n_classes: neurons of a class follow each other, n / n_classes of each.
        t_max: ticks of a sample.
        leak_tau: time constant of the leak in units of `t_max`; 0 for none.
        semantics: one of `rsnn.first_spike.names.SEMANTICS`.

    Raises:
        DataError: an array has another shape, or values that are not finite.
        RangeError: a number out of its range.
    """

    w: NDArray[np.float64]
    threshold: NDArray[np.float64]
    n_classes: int
    t_max: int
    leak_tau: float
    semantics: str

    def __post_init__(self) -> None:
        for name, n_axes in (("w", 2), ("threshold", 1)):
            array = np.array(getattr(self, name), np.float64)
            if array.ndim != n_axes or array.size == 0 or not np.isfinite(array).all():
                raise DataError(
                    f"`{name}` of shape {array.shape} must have {n_axes} axes and be finite"
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if len(self.threshold) != len(self.w):
            raise DataError(
                f"`w` is of {len(self.w)} neurons, `threshold` of {len(self.threshold)}"
            )
        check_count("n_classes", self.n_classes, MOST_CLASSES)
        check_count("t_max", self.t_max, MOST_TICKS)
        check_choice("semantics", self.semantics, SEMANTICS)
        check_leak(self.leak_tau)
        check_groups(len(self.w), self.n_classes)

    @property
    def neurons_per_class(self) -> int:
        """Neurons of each class."""
        return len(self.w) // self.n_classes

    def respond(
        self, samples: Samples
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
        """Ticks of first spikes, `t_max` if silent, and potentials, (n_samples, n); the classes.

        The potential is that at the spike, or at the end; classes are (n_samples,).

        Raises:
            MismatchError: the samples have another number of inputs or ticks.
        """
        check_fits(self.w.shape[1], self.t_max, samples)
        decay = decays(self.leak_tau, self.t_max)
        published = self.semantics == PUBLISHED
        spikes, v, first = kernels.respond(
            self.w, self.threshold, decay, samples, published=published
        )
        return spikes, v, first // self.neurons_per_class

    def accuracy(self, samples: Samples) -> float:
        """Share of samples of which the class is right; errors as in `respond`."""
        return float((self.respond(samples)[2] == samples.label).mean())


def check_fits(n_inputs: int, t_max: int, samples: Samples) -> None:
    """Refuse samples that are not those of a network.

    Raises:
        MismatchError: they have another number of inputs or ticks.
    """
    for what, own, other in (
        ("inputs", n_inputs, samples.n_inputs),
        ("ticks", t_max, samples.t_max),
    ):
        if own != other:
            raise MismatchError(
                f"the network has {own} {what}, the samples {other}; use samples of as many"
            )


def check_leak(leak_tau: float) -> None:
    """Refuse a time constant that is none.

    Raises:
        RangeError: it is below 0 or not finite.
    """
    if not 0 <= leak_tau < np.inf:
        raise RangeError(f"`leak_tau` is {leak_tau:g}; it must be above 0, or 0 for no leak")


def check_groups(n: int, n_classes: int) -> None:
    """Refuse neurons that cannot be divided among classes.

    Raises:
        MismatchError: their number is no multiple of that of the classes.
    """
    if n % n_classes:
        raise MismatchError(
            f"`n_neurons` is {n}; with {n_classes} classes a multiple of {n_classes} is needed"
        )
