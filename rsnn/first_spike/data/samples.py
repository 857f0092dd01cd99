"""Samples of first spikes: for each, events (input, tick), at most one per input."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from base.checks import check_at_most, check_count
from base.errors import DataError, MismatchError

MOST_TICKS = 1 << 24  # float32, in which published times are stored, has no more in 0.5..1
MOST_CLASSES, MOST_INPUTS = 32767, 1 << 20
_MOST_TIMES = 1 << 28  # of a dense array
_BLOCK = 1024  # samples that are sorted at a time


@dataclass(frozen=True)
class Samples:
    """Labelled samples in compressed rows; arrays are read-only.

    Times are whole ticks; an input without an event is silent. In equations, a time is a tick over
    `t_max`, so that it lies in 0..1.

    Attributes:
        ptr: events of sample k are `ptr[k]:ptr[k + 1]`, (n_samples + 1,) int64.
        index: input of each event, (n_events,) int32.
        tick: 0..t_max - 1, ascending within a sample, (n_events,) int32.
        label: class of each sample, from 0, (n_samples,) int32.
        t_max: ticks of a sample; the time of what is silent.
        n_inputs: number of inputs.

    Raises:
        DataError: the arrays do not fit together, an event is out of range or out of order, or an
            input has two events in a sample.
        RangeError: too many ticks, inputs or classes.
    """

    ptr: NDArray[np.integer]
    index: NDArray[np.integer]
    tick: NDArray[np.integer]
    label: NDArray[np.integer]
    t_max: int
    n_inputs: int

    def __post_init__(self) -> None:
        check_count("t_max", self.t_max, MOST_TICKS)
        check_count("n_inputs", self.n_inputs, MOST_INPUTS)
        for name, kind in (("ptr", "<i8"), ("index", "<i4"), ("tick", "<i4"), ("label", "<i4")):
            found = np.asarray(getattr(self, name))
            if found.ndim != 1 or found.dtype.kind not in "iu":
                raise DataError(
                    f"`{name}` has shape {found.shape} of {found.dtype}; whole numbers in one axis"
                    " are needed"
                )
            array = np.array(found, kind)
            if not np.array_equal(array, found):
                raise DataError(f"`{name}` has numbers that do not fit into {array.dtype}")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        self._check_rows()
        self._check_events()
        if self.n_samples and self.label.min() < 0:
            raise DataError(f"`label` holds {self.label.min()}; classes are counted from 0")
        check_at_most("label", self.n_classes, MOST_CLASSES)

    @property
    def n_samples(self) -> int:
        """Number of samples."""
        return len(self.label)

    @property
    def n_classes(self) -> int:
        """One more than the highest label; 0 without samples."""
        return int(self.label.max()) + 1 if self.n_samples else 0

    def events(self, number: int) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
        """Inputs and ticks of the events of one sample."""
        rows = slice(self.ptr[number], self.ptr[number + 1])
        return self.index[rows], self.tick[rows]

    def take(self, numbers: ArrayLike) -> "Samples":
        """Some of the samples, in the order given.

        Raises:
            DataError: there is no sample of one of the numbers.
        """
        numbers = np.asarray(numbers)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise DataError("a part must be a list of numbers of samples")
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < self.n_samples:
            wrong = numbers.min() if numbers.min() < 0 else numbers.max()
            raise DataError(f"there is no sample {wrong}; there are {self.n_samples}, from 0")
        sizes = np.diff(self.ptr)[numbers]
        ptr = np.concatenate([[0], np.cumsum(sizes)])
        rows = np.repeat(self.ptr[numbers] - ptr[:-1], sizes) + np.arange(ptr[-1])
        label = self.label[numbers]
        return Samples(ptr, self.index[rows], self.tick[rows], label, self.t_max, self.n_inputs)

    def check_same_inputs(self, other: "Samples", names: tuple[str, str]) -> None:
        """Refuse other samples with another number of inputs or of ticks.

        Args:
            other: the other samples.
            names: of both, for the message.

        Raises:
            MismatchError: they differ.
        """
        for what, a, b in (
            ("inputs", self.n_inputs, other.n_inputs),
            ("ticks", self.t_max, other.t_max),
        ):
            if a != b:
                raise MismatchError(f"{names[0]} has {a} {what}, {names[1]} {b}; use equal ones")

    def _check_rows(self) -> None:
        n_events = len(self.index)
        fits = len(self.tick) == n_events and len(self.ptr) == len(self.label) + 1
        if (
            not fits
            or self.ptr[0] != 0
            or self.ptr[-1] != n_events
            or (np.diff(self.ptr) < 0).any()
        ):
            raise DataError(
                f"`ptr`, `index`, `tick` and `label` of {len(self.ptr)}, {n_events},"
                f" {len(self.tick)} and {len(self.label)} numbers do not fit together: `ptr` must"
                " have one more than `label` and ascend from 0 to the number of events"
            )

    def _check_events(self) -> None:
        for name, values, limit in (
            ("index", self.index, self.n_inputs),
            ("tick", self.tick, self.t_max),
        ):
            for number in (values.min(), values.max()) if len(values) else ():
                if not 0 <= number < limit:
                    raise DataError(f"`{name}` holds {number}; 0 to {limit - 1} is possible")
        sample = np.repeat(np.arange(self.n_samples), np.diff(self.ptr))
        backwards = (np.diff(self.tick) < 0) & (np.diff(sample) == 0)
        if backwards.any():
            raise DataError(
                f"the events of sample {sample[1:][backwards][0]} are not sorted by tick; sort them"
            )
        cells = np.sort(sample * self.n_inputs + self.index)
        twice = cells[1:][np.diff(cells) == 0]
        if len(twice):
            number, index = divmod(int(twice[0]), self.n_inputs)
            raise DataError(
                f"input {index} has two events in sample {number}; an input fires once at most"
            )


def from_ticks(ticks: ArrayLike, labels: ArrayLike, t_max: int) -> Samples:
    """Samples from a dense array; equal ticks are in the order of the inputs.

    Args:
        ticks: whole numbers, (n_samples, ...); below 0, or `t_max` and above, is silent.
        labels: class of each sample, (n_samples,); ranks of the sorted labels become the classes.
        t_max: ticks of a sample.

    Raises:
        DataError: the arrays do not fit together, or ticks or labels are no whole numbers.
        RangeError: as in `Samples`.
    """
    ticks = np.asarray(ticks)
    labels = np.asarray(labels)
    if ticks.ndim < 2 or labels.shape != ticks.shape[:1] or ticks.size == 0:
        raise DataError(
            f"times of shape {ticks.shape} and labels of shape {labels.shape} do not fit together:"
            " (n_samples, ...) and (n_samples,) are needed"
        )
    for name, array in (("ticks", ticks), ("labels", labels)):
        if array.dtype.kind not in "iu":
            raise DataError(f"{name} are {array.dtype}; whole numbers are needed")
    check_count("t_max", t_max, MOST_TICKS)
    check_at_most("times", ticks.size, _MOST_TIMES)
    flat = ticks.reshape(len(ticks), -1)
    rows = [_rows(flat[k : k + _BLOCK], t_max) for k in range(0, len(flat), _BLOCK)]
    sizes, index, tick = (np.concatenate(part) for part in zip(*rows, strict=True))
    ptr = np.concatenate([[0], np.cumsum(sizes)])
    ranks = np.unique(labels, return_inverse=True)[1]
    return Samples(ptr, index, tick, ranks, t_max, flat.shape[1])


def from_times(times: ArrayLike, labels: ArrayLike, t_max: int) -> Samples:
    """Samples from a dense array of times in 0..1, 1 and above being silent.

    Args:
        times: (n_samples, ...) floats; each must be a whole number of ticks.
        labels: as in `from_ticks`.
        t_max: ticks per unit of time.

    Raises:
        DataError: as in `from_ticks`; or a time is below 0, not a number or no whole tick.
        RangeError: as in `Samples`.
    """
    times = np.asarray(times)
    if times.dtype.kind not in "fiu":
        raise DataError(f"times are {times.dtype}; numbers are needed")
    return from_ticks(to_ticks(times, t_max), labels, t_max)


def to_ticks(times: NDArray, t_max: int) -> NDArray[np.int64]:
    """Whole ticks of times in 0..1, up to the rounding of float32; later ones are `t_max`.

    Raises:
        DataError: a time is below 0 or not a number, or is no whole tick.
        RangeError: too many ticks.
    """
    check_count("t_max", t_max, MOST_TICKS)
    if not (times >= 0).all():
        raise DataError(f"times hold {times[~(times >= 0)].flat[0]}; 0 and above is possible")
    scaled = np.minimum(times, 1.0).astype(np.float64) * t_max
    whole = np.rint(scaled)
    off = np.abs(scaled - whole) > t_max * float(np.finfo(np.float32).eps)
    if off.any():
        raise DataError(
            f"the time {times[off].flat[0]:.9g} is no whole tick of 1/{t_max}; give another number"
            " of ticks, or round the times"
        )
    return whole.astype(np.int64)


def check_no_empty(samples: Samples) -> None:
    """Refuse samples of which one has no event, from which nothing can be learnt.

    Raises:
        DataError: there is one, or there are no samples.
    """
    if samples.n_samples == 0:
        raise DataError("there are no samples to train on")
    empty = np.flatnonzero(np.diff(samples.ptr) == 0)
    if len(empty):
        raise DataError(f"training sample {empty[0]} has no event; leave it out")


def each(samples: Samples) -> Iterator[tuple[NDArray[np.integer], NDArray[np.integer], int]]:
    """Inputs and ticks of the events, and the class, sample by sample."""
    for number in range(samples.n_samples):
        yield (*samples.events(number), int(samples.label[number]))


def _rows(ticks: NDArray, t_max: int) -> tuple[NDArray[np.int64], NDArray, NDArray]:
    """Sizes of a block of samples, and inputs and ticks of their events."""
    known = np.where((ticks >= 0) & (ticks < t_max), ticks, t_max)
    known = known.astype(np.int16 if t_max <= np.iinfo(np.int16).max else np.int64)  # sorts faster
    order = np.argsort(known, axis=1, kind="stable")
    ordered = np.take_along_axis(known, order, axis=1)
    fires = ordered < t_max
    return fires.sum(1), order[fires], ordered[fires]
