"""Rate networks before training, as published."""

from dataclasses import dataclass

import numpy as np

from base.checks import check_at_most, check_choice, check_count
from base.errors import RangeError
from rsnn.rate.names import ACTIVATIONS
from rsnn.rate.network import RateNetwork

MAX_UNITS = 10_000  # of which the weights take 400 MB
STEP_MS, MAX_TAU = 5, 1_000_000  # ms


@dataclass(frozen=True)
class Initial:
    """How a network is made.

    Attributes:
        units: recurrent units.
        activation: one of `rsnn.rate.names.ACTIVATIONS`.
        inhibitory: probability that a unit is inhibitory; each is drawn by itself.
        sst: inhibitory units that no inhibitory unit reaches, the first ones.
        connected: probability of a connection.
        gain: scales the recurrent weights.
        taus: range of the time constants in ms; if both ends are equal, they are not trained.
        dale: whether a unit excites or inhibits only.

    Raises:
        RangeError: a number out of its range.
    """

    units: int = 200
    activation: str = "sigmoid"
    inhibitory: float = 0.2
    sst: int = 0
    connected: float = 0.2
    gain: float = 1.5
    taus: tuple[float, float] = (20.0, 100.0)
    dale: bool = True

    def __post_init__(self) -> None:
        check_count("units", self.units, MAX_UNITS)
        check_choice("activation", self.activation, ACTIVATIONS)
        for name, low in (("inhibitory", True), ("connected", False)):
            value = getattr(self, name)
            if not (0 <= value <= 1 and (low or value > 0)):
                raise RangeError(f"`{name}` is {value:g}; it must be a probability, as 0.2")
        if not 0 < self.gain < np.inf:
            raise RangeError(f"`gain` is {self.gain:g}; it must be above 0 and finite")
        if self.sst < 0:
            raise RangeError(f"`sst` is {self.sst}; at least 0 is needed")
        check_at_most("sst", self.sst, MAX_UNITS)
        if len(self.taus) != 2 or not STEP_MS <= self.taus[0] <= self.taus[1] <= MAX_TAU:
            shown = ", ".join(f"{tau:g}" for tau in self.taus)
            raise RangeError(
                f"`taus` is {shown}; it must be two numbers of {STEP_MS} to {MAX_TAU} ms, the"
                " smaller first, as 20, 100"
            )


def draw_network(
    initial: Initial, n_inputs: int, task: str, generator: np.random.Generator
) -> RateNetwork:
    """A random network for a task.

    Raises:
        RangeError: fewer inhibitory units were drawn than are to be SST.
    """
    n = initial.units
    is_inhibitory = generator.random(n) < initial.inhibitory if initial.dale else np.zeros(n, bool)
    if initial.sst > is_inhibitory.sum():
        raise RangeError(
            f"`sst` is {initial.sst}, but the number of inhibitory units is {is_inhibitory.sum()}"
            " with this seed; lower it, or take another seed"
        )
    w = generator.standard_normal((n, n)) * initial.gain / np.sqrt(n * initial.connected)
    w *= generator.random((n, n)) < initial.connected
    return RateNetwork(
        (np.abs(w) if initial.dale else w).astype(np.float32),
        np.where(is_inhibitory, -1, 1).astype(np.int8),
        is_inhibitory & (np.cumsum(is_inhibitory) <= initial.sst),
        generator.standard_normal((n, n_inputs)).astype(np.float32),
        (generator.standard_normal(n) / 100).astype(np.float32),
        0.0,
        generator.standard_normal(n).astype(np.float32),
        (initial.taus[0] / STEP_MS, initial.taus[1] / STEP_MS),
        initial.activation,
        initial.dale,
        task,
    )
