"""First-spike networks from Python, the part of `rsnnctl.api` that is theirs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsnn.first_spike.config import gathered, resolve
from rsnn.first_spike.data import parts
from rsnn.first_spike.data.parts import Parts
from rsnn.first_spike.data.samples import Samples
from rsnn.first_spike.file import load_network, save_network
from rsnn.first_spike.network import FirstSpikeNetwork
from rsnn.first_spike.presets import DEFAULT
from rsnn.first_spike.responses import float_classifier, integer_classifier, respond
from rsnn.first_spike.training import start, train
from rsnnctl.provenance import provenance
from sim.network import IntegerNetwork


def load_samples(source: Path | str) -> Parts:
    """Read samples: `digits`, a file or a folder; `train`, `validation` (or None) and `test`."""
    return parts.load_parts(source)


def fit(
    samples: Parts, *, preset: str = DEFAULT, settings: Sequence[str] = (), seed: int = 1
) -> FirstSpikeNetwork:
    """Train a first-spike network on samples.

    Args:
        samples: validation and test part are not trained on; the former chooses the epoch.
        preset: name of settings (docs/first-spike.md).
        settings: such as `network.n_neurons=100`, in place of the preset's.
        seed: seed of all randomness; the same seed gives the same network.
    """
    training = start(resolve(gathered(preset, None, list(settings)), seed=seed), samples)
    train(training, samples)
    return training.network()


def predict(network: FirstSpikeNetwork | IntegerNetwork, samples: Samples) -> NDArray[np.int64]:
    """The class of each sample, (n_samples,), by its first spike."""
    found = (
        integer_classifier(network)
        if isinstance(network, IntegerNetwork)
        else float_classifier(network)
    )
    return respond(found, samples).classes


def load_classifier(path: Path | str) -> FirstSpikeNetwork:
    """Read a first-spike network (.rsnn.h5)."""
    return load_network(Path(path))[0]


def save_classifier(network: FirstSpikeNetwork, path: Path | str) -> str:
    """Write a first-spike network (.rsnn.h5); return its digest."""
    return save_network(network, Path(path), provenance("api.save_classifier"))
