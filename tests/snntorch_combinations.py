"""Small layers of snnTorch in every combination of options, for any version of it.

Their weights are whole numbers; what their spikes are, in each combination, is in
`golden/snntorch.npz` for the versions before 1.0 (`record_snntorch.py` writes it).
"""

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

GOLDEN = Path(__file__).parent / "golden" / "snntorch.npz"
KINDS = ("Leaky", "RLeaky", "Synaptic", "RSynaptic")
N, N_INPUTS, N_STEPS = 6, 5, 40


class Combination(NamedTuple):
    """Options of a layer; `learn`: alpha, beta and threshold are parameters."""

    kind: str
    mechanism: str
    reset_delay: bool
    init_hidden: bool
    learn: bool


COMBINATIONS = [
    Combination(*each) for each in product(KINDS, ("subtract", "zero"), *[(True, False)] * 3)
]
READOUTS = [
    Combination(kind, "none", late, hidden, False)
    for kind, late, hidden in product(("Leaky", "Synaptic"), *[(True, False)] * 2)
]
EVERY = COMBINATIONS + READOUTS

_RNG = np.random.default_rng(11)
RASTER = (_RNG.random((N_STEPS, N_INPUTS)) < 0.4).astype(np.uint8)
W_IN = _RNG.integers(-4, 9, (N, N_INPUTS))
W_REC = _RNG.integers(-4, 5, (N, N))
THRESHOLD = _RNG.integers(1, 6, N) + 0.5
ALPHA = _RNG.integers(20, 45, N) / 100
BETA = _RNG.integers(20, 55, N) / 100  # alpha + beta < 1


def layer_of(snntorch: Any, chosen: Combination) -> torch.nn.Module:
    """A layer with the parameters above; versions that lack an option raise TypeError."""
    options: dict[str, Any] = {
        "beta": torch.tensor(BETA).float(),
        "threshold": torch.tensor(THRESHOLD).float(),
        "reset_mechanism": chosen.mechanism,
        "init_hidden": chosen.init_hidden,
        "learn_beta": chosen.learn,
        "learn_threshold": chosen.learn,
    }
    if not chosen.reset_delay:
        options["reset_delay"] = False
    if "Synaptic" in chosen.kind:
        options |= {"alpha": torch.tensor(ALPHA).float(), "learn_alpha": chosen.learn}
    if chosen.kind.startswith("R"):
        options["linear_features"] = N
    layer = getattr(snntorch, chosen.kind)(**options)
    if chosen.kind.startswith("R"):
        with torch.no_grad():
            layer.recurrent.weight.copy_(torch.from_numpy(W_REC))
            layer.recurrent.bias.zero_()
    return layer


def state_of(keys: Iterable[str], chosen: Combination) -> dict[str, torch.Tensor]:
    """A state dict of the layer, with these keys, as `lif`, behind `W_IN` as `fc`."""
    values: dict[str, Any] = {
        "beta": BETA,
        "threshold": THRESHOLD,
        "alpha": ALPHA,
        "graded_spikes_factor": 1.0,
        "reset_mechanism_val": ("subtract", "zero", "none").index(chosen.mechanism),
        "recurrent.weight": W_REC,
        "recurrent.bias": np.zeros(N),
        **dict.fromkeys(("spk", "syn", "mem"), np.ones((1, N))),  # left there by a run
    }
    own = {f"lif.{key}": torch.as_tensor(values[key]) for key in keys}
    return {"fc.weight": torch.from_numpy(W_IN)} | own


def spikes_of(layer: Any, chosen: Combination) -> np.ndarray:
    """Its spikes (N_STEPS, N) under `W_IN` and `RASTER`, from states of zero."""
    n_states = 1 + chosen.kind.startswith("R") + ("Synaptic" in chosen.kind)
    states = [] if chosen.init_hidden else [torch.zeros(1, N)] * n_states
    found = []
    with torch.no_grad():
        for current in RASTER @ W_IN.T:
            result = layer(torch.from_numpy(current[None]).float(), *states)
            if chosen.init_hidden:
                spk = result
            else:
                spk = result[0]
                states = list(result if chosen.kind.startswith("R") else result[1:])
            found.append(spk[0].numpy())
    return np.array(found).astype(np.uint8)
