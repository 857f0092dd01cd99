"""A quick training for tests: a session of tuned channels, its split, a small model, a recipe."""

import torch
from driven_sessions import tuned_session

from rsnn.data.split import Split
from rsnn.model import RSNN, Architecture
from rsnn.training.initialize import initialize, input_rates
from rsnn.training.recipe import TrainConfig

QUICK = TrainConfig(
    epochs=6, batch=12, learning_rate=0.05, window_steps=50, stride=25, upper_count=1.0
)
SPLIT = Split(slice(0, 800), slice(800, 1000), slice(1000, 1200))


def quick_session(n_steps=1200, seed=1):
    """Twelve tuned channels, whose spikes lead the velocity by 80 ms."""
    return tuned_session(n_steps, n_channels=12, lead=20, seed=seed)


def fresh_model(session, seed=1, hidden=(16,)):
    """A model as training starts it, for that session's channels."""
    model = RSNN(Architecture(session.n_channels, hidden=hidden))
    rates = input_rates(session.raster, session.dt)
    initialize(model, rates=rates, generator=torch.Generator().manual_seed(seed))
    return model
