"""Settings by name: measured on raw images (digits, mnist), and published ones for features.

Features are those of a convolutional spiking network trained by STDP (`cnn`) or SoftHebb, as in
Goupy, Tirilly and Bilasco (NeurIPS 2024).
"""

from typing import Any

Tables = dict[str, dict[str, Any]]
DEFAULT = "digits-s2stdp-ncg"


def _s2(
    theta: float,
    t_gap: float,
    ap: float,
    am: float,
    *,
    mean: float = 0.3,
    regulation: tuple[float, float] | None = None,
    non_target: int = 0,
    ranges: bool = False,
) -> Tables:
    """S2-STDP with rows that keep their sum, or SSTDP without; groups of 5 with regulation."""
    optimizer = {"t_gap": t_gap, "ap": ap, "am": am, "use_time_ranges": ranges}
    return _of("s2stdp", theta, mean, not ranges, (0, 1), optimizer, regulation, non_target)


def _s4(
    theta: float,
    t_gap: float,
    lr: float,
    *,
    mean: float,
    regulation: tuple[float, float] | None = None,
) -> Tables:
    """S4NN; groups of 5 with regulation."""
    optimizer = {"t_gap": t_gap, "lr": lr}
    return _of("s4nn", theta, mean, False, (-1000, 1000), optimizer, regulation, 0)


def _r(
    theta: float,
    rates: tuple[float, float, float, float],
    *,
    dropout: float = 0.0,
    per_class: int = 5,
) -> Tables:
    """R-STDP with groups."""
    optimizer = dict(zip(("ap", "am", "anti_ap", "anti_am"), rates, strict=True))
    found = _of("rstdp", theta, 0.8, False, (0.2, 0.8), optimizer, None, 0)
    found["network"]["n_neurons"] = 10 * per_class
    found["trainer"]["dropout_out"] = dropout
    return found


def _of(
    method: str,
    theta: float,
    mean: float,
    norm: bool,
    bounds: tuple[float, float],
    optimizer: dict[str, Any],
    regulation: tuple[float, float] | None,
    non_target: int,
) -> Tables:
    tables: Tables = {
        "network": {
            "n_neurons": 10 if regulation is None else 50,
            "firing_threshold": theta,
            "w_init_mean": mean,
            "w_init_std": 0.01,
            "w_norm": norm,
            "w_min": bounds[0],
            "w_max": bounds[1],
        },
        "optimizer": {"method": method, "annealing": 0.98, **optimizer},
        "trainer": {"nt_neurons": non_target},
    }
    if regulation is not None:
        tables["optimizer"]["class_inhib"] = True
        tables["regularizer"] = dict(zip(("thr_lr", "thr_anneal"), regulation, strict=True))
    return tables


def _for_epochs(n: int, tables: Tables) -> Tables:
    return tables | {"trainer": tables["trainer"] | {"epochs": n, "early_stopping": 0}}


_RAW: dict[str, Tables] = {
    "digits-s2stdp": _s2(3.5, 0.07, 0.005, -0.001),
    "digits-s2stdp-ncg": _s2(5, 0.15, 0.1, -0.05, mean=0.2, regulation=(0.1, 0.7), non_target=1),
    "digits-sstdp": _s2(6, 0.2, 0.01, 0, mean=0.5, ranges=True),
    "digits-sstdp-ncg": _s2(4.5, 0.05, 0.02, -0.01, regulation=(0.225, 0.7), ranges=True),
    "digits-rstdp": _r(12, (0.05, -0.025, -0.025, 0.0125), dropout=0.15),
    "digits-s4nn": _s4(3.5, 0.2, 0.002, mean=0.5),
    "digits-s4nn-ncg": _s4(2.5, 0.03, 0.01, mean=0.1, regulation=(0.25, 0.9)),
    "mnist-s2stdp": _s2(25, 0.04, 0.005, -0.01),
    "mnist-s2stdp-ncg": _s2(22, 0.03, 0.01, -0.02, regulation=(1.1, 0.5), non_target=1),
    "mnist-sstdp": _s2(20, 0.05, 0.003, 0, mean=0.5, ranges=True),
    "mnist-sstdp-ncg": _s2(20, 0.04, 0.01, 0, mean=0.5, regulation=(0.1, 0.5), ranges=True),
    "mnist-rstdp": _r(40, (0.05, -0.001, -0.05, 0.001)),
    "mnist-s4nn": _s4(8, 0.005, 0.02, mean=0.1),
    "mnist-s4nn-ncg": _s4(8, 0.005, 0.02, mean=0.1, regulation=(0.24, 0.7)),
}
_FEATURES: dict[str, Tables] = {
    "cnn-mnist-s2stdp": _s2(250, 0.04, 0.005, -0.05),
    "cnn-mnist-s2stdp-ncg": _s2(200, 0.03, 0.05, -0.1, regulation=(10, 0.5), non_target=1),
    "cnn-mnist-sstdp": _s2(200, 0.09, 0.01, 0, mean=0.5, ranges=True),
    "cnn-mnist-sstdp-ncg": _s2(200, 0.08, 0.1, -0.001, mean=0.5, regulation=(1, 0.5), ranges=True),
    "cnn-mnist-rstdp-5": _r(250, (0.05, -0.001, -0.05, 0.001)),
    "cnn-mnist-rstdp-20": _r(250, (0.05, -0.005, -0.05, 0.005), dropout=0.5, per_class=20),
    "cnn-mnist-s4nn": _s4(450, 0.125, 0.005, mean=0.5),
    "cnn-mnist-s4nn-ncg": _s4(350, 0.15, 0.005, mean=0.5, regulation=(10, 0.7)),
    "cnn-fmnist-s2stdp": _s2(300, 0.01, 0.01, -0.05),
    "cnn-fmnist-s2stdp-ncg": _s2(300, 0.005, 0.1, -0.05, regulation=(5, 0.7), non_target=1),
    "cnn-cifar10-s2stdp": _s2(400, 0.001, 0.001, -0.05),
    "cnn-cifar10-s2stdp-ncg": _s2(400, 0.005, 0.1, -0.05, regulation=(5, 0.5), non_target=1),
    "softhebb-cifar10-s2stdp": _s2(1300, 0.01, 0.01, -0.01),
    "softhebb-cifar10-s2stdp-ncg": _s2(1600, 0.005, 0.1, -0.01, regulation=(20, 0.1), non_target=1),
}
PRESETS: dict[str, Tables] = {
    **{name: _for_epochs(20 if name.startswith("digits") else 15, _RAW[name]) for name in _RAW},
    **_FEATURES,
}
"""Settings by section and name, by the name of the preset."""
