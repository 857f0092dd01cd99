"""First-spike networks: accuracies, an ablation, speed, and instructions on microcontrollers.

    python benchmarks/first_spike.py --folder first-spike --mnist mnist.npz --jobs 2

Results of trainings are kept in the folder, so that the same call continues. `--mnist` names images
with the numbers of each part (docs/first-spike.md); without it, digits alone are used.
"""

import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import joblib
import numba
import numpy as np

from base.files import write_text
from export.quantization.precision import Precision
from export.quantize_first_spike import quantize_first_spike
from hw_targets.machines.c_machine import Machine
from hw_targets.machines.c_samples import by_events, clocked
from rsnn.first_spike import groups, kernels
from rsnn.first_spike.config import gathered, resolve
from rsnn.first_spike.data.parts import Parts, load_parts
from rsnn.first_spike.data.samples import Samples, each, from_ticks
from rsnn.first_spike.definition import Learner
from rsnn.first_spike.layer import order
from rsnn.first_spike.names import SEMANTICS
from rsnn.first_spike.responses import integer_classifier, rasters_of, respond
from rsnn.first_spike.rules import RSTDP, Rates, Rule, errors
from rsnn.first_spike.training import Training, rates_of, rule_of, start, train
from sim.artifact import load_network, save_network
from sim.network import IntegerNetwork

Row = dict[str, Any]
BITS = (8, 6, 4)
RULES = ("s2stdp", "s2stdp-ncg", "sstdp", "sstdp-ncg", "rstdp", "s4nn", "s4nn-ncg")
ONE = ("regularizer.use_two_thr=false",)
NONE = ("regularizer.thr_lr=0.0",)
LABELLED, UNLABELLED = ("trainer.nt_neurons=1",), ("trainer.nt_neurons=0",)
DROPOUT = ("trainer.dropout_out=0.1",)  # of 0.1..0.7 the best in validation, on both
ABLATION: dict[str, tuple[str, tuple[str, ...]]] = {
    "M-1": ("s2stdp", ()),
    "M-5": ("s2stdp-ncg", (*NONE, *UNLABELLED)),
    "M-5 + CR-1": ("s2stdp-ncg", (*ONE, *UNLABELLED)),
    "M-5 + CR-2": ("s2stdp-ncg", UNLABELLED),
    "M-5 + CR-1 + L": ("s2stdp-ncg", (*ONE, *LABELLED)),
    "M-5 + CR-2 + L": ("s2stdp-ncg", LABELLED),
    "M-5 + Drop + L": ("s2stdp-ncg", (*NONE, *DROPOUT, *LABELLED)),
}
"""Preset and changes: M per class, competition regulation (CR), non-target labels (L), dropout."""


@dataclass(frozen=True)
class Asked:
    """One training; its result is kept under the digest of this.

    Attributes:
        source: of the samples.
        preset, settings, seed: how it is trained.
        label: first columns of the table.
    """

    source: str
    preset: str
    settings: tuple[str, ...]
    seed: int
    label: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Of its file: readable, then the digest of all that decides the result."""
        values = json.dumps([Path(self.source).name, self.preset, sorted(self.settings)])
        digest = hashlib.sha256(values.encode()).hexdigest()[:12]
        return f"{self.preset}-seed{self.seed}-{digest}.json"


def trained(asked: Asked, parts: Parts) -> Training:
    """The finished training."""
    training = start(resolve(gathered(asked.preset, None, asked.settings), seed=asked.seed), parts)
    train(training, parts)
    return training


def result_of(asked: Asked, parts: Parts) -> Row:
    """The accuracy of the epoch that validates best, and that of its integers by bits."""
    training = trained(asked, parts)
    networks = {str(bits): integer_classifier(quantized(training, bits)) for bits in BITS}
    right = {
        bits: respond(network, parts.test).is_right.mean() for bits, network in networks.items()
    }
    integers = {bits: float(share) for bits, share in right.items()}
    return {"best": training.best, "test": training.record.test_accuracy, "integers": integers}


def quantized(training: Training, bits: int = 8) -> IntegerNetwork:
    """The network of a training as integers."""
    precision = Precision(bits=bits, frac_bits=0, per_layer=True)
    return quantize_first_spike(training.network(), precision, dt=0.001)


def results(folder: Path, asked: Sequence[Asked], jobs: int) -> list[Row]:
    """The result of each training, those that are not kept computed `jobs` at a time."""
    missing = [one for one in asked if "integers" not in kept(folder, one)]
    parts = {source: load_parts(source) for source in sorted({one.source for one in missing})}
    work = (joblib.delayed(_computed)(folder, one, parts[one.source]) for one in missing)
    for number, name in enumerate(joblib.Parallel(jobs, return_as="generator")(work), 1):
        print(f"{number} of {len(missing)}: {name}", file=sys.stderr, flush=True)
    return [{"label": one.label, "seed": one.seed} | kept(folder, one) for one in asked]


def kept(folder: Path, asked: Asked) -> Row:
    """The result that is kept, empty if there is none."""
    path = folder / asked.name
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _computed(folder: Path, asked: Asked, parts: Parts) -> str:
    write_text(folder / asked.name, json.dumps(result_of(asked, parts)) + "\n")
    return asked.name


def accuracies(sources: dict[str, str], seeds: int, tiny: tuple[str, ...]) -> list[Asked]:
    """Every rule on every data set, in both semantics."""
    return [
        Asked(source, f"{data}-{rule}", (f"network.semantics={s}", *tiny), seed, (data, rule, s))
        for data, source in sources.items()
        for rule in RULES
        for s in reversed(SEMANTICS)
        for seed in range(seeds)
    ]


def ablation(sources: dict[str, str], seeds: int, tiny: tuple[str, ...]) -> list[Asked]:
    """S2-STDP with and without each part of competition groups, in exact semantics."""
    return [
        Asked(source, f"{data}-{rule}", (*settings, *tiny), seed, (data, label, "exact"))
        for data, source in sources.items()
        for label, (rule, settings) in ABLATION.items()
        for seed in range(seeds)
    ]


SECTIONS: dict[str, Callable[[dict[str, str], int, tuple[str, ...]], list[Asked]]] = {
    "accuracies": accuracies,
    "ablation": ablation,
}


def table(rows: Sequence[Row]) -> Iterator[str]:
    """One line per data set and network: mean and standard deviation over seeds, by semantics."""
    semantics = list(dict.fromkeys(row["label"][2] for row in rows))
    yield f"| | {' | '.join(f'{s}: seeds | mean, sd' for s in semantics)} |"
    yield "|---|" + "---|---|" * len(semantics)
    for data, label in dict.fromkeys(row["label"][:2] for row in rows):
        cells = []
        for name in semantics:
            shares = [row["test"] for row in rows if row["label"] == (data, label, name)]
            cells += [" ".join(_short(share) for share in shares), _mean_and_sd(shares)]
        yield f"| {data}, {label} | {' | '.join(cells)} |"


def integers_table(rows: Sequence[Row]) -> Iterator[str]:
    """One line per network in exact semantics: accuracies over seeds, and the largest loss."""
    yield f"| exact | floats | {' | '.join(f'{n} bits | most lost' for n in BITS)} |"
    yield "|---|---|" + "---|---|" * len(BITS)
    for data, label in dict.fromkeys(row["label"][:2] for row in rows):
        own = [row for row in rows if row["label"] == (data, label, "exact")]
        cells = [_mean_and_sd([row["test"] for row in own])]
        for bits in map(str, BITS):
            shares = [row["integers"][bits] for row in own]
            most = max(row["test"] - share for row, share in zip(own, shares, strict=True))
            cells += [_mean_and_sd(shares), f"{most:.4f}"]
        yield f"| {data}, {label} | {' | '.join(cells)} |"


def _short(share: float) -> str:
    return f"{share:.3f}".removeprefix("0")


def _mean_and_sd(shares: Sequence[float]) -> str:
    sd = statistics.stdev(shares) if len(shares) > 1 else 0.0
    return f"{_short(statistics.mean(shares))} {_short(sd)}"


compiled = numba.njit(nogil=True, error_model="numpy")


@compiled
def _forward(w, threshold, index, tick, t_max, spikes, v):
    """All neurons, event by event."""
    spikes[:], v[:] = t_max, 0.0
    for q in range(len(tick)):
        is_checked = q == len(tick) - 1 or tick[q + 1] > tick[q]
        for j in range(len(w)):
            if spikes[j] == t_max:
                v[j] += w[j, index[q]]
                if is_checked and v[j] > threshold[j]:
                    spikes[j] = tick[q]


@compiled
def _update(w, inputs, spikes, causal, other, row_sum, w_min, w_max, norm):
    """The whole matrix, then clipped and normalized."""
    for j in range(len(w)):
        for i in range(w.shape[1]):
            change = causal[j] if inputs[i] <= spikes[j] else other[j]
            w[j, i] = min(max(w[j, i] + change, w_min), w_max)
    if norm:
        for j in range(len(w)):
            w[j] *= row_sum[j] / np.abs(w[j]).sum()


def yardstick(learner: Learner, rule: Rule, rates: Rates, samples: Samples) -> int:
    """An epoch in Python, in which the forward pass and the update of a sample are compiled."""
    n, n_inputs = learner.w.shape
    t_max, right = learner.t_max, 0
    of_class, targets = groups.classes(n, rule.n_classes), groups.is_target(n, rule)
    spikes, v = np.empty(n, np.int64), np.empty(n)
    inputs, every = np.empty(n_inputs, np.int64), np.ones(n, bool)
    for index, tick, label in each(samples):
        threshold = groups.in_training(rule, learner.threshold, learner.adapted, label)
        _forward(learner.w, threshold, index, tick, t_max, spikes, v)
        winner = order(spikes, v)[0]
        right += int(of_class[winner] == label)
        groups.regulate(
            *(rule, rates.threshold, learner.threshold, learner.adapted, spikes, v, label)
        )
        inputs[:] = t_max
        inputs[index] = tick
        is_ok = (of_class == label) & targets
        if rule.method == RSTDP:
            factors = np.zeros((2, n))
            pair = (rates.causal, rates.other)
            factors[:, winner] = pair if is_ok[winner] else (rates.anti_causal, rates.anti_other)
        else:
            updated, counted = every, spikes
            if rule.class_inhib:
                updated = groups.winners(spikes, v, rule.n_classes)
                counted = np.where(updated, spikes, t_max)
            found = errors(rule, counted, updated, is_ok, t_max)
            factors = np.outer((rates.causal, rates.other), found)
        bounds = rule.w_min, rule.w_max, rule.w_norm
        _update(learner.w, inputs, spikes, *factors, learner.row_sum, *bounds)
    return right


SPEEDS = ("s2stdp", "s2stdp-ncg", "rstdp")


def speed(samples: Samples, rounds: int, n_yardstick: int) -> dict[str, tuple[float, float]]:
    """Microseconds of processor time per training sample, ours and the yardstick's, medians."""
    found = {}
    few = samples.take(np.arange(n_yardstick))
    parts = Parts(samples, None, few)
    for rule_name in SPEEDS:
        config = resolve(gathered(f"mnist-{rule_name}", None, []), seed=1)
        rule, rates = rule_of(config, 10), rates_of(config, 0, 0.1)
        ours, other = start(config, parts), start(config, parts)
        epochs: dict[str, list[float]] = {"ours": [], "yardstick": []}
        for number in range(rounds + 1):  # the first compiles
            taken = _timed(partial(_learn, ours, rule, rates, samples), samples.n_samples)
            slow = _timed(partial(yardstick, other.learner, rule, rates, few), few.n_samples)
            if number:
                epochs["ours"].append(taken)
                epochs["yardstick"].append(slow)
        ours_taken, slow_taken = map(statistics.median, epochs.values())
        found[rule_name] = ours_taken, slow_taken
    return found


def _learn(training: Training, rule: Rule, rates: Rates, samples: Samples) -> None:
    kernels.learn_epoch(training.learner, rule, rates, samples, training.generator)


def _timed(work: Callable[[], object], n: int) -> float:
    begun = time.process_time()
    work()
    return (time.process_time() - begun) / n * 1e6


def speed_table(found: dict[str, tuple[float, float]]) -> Iterator[str]:
    """One line per rule."""
    yield "| us per training sample | yardstick | rsnnctl | ratio | 60,000 samples (s) |"
    yield "|---|---|---|---|---|"
    for rule, (ours, other) in found.items():
        epoch = ours * 60_000 / 1e6
        yield f"| {rule} | {other:.0f} | {ours:.1f} | {other / ours:.0f} | {epoch:.2f} |"


def synthetic(n: int) -> Samples:
    """Samples as large as raw images of MNIST: 784 inputs, 255 ticks, 151 events in the mean."""
    generator = np.random.default_rng(1)
    ticks = generator.integers(0, 255, (n, 784))
    ticks[generator.random((n, 784)) > 151 / 784] = 255
    return from_ticks(ticks, np.arange(n) % 10, 255)


TARGETS = ("cortex_m0plus", "cortex_m4")
DEPLOYED = "s2stdp-ncg"
Counted = dict[str, float]


def deployed(folder: Path, asked: Asked, parts: Parts) -> IntegerNetwork:
    """A network of 8 bits, trained if it is not kept."""
    path = folder / Path(asked.name).with_suffix(".int.h5")
    if not path.exists():
        save_network(quantized(trained(asked, parts)), path)
    return load_network(path)


def counted(network: IntegerNetwork, machine: Machine, samples: Samples) -> Counted:
    """Instructions per sample, clocked and by events, to the end and to the first spike; means."""
    rasters = rasters_of(samples)
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        steps = clocked(network, machine, rasters, Path(first))
        found = by_events(network, machine, rasters, Path(second))
    decided = [int(one.t.min()) for one in found]
    to_decision = [int(row[: t + 1].sum()) for row, t in zip(steps, decided, strict=True)]
    columns = {
        "clocked": steps.sum(1),
        "clocked_decision": to_decision,
        "events": [one.at_all.count for one in found],
        "events_decision": [one.at_first.count for one in found],
        "taken": [one.at_first.n_events for one in found],
        "tick": decided,
    }
    return {name: float(np.mean(values)) for name, values in columns.items()}


def firmware(
    folder: Path, sources: dict[str, str], n_samples: int, tiny: tuple[str, ...]
) -> dict[tuple[str, str], Counted]:
    """Instructions of a network of each data set on each target, on its first test samples."""
    found = {}
    for data, source in sources.items():
        parts = load_parts(source)
        network = deployed(folder, Asked(source, f"{data}-{DEPLOYED}", tiny, 0), parts)
        few = parts.test.take(np.arange(n_samples))
        for target in TARGETS:
            machine = import_module(f"hw_targets.{target}").MACHINE
            found[data, target] = counted(network, machine, few)
    return found


def firmware_table(found: dict[tuple[str, str], Counted]) -> Iterator[str]:
    """One line per network and target."""
    yield (
        "| instructions per sample | clocked | by events | ratio | clocked, to first spike |"
        " by events, to first spike | ratio | events taken | tick of first spike |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for (data, target), row in found.items():
        cells = []
        for end in ("", "_decision"):
            slow, fast = row[f"clocked{end}"], row[f"events{end}"]
            cells += [f"{slow:.0f}", f"{fast:.0f}", f"{slow / fast:.1f}"]
        cells += [f"{row['taken']:.0f}", f"{row['tick']:.0f}"]
        yield f"| {data}, {target} | {' | '.join(cells)} |"


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("first-spike"))
@click.option("--mnist", type=click.Path(path_type=Path, exists=True), help="A file of images.")
@click.option("--only", type=click.Choice(("speed", *SECTIONS, "firmware")), multiple=True)
@click.option("--seeds", default=5, show_default=True)
@click.option("--jobs", default=1, show_default=True)
@click.option("--tiny", is_flag=True, help="Trainings of one epoch.")
def main(
    folder: Path, mnist: Path | None, only: tuple[str, ...], seeds: int, jobs: int, tiny: bool
) -> None:
    """Print a table per section."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = {"digits": "digits"} | ({"mnist": str(mnist)} if mnist else {})
    short = ("trainer.epochs=1",) if tiny else ()
    for name in only or ("speed", *SECTIONS, "firmware"):
        print(f"\n## {name}\n")
        if name == "speed":
            samples = load_parts(mnist).train if mnist else synthetic(30 if tiny else 3500)
            lines = speed_table(speed(samples, 1 if tiny else 7, 20 if tiny else 500))
        elif name == "firmware":
            lines = firmware_table(firmware(folder, sources, 2 if tiny else 20, short))
        else:
            rows = results(folder, SECTIONS[name](sources, seeds, short), jobs)
            lines = [*table(rows), "", *integers_table(rows)]
        print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
