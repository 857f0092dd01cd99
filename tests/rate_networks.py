"""The stored go-nogo network, its golden traces, and small random networks of every choice."""

from pathlib import Path

import numpy as np

from rsnn.rate.network import RateNetwork


def stored_network(shared: Path, w: str = "w") -> RateNetwork:
    """The network of `go_nogo_network.npz`, with its weights after or before training."""
    with np.load(shared / "seeds" / "go_nogo_network.npz") as found:
        return RateNetwork(
            found[w],
            found["sign"],
            found["is_sst"],
            found["w_in"][:, None],
            found["w_out"],
            float(found["b_out"]),
            found["tau_param"],
            (float(found["tau_min_steps"]), float(found["tau_max_steps"])),
            task="go-nogo",
        )


def random_rate_network(seed: int = 1, n: int = 12, n_inputs: int = 1, **changes) -> RateNetwork:
    """A small network with units of all kinds."""
    random = np.random.default_rng(seed)
    sign = np.where(np.arange(n) % 3 == 0, -1, 1)
    values = {
        "w": np.maximum(random.normal(size=(n, n)), 0) * (random.random((n, n)) < 0.6),
        "sign": sign,
        "is_sst": (sign < 0) & (np.arange(n) < 4),
        "w_in": random.normal(size=(n, n_inputs)),
        "w_out": random.normal(size=n) * 0.3,
        "b_out": 0.1,
        "tau_param": random.normal(size=n),
        "taus": (4.0, 20.0),
        "task": "go-nogo",
    }
    return RateNetwork(**(values | changes))
