"""The split of a session into train, validation and test steps, and its training windows."""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, RangeError

FEWEST_REACHES = 4  # one for each quarter of the reach-ordered split
VALIDATION_SHARE = 0.1 / 0.75  # of all steps of the session, see `split_session`


class Reaches(Protocol):
    """The part of a session or an open recording that determines its split."""

    @property
    def name(self) -> str: ...

    @property
    def n_steps(self) -> int: ...

    @property
    def segments(self) -> NDArray[np.int64]: ...


@dataclass(frozen=True)
class Split:
    """Three stretches of steps, in order of time, that together cover the session."""

    train: slice
    validation: slice
    test: slice


def split_session(session: Reaches) -> Split:
    """Split as the published networks were trained: about 61.7, 13.3 and 25 % of the steps.

    NeuroBench's reach-ordered 50/25/25 split fixes the test part. Its first two parts are joined
    again, and their last `round(n_total * 0.1 / 0.75)` steps validate. `n_total` is the number of
    steps of the *whole* session: that gives 0.1 / 0.75 = 13.3 % and leaves 61.7 % for training,
    the published shares; with `n_total` as the joined 75 % it would be 10 and 65 %.

    Raises:
        DataError: too few reaches, or reaches so uneven that nothing is left for training.
    """
    n_reaches = len(session.segments)
    if n_reaches < FEWEST_REACHES:
        raise DataError(
            f"session {session.name}: {n_reaches} reaches; at least {FEWEST_REACHES} are needed to"
            " split it, use a longer session"
        )
    test = neurobench_split(session, 0.5)[2]
    n_validation = round(session.n_steps * VALIDATION_SHARE)
    if test.start <= n_validation:
        raise DataError(
            f"session {session.name}: its last quarter of reaches starts at step {test.start}, and"
            f" the {n_validation} steps before it validate, so none train; more than"
            f" {n_validation} are needed, use a session with reaches of similar length"
        )
    boundary = test.start - n_validation
    return Split(slice(0, boundary), slice(boundary, test.start), test)


def neurobench_split(session: Reaches, train_ratio: float) -> tuple[slice, slice, slice]:
    """Return NeuroBench's `ind_train`, `ind_val` and `ind_test` as slices of steps.

    Its split counts reaches: `floor(train_ratio * n)` train, half of the others validate, the
    rest test; each part may be empty.

    Raises:
        RangeError: a ratio outside 0..1.
    """
    if not 0 <= train_ratio <= 1:
        raise RangeError(f"train_ratio {train_ratio:g} is outside 0..1; 0.5 is the published one")
    n_reaches = len(session.segments)
    n_train = math.floor(train_ratio * n_reaches)
    n_validation = math.floor((n_reaches - n_train) / 2)
    starts = [int(start) for start in session.segments[:, 0]] + [session.n_steps]
    first, second = starts[n_train], starts[n_train + n_validation]
    return slice(0, first), slice(first, second), slice(second, session.n_steps)


def window_starts(part: slice, *, n_steps: int = 500, stride: int = 100) -> NDArray[np.int64]:
    """Return the first step of each training window, in steps of the session, increasing.

    The published recipe: the part is cut into consecutive windows of `n_steps` from each of the
    offsets 0, stride, 2 * stride, .. below `n_steps`, and the last window of each offset, which
    is nearly always a partial one, is dropped.

    Raises:
        RangeError: a length or stride below one step.
        DataError: a part too short for one window.
    """
    for name, value in (("n_steps", n_steps), ("stride", stride)):
        if value < 1:
            raise RangeError(f"{name} {value} is below 1; windows are cut in whole steps")
    length = part.stop - part.start
    if length <= n_steps:
        raise DataError(
            f"{length} steps are too few for a training window of {n_steps}; at least"
            f" {n_steps + 1} are needed, use a longer session or shorter windows"
        )
    starts = [
        np.arange(math.ceil((length - offset) / n_steps) - 1) * n_steps + offset
        for offset in range(0, min(n_steps, length), stride)
    ]
    return part.start + np.sort(np.concatenate(starts)).astype(np.int64)
