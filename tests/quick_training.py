"""What a test trains: a session whose channels are tuned, its split, a small model, a recipe."""

import numpy as np
import torch

from rsnn.data.session import Session
from rsnn.data.split import Split
from rsnn.model import RSNN, Architecture
from rsnn.training.initialize import initialize, input_rates
from rsnn.training.recipe import TrainConfig

QUICK = TrainConfig(
    epochs=6, batch=12, learning_rate=0.05, window_steps=50, stride=25, upper_count=1.0
)
SPLIT = Split(slice(0, 800), slice(800, 1000), slice(1000, 1200))


def tuned_session(n_steps=1200, n_channels=12, seed=1):
    """Channels whose rates follow one direction of a slow random velocity."""
    random = np.random.default_rng(seed)
    noise = random.normal(size=(n_steps + 120, 2))
    window = np.hanning(101) / 20
    velocity = np.stack([np.convolve(v, window, "valid") for v in noise.T], 1)
    angle = np.linspace(0.0, 2.0 * np.pi, n_channels, endpoint=False)
    drive = velocity[20:] @ np.stack([np.cos(angle), np.sin(angle)])  # spikes lead by 80 ms
    raster = random.random((n_steps, n_channels)) < 0.1 * np.exp(2.5 * drive)
    return Session(
        name="tuned",
        raster=raster.astype(np.uint8),
        velocity=velocity[:n_steps].astype(np.float32),
        segments=np.array([[0, n_steps]]),
    )


def fresh_model(session, seed=1, hidden=(16,)):
    """A model as training starts it, for that session's channels."""
    model = RSNN(Architecture(session.n_channels, hidden=hidden))
    rates = input_rates(session.raster, session.dt)
    initialize(model, rates=rates, generator=torch.Generator().manual_seed(seed))
    return model
