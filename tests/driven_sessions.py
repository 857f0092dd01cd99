"""Small sessions whose velocity follows their spikes, or drives them, by a known relation."""

import numpy as np

from rsnn.data.session import Session
from rsnn.data.split import Split


def session_of(raster: np.ndarray, velocity: np.ndarray) -> Session:
    """A session of one reach."""
    segments = np.array([[0, len(raster)]], np.int64)
    return Session("made up", raster, velocity.astype(np.float32), segments)


def quarters(n_steps: int) -> Split:
    """Half of the steps train, a quarter validates, a quarter tests."""
    half, most = n_steps // 2, n_steps * 3 // 4
    return Split(slice(0, half), slice(half, most), slice(most, n_steps))


def linear_velocity(raster: np.ndarray, noise: float, seed: int = 1) -> np.ndarray:
    """Velocity (n_steps, 2) that follows the spikes of the last 100 ms, and noise."""
    random = np.random.default_rng(seed)
    weights = random.normal(size=(raster.shape[1], 2))
    driven = raster @ weights
    smooth = np.stack([np.convolve(d, np.ones(25))[: len(raster)] for d in driven.T], 1)
    return (smooth + noise * random.normal(size=smooth.shape)).astype(np.float32)


def tuned_session(n_steps: int, n_channels: int = 40, lead: int = 0, seed: int = 1) -> Session:
    """Rates that are a linear function of a smooth velocity, `lead` steps ahead of it."""
    random = np.random.default_rng(seed)
    smooth = np.exp(-0.5 * (np.arange(-150, 151) / 50) ** 2)
    noise = random.normal(size=(n_steps + lead + 300, 2))
    velocity = np.stack([np.convolve(v, smooth, "valid") for v in noise.T], 1)
    velocity /= velocity.std(0)
    rates = 0.1 + 0.03 * velocity @ random.normal(size=(2, n_channels))
    raster = random.random(rates.shape) < rates
    return session_of(raster[lead:].astype(np.uint8), velocity[:n_steps])


def with_other_test_velocity(session: Session, split: Split) -> Session:
    """The same session with another velocity in the test part."""
    velocity = session.velocity.copy()
    velocity[split.test] = velocity[split.test][::-1] * 7 + 3
    return session_of(session.raster, velocity)


def with_more_channels(session: Session) -> Session:
    """The same session with a channel that is always silent and one that spikes at every step."""
    silent = np.zeros((session.n_steps, 1), np.uint8)
    return session_of(np.concatenate((session.raster, silent, silent + 1), 1), session.velocity)
