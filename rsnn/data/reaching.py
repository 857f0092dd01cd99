"""Self-paced reaches on a grid of targets: positions of target, cursor and finger."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GRID = 8  # targets along each side
SPACING = 15.0  # mm between targets
WANDER = 2.0  # mm, slow drift of a hand that rests
MM_PER_CM = 10.0


@dataclass(frozen=True)
class Reaching:
    """A stretch of reaching, sampled every `dt` seconds.

    Attributes:
        cursor: (2, n_steps) mm.
        target: (2, n_steps) mm.
        finger: (3, n_steps) cm, in the order (z, -x, -y) of the recordings.
    """

    cursor: NDArray[np.float64]
    target: NDArray[np.float64]
    finger: NDArray[np.float64]


def reach_around(n_steps: int, dt: float, random: np.random.Generator) -> Reaching:
    """Return a simulated session: a subject reacts, reaches, corrects, holds and sometimes rests.

    A reach is a minimum-jerk movement (Flash and Hogan 1985), x(s) = 10 s^3 - 15 s^4 + 6 s^5 of
    its way, that misses by a share of its length; a second one, which starts before the first
    ends, corrects that. A movement sideways and back bends the path.
    """
    cursor = np.zeros((2, n_steps))
    target = np.zeros((2, n_steps))
    home, step = np.zeros(2), 0
    place = random.integers(GRID, size=2)
    while step < n_steps:
        moved = random.integers(GRID, size=2)
        if (moved == place).all():
            continue
        place = moved
        goal = (place - (GRID - 1) / 2) * SPACING
        way = goal - home
        distance = float(np.hypot(*way))
        reaction = random.gamma(6.0, 0.035)
        duration = (0.32 + 0.0055 * distance) * random.lognormal(0.0, 0.18)
        miss = random.normal(0.0, 0.10, 2) * distance
        aside = np.array([-way[1], way[0]]) * random.normal(0.0, 0.08)
        remaining = random.normal(0.0, 3.0, 2)  # mm, final distance from the middle of the target
        mend_start = reaction + duration * random.uniform(0.65, 0.95)
        mend_duration = random.uniform(0.28, 0.5)
        for start, length, displacement in (
            (reaction, duration, way + miss),
            (reaction, duration * 0.6, aside),
            (reaction + duration * 0.4, duration * 0.6, -aside),
            (mend_start, mend_duration, remaining - miss),
        ):
            _move(cursor, step + round(start / dt), round(length / dt), displacement)
        hold = random.gamma(4.0, 0.06)
        if random.random() < 0.03:
            hold += random.uniform(2.0, 8.0)
        end = step + round((mend_start + mend_duration + hold) / dt)
        target[:, step:end] = goal[:, None]
        home, step = goal + remaining, end
    cursor += WANDER * low_pass(random, 2, n_steps, 0.4 / dt, order=3)
    height = 1.5 + 0.4 * low_pass(random, 1, n_steps, 0.5 / dt, order=3)
    finger = np.concatenate((height, -cursor / MM_PER_CM))
    return Reaching(cursor, target, finger)


def low_pass(
    random: np.random.Generator, n_rows: int, n_steps: int, time_constant: float, order: int = 1
) -> NDArray[np.float64]:
    """Return (n_rows, n_steps) of noise through `order` leaky integrators, standard deviation 1.

    Args:
        random: generator of the noise.
        n_rows: number of independent sources.
        n_steps: of each; the first follows the last, as the filter is applied to their spectrum.
        time_constant: of each leaky integrator, in steps.
        order: 1 is the Ornstein-Uhlenbeck process; higher ones are smoother.
    """
    spectrum = np.fft.rfft(random.standard_normal((n_rows, n_steps)), axis=1)
    frequency = 2 * np.pi * np.fft.rfftfreq(n_steps)
    noise = np.fft.irfft(spectrum / (1 + 1j * frequency * time_constant) ** order, n_steps, axis=1)
    noise -= noise.mean(axis=1, keepdims=True)
    return noise / noise.std(axis=1, keepdims=True)


def _move(cursor: NDArray[np.float64], start: int, length: int, way: NDArray[np.float64]) -> None:
    """Add a minimum-jerk movement along `way` to `cursor` (2, n_steps) from step `start` on."""
    s = np.arange(1, length + 1) / length
    path = way[:, None] * (s**3 * (10 - 15 * s + 6 * s**2))
    end = min(start + length, cursor.shape[1])
    cursor[:, start:end] += path[:, : max(0, end - start)]
    cursor[:, end:] += way[:, None]
