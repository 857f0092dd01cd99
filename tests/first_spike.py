"""Random samples and learners of first-spike networks, and the golden steps."""

import json
from pathlib import Path

import numpy as np

from rsnn.first_spike.config import FirstSpikeConfig, resolve
from rsnn.first_spike.data.samples import Samples, from_ticks
from rsnn.first_spike.definition import Learner
from rsnn.first_spike.layer import decays
from rsnn.first_spike.names import SEMANTICS

CASES = (
    *("s2stdp", "s2stdp_ncg", "s2stdp_one_threshold", "s2stdp_multiplicative"),
    *("s2stdp_silent_skipped", "s2stdp_some_silent", "s2stdp_all_silent", "sstdp", "sstdp_ncg"),
    *("rstdp", "s4nn", "s4nn_ncg", "s4nn_some_silent", "lif"),
)
BOTH = [(case, semantics) for case in CASES for semantics in SEMANTICS]

# A training that takes no time, on 60 random samples in `few.h5`.
SETTINGS = (
    *("network.n_neurons=6", "network.firing_threshold=4.0", "trainer.epochs=5"),
    *("optimizer.ap=0.05", "optimizer.t_gap=0.2", "trainer.dropout_out=0.1"),
)
GIVEN = tuple(word for each in SETTINGS for word in ("--set", each))
WORDS = ("few.h5", "--preset", "digits-s2stdp", *GIVEN)
PARTS = {"train": np.arange(30), "validation": np.arange(30, 42), "test": np.arange(42, 60)}
RECORD = [("indices", np.int16), ("timestamps", np.float32)]
LABELS = np.array([0, 1], np.int16)


def golden_samples(shared: Path) -> Samples:
    """The six samples of the golden steps, of 24 inputs in 16 ticks."""
    with np.load(shared / "seeds" / "golden_ttfs_steps.npz") as stored:
        return from_ticks(stored["times_in_sixteenths"], stored["labels"], 16)


def golden_steps(shared: Path, case: str, semantics: str) -> dict[str, np.ndarray]:
    """What a case has before all steps (`weights_before`), and after each."""
    with np.load(shared / "seeds" / "golden_ttfs_steps.npz") as stored:
        assert {name.partition(".")[0] for name in stored if "." in name} == set(CASES)
        found = {"weights_before": stored[f"{case}.weights_before"].astype(float)}
        for name in ("spike_times", "potentials", "weights", "thresholds"):
            found[name] = stored[f"{case}.{semantics}.{name}"]
        return found


def golden_config(shared: Path, case: str, semantics: str) -> FirstSpikeConfig:
    """The settings of a case, as published code writes them."""
    tables = json.loads((shared / "seeds" / "golden_ttfs_configs.json").read_text())[case]
    (layer,) = tables.pop("network")
    layer |= {"semantics": semantics, "leak_tau": tables.pop("leak_tau", 0)}
    sections = {"network": layer, **tables}
    return resolve([(s, n, v) for s, values in sections.items() for n, v in values.items()])


def learner_of(config: FirstSpikeConfig, w: np.ndarray, t_max: int = 16) -> Learner:
    """A learner with given weights, which are also those whose sums are kept."""
    threshold = np.full(len(w), config.network.firing_threshold)
    decay = decays(config.network.leak_tau, t_max)
    return Learner(w.copy(), w.sum(1), threshold, threshold.copy(), decay, t_max)


def random_samples(
    n: int = 24, n_inputs: int = 21, n_classes: int = 3, t_max: int = 9, seed: int = 0
) -> Samples:
    """Samples with ties and silent inputs; each class prefers a third of the inputs."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % n_classes
    early = (np.arange(n_inputs) % n_classes) == labels[:, None]
    ticks = generator.integers(0, t_max + 3, (n, n_inputs)) - 3 * early
    ticks[:, 0] = generator.integers(0, t_max, n)  # none without an event
    return from_ticks(np.maximum(ticks, 0), labels, t_max)


def random_learner(config: FirstSpikeConfig, samples: Samples, seed: int = 0) -> Learner:
    """A learner of random weights for samples."""
    shape = config.network.n_neurons, samples.n_inputs
    w = np.random.default_rng(seed).uniform(0.1, 0.9, shape)
    return learner_of(config, w, samples.t_max)


def dataset(times=(0.0, 0.25, 0.5), *, more=None, kind=RECORD, labels=LABELS):
    samples = [
        np.array([(3, times[0]), (1, times[1]), (0, times[2])], kind),
        np.array([(2, times[1])], kind),
    ]
    return {"data": samples, "labels": labels, "shape": (2, 4)} | (more or {})


def write_set(path, content, module=None):
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    if module:
        data = path.read_bytes()
        path.write_bytes(data.replace(*module))
    return path
