"""Numbers of steps from time stamps, for samples that carry no number."""

import math

JITTER = 0.75  # steps that a stamp may be off before it tells of a gap


class StampedSteps:
    """Numbers samples in the order of their arrival; the first is step 0."""

    def __init__(self, dt: float) -> None:
        self._dt = dt
        self._first: float | None = None
        self._next = 0

    def place(self, stamp: float) -> float:
        """Steps from the first stamp to this one, both in s."""
        self._first = stamp if self._first is None else self._first
        return (stamp - self._first) / self._dt

    def nearest(self, stamp: float) -> int:
        """The step that a stamp lies in: the first one is in the middle of step 0."""
        return math.floor(self.place(stamp) + 0.5)

    def following(self, stamp: float) -> int:
        """The step of the next sample of a stream with one sample per step.

        It is one after that before, unless the stamp is off by three quarters of a step or more:
        then the nearest.
        """
        is_next = abs(self.place(stamp) - self._next) < JITTER
        number = self._next if is_next else self.nearest(stamp)
        self._next = number + 1
        return number
