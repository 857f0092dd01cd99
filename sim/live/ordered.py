"""Numbered steps that may arrive late, twice or never, and statistics about them."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from base.errors import UnsupportedError
from sim.layer import SPIKES, values_in_words
from sim.live.decoder import Decoder
from sim.live.packets import STEPS
from sim.network import IntegerNetwork

MAX_GAP = 1000  # steps; a larger jump is a restart or a corrupt packet
AHEAD = 10  # steps that one packet may skip whose sender is not known
_BINS_AN_OCTAVE = 16
_N_BINS = 26 * _BINS_AN_OCTAVE  # from 1 us to over a minute


@dataclass
class Latencies:
    """A histogram in constant memory: quantiles are exact to a sixteenth of an octave, or 4 %."""

    counts: list[int] = field(default_factory=lambda: [0] * _N_BINS)
    largest: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one latency."""
        place = math.ceil(_BINS_AN_OCTAVE * math.log2(max(seconds * 1e6, 1.0)))
        self.counts[min(place, _N_BINS - 1)] += 1
        self.largest = max(self.largest, seconds)

    def quantile(self, share: float) -> float:
        """The latency in s that the given share of all does not exceed; 0 if there are none."""
        needed = share * sum(self.counts)
        seen = 0
        for place, count in enumerate(self.counts):
            seen += count
            if count and seen >= needed:
                return min(float(2.0 ** (place / _BINS_AN_OCTAVE)) * 1e-6, self.largest)
        return 0.0


@dataclass
class Tally:
    """Statistics of a stream.

    Attributes:
        dt: time allowed per step, in s.
        steps: steps decoded from spikes that arrived.
        lost: steps whose spikes did not arrive; they were decoded as silence.
        late: packets for a step that was already over, or arrived twice.
        far: packets whose step is far from the one expected, unless the one before was near it.
        malformed: packets or lines that could not be read.
        unsigned: packets whose signature is missing or wrong, where a key is needed.
        replayed: packets with a right signature that came before, or of an earlier session.
        restarts: times that step numbers started anew, from the initial state.
        missed_deadlines: steps that took longer than `dt`.
        latencies: from the arrival of a step's spikes to the departure of its velocity.
    """

    dt: float
    steps: int = 0
    lost: int = 0
    late: int = 0
    far: int = 0
    malformed: int = 0
    unsigned: int = 0
    replayed: int = 0
    restarts: int = 0
    missed_deadlines: int = 0
    latencies: Latencies = field(default_factory=Latencies)

    def add(self, seconds: float) -> None:
        """Count a step that was decoded and sent; `seconds` is its latency."""
        self.steps += 1
        self.missed_deadlines += seconds > self.dt
        self.latencies.add(seconds)

    def as_dict(self) -> dict[str, Any]:
        """Counts, and latencies in microseconds, as JSON values."""
        counts = {f.name: getattr(self, f.name) for f in fields(self) if f.type is int}
        return counts | {
            "p50_us": self.latencies.quantile(0.5) * 1e6,
            "p99_us": self.latencies.quantile(0.99) * 1e6,
            "max_us": self.latencies.largest * 1e6,
        }


class OrderedDecoder:
    """A decoder for numbered steps: it fills gaps with silence and refuses late packets.

    A jump of more than 10 steps, or 1000 of a trusted sender, is believed when the next packet goes
    on from there; so a single packet of a stranger makes no honest one late.
    """

    def __init__(self, network: IntegerNetwork, *, trusted: bool = False) -> None:
        """Wait for a first step, whatever its number.

        Raises:
            UnsupportedError: the network takes other inputs than spikes.
        """
        if network.input_values != SPIKES:
            raise UnsupportedError(
                f"a stream carries spikes; {values_in_words(network.input_values)}: call"
                " `api.Decoder` with them"
            )
        self._ahead = MAX_GAP if trusted else AHEAD
        self.tally = Tally(network.dt)
        self._decoder = Decoder(network)
        self._next: int | None = None
        self._far: int | None = None  # the step expected after one that was far off

    def step(self, number: int, events: ArrayLike) -> NDArray[np.float64] | None:
        """Decode a step (see `Decoder.step`); None if it is late or far off, which is counted."""
        gap = 0 if self._next is None else (number - self._next + STEPS // 2) % STEPS - STEPS // 2
        if -MAX_GAP <= gap < 0:
            self.tally.late += 1
            return None
        if not 0 <= gap <= self._ahead and number != self._far:
            self._far = (number + 1) % STEPS
            self.tally.far += 1
            return None
        if abs(gap) > MAX_GAP:
            self.restart()
            gap = 0
        self._decoder.silence(gap)
        self.tally.lost += gap
        self._next = (number + 1) % STEPS
        self._far = None
        return self._decoder.step(events)

    def restart(self) -> None:
        """Wait for a first step again, from the initial state."""
        self.tally.restarts += self._next is not None
        self._decoder.reset()
        self._next = self._far = None
