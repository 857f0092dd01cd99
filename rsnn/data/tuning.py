"""Channels of motor cortex: firing rates while the cursor moves, and spike times."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rsnn.data.reaching import Reaching, low_pass

ARRAY_CHANNELS = 96  # of one implanted electrode array
CLOCK = 24414.0625  # Hz, of the amplifier that times the spikes
DEAD_SHARE = 6 / 96
MEDIAN_RATE, RATE_SPREAD = 7.6, 1.52  # Hz and standard deviation of its logarithm
FASTEST_RATE = 59.0  # Hz, mean of the busiest channel
DRIFT, DRIFT_SPREAD = -0.10, 0.12  # change of the log rate over the session
GAIN = 0.103  # log rate per unit of scaled velocity, times a gamma(2, 0.5) factor
SPEED_GAIN, POSITION_GAIN = 0.10, 0.10
NOISE_GAIN, NOISE_TIME = 0.15, 0.3  # log rate, s: three sources that all channels share
LEAD = (0.04, 0.18)  # s by which spikes precede the movement
REFRACTORY = 0.0007  # s


@dataclass(frozen=True)
class Drive:
    """Signals the channels respond to, in standard deviations, each (rows, n_steps)."""

    velocity: NDArray[np.float32]
    speed: NDArray[np.float32]
    position: NDArray[np.float32]
    noise: NDArray[np.float32]


@dataclass(frozen=True)
class Channel:
    """One electrode: mean rate in Hz, preferred direction and place in rad, gains in log rate."""

    base: float
    direction: float
    gain: float
    speed_gain: float
    place: float
    position_gain: float
    noise_gains: NDArray[np.float64]
    drift: float
    lead: float


def drive_of(reaching: Reaching, dt: float, random: np.random.Generator) -> Drive:
    """Return the scaled signals of a stretch of reaching, and fresh shared noise."""
    velocity = np.gradient(reaching.cursor, axis=1)
    speed = np.hypot(*velocity)
    n_steps = speed.size
    return Drive(
        velocity=_scaled(velocity),
        speed=_scaled(speed[None]),
        position=_scaled(reaching.cursor),
        noise=low_pass(random, 3, n_steps, NOISE_TIME / dt).astype(np.float32),
    )


def draw_channels(n_channels: int, random: np.random.Generator) -> list[Channel]:
    """Return random channels, in arrays of 96; every second array is quieter.

    The base rates are lognormal and the velocity gains gamma(2, 0.5), both evenly spaced in
    probability before they are shuffled, so that every seed gives a session of like difficulty.
    Each channel of two arrays is tuned more weakly: the published sessions with 192 channels are
    no easier to decode than those with 96.
    """
    n_arrays = -(-n_channels // ARRAY_CHANNELS)
    channels = []
    for array in range(n_arrays):
        n = min(ARRAY_CHANNELS, n_channels - array * ARRAY_CHANNELS)
        level = 1.0 if n_arrays == 1 else (1.35, 0.7)[array % 2]
        rates = random.permutation(_base_rates(n))
        gains = (
            GAIN
            / np.sqrt(n_arrays)
            * random.permutation(_evenly(lambda x: x * np.exp(-2 * x), 0, 10, n))
        )
        for rate, gain in zip(rates, gains, strict=True):
            channels.append(
                Channel(
                    base=level * rate,
                    direction=random.uniform(0, 2 * np.pi),
                    gain=gain,
                    speed_gain=random.normal(SPEED_GAIN / 2, SPEED_GAIN),
                    place=random.uniform(0, 2 * np.pi),
                    position_gain=POSITION_GAIN * random.gamma(2.0, 0.5),
                    noise_gains=NOISE_GAIN * random.standard_normal(3),
                    drift=random.normal(DRIFT, DRIFT_SPREAD),
                    lead=random.uniform(*LEAD),
                )
            )
    return channels


def spike_times(
    channel: Channel, drive: Drive, dt: float, start: float, random: np.random.Generator
) -> NDArray[np.float64]:
    """Return the spikes of a channel, increasing, in s on the amplifier's clock.

    An inhomogeneous Poisson process with rate `base * exp(gains . drive)`, drawn by stretching
    time: evenly spread points of its cumulative rate, mapped back to the times where it reaches
    them. Spikes closer than the refractory time are dropped.

    Args:
        channel: the channel.
        drive: signals, each (rows, n_steps).
        dt: s per step.
        start: s, time of the first step.
        random: source of randomness.
    """
    n_steps = drive.speed.shape[1]
    if channel.base == 0.0:
        return np.empty(0)
    toward = np.array([np.cos(channel.direction), np.sin(channel.direction)], np.float32)
    place = np.array([np.cos(channel.place), np.sin(channel.place)], np.float32)
    log_rate = (channel.gain * toward) @ drive.velocity
    log_rate += np.float32(channel.speed_gain) * drive.speed[0]
    log_rate += (channel.position_gain * place).astype(np.float32) @ drive.position
    log_rate = np.roll(log_rate, -round(channel.lead / dt))
    log_rate += channel.noise_gains.astype(np.float32) @ drive.noise
    log_rate += np.linspace(0.0, channel.drift, n_steps, dtype=np.float32)
    rate = np.exp(log_rate)
    expected = np.cumsum(rate, dtype=np.float64)
    expected *= channel.base * n_steps * dt / expected[-1]
    points = np.sort(random.uniform(0.0, expected[-1], random.poisson(expected[-1])))
    step = np.interp(points, expected, np.arange(1, n_steps + 1))
    times = np.unique(np.round((start + step * dt) * CLOCK)) / CLOCK
    return times[np.diff(times, prepend=-np.inf) > REFRACTORY]


def _base_rates(n: int) -> NDArray[np.float64]:
    """Return `n` mean rates in Hz, of which about one in sixteen is 0."""
    n_dead = int(n * DEAD_SHARE)
    n_alive = n - n_dead
    normal = _evenly(lambda x: np.exp(-(x**2) / 2), -4, 4, n_alive)
    rates = np.minimum(MEDIAN_RATE * np.exp(RATE_SPREAD * normal), FASTEST_RATE)
    return np.concatenate((np.zeros(n_dead), rates))


def _evenly(
    density: Callable[[NDArray[np.float64]], NDArray[np.float64]], low: float, high: float, n: int
) -> NDArray[np.float64]:
    """Return the quantiles (i + 1/2) / n of an unscaled probability density on low..high."""
    grid = np.linspace(low, high, 4001)
    cumulative = np.cumsum(density(grid))
    return np.interp((np.arange(n) + 0.5) / n, cumulative / cumulative[-1], grid)


def _scaled(signal: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return `signal` (rows, n_steps) around 0, one scale for all rows."""
    centered = signal - signal.mean(axis=1, keepdims=True)
    return (centered / centered.std()).astype(np.float32)
