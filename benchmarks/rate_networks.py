"""Train rate networks, map them to spikes and print tables of docs/rate-networks.md.

    python benchmarks/rate_networks.py --folder rates --jobs 2 --only speed --only convert

Each network's result is a file in the folder, named by what was asked, so that repeating an
interrupted call continues it; `--tiny` shows every section with networks that learn nothing. All
sections take an hour or two on two idle cores.
"""

import hashlib
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import click
import joblib
import numpy as np
import torch

from base.files import write_text
from rsnn.rate.mapping import CONVERTED, FACTORS, MOST_TRIALS, measure, search
from rsnn.rate.network import RateNetwork
from rsnn.rate.spiking import NOISE, mapped
from rsnn.rate.task import Task
from rsnn.rate.task import Trial as TaskTrial
from rsnn.rate.tasks import find_task
from rsnn.rate.training.initialize import Initial, draw_network
from rsnn.rate.training.train import EVERY, MAX_TRIALS, Training, train

Row = dict[str, Any]
COOLED = 0.001  # learning rate of trials after the end
TAUS = (20.0, 100.0)


@dataclass(frozen=True)
class Size:
    """How much is computed: trials of training at most, of each factor, fresh ones; thinning."""

    max_trials: int = MAX_TRIALS
    trials: int = 100
    fresh: int = 200
    downsample: int = 1


TINY = Size(max_trials=2, trials=2, fresh=2, downsample=40)


@dataclass(frozen=True)
class Asked:
    """One network to train, map and measure; its result is kept under the digest of this.

    Attributes:
        task, initial, seed: of the training.
        label: first column of the table.
        further: trials after the end, at a learning rate of 0.001.
        noise, filter, refractory: of the spiking network.
        size: how much is computed.
    """

    task: str
    initial: Initial
    seed: int
    label: str = ""
    further: int = 0
    noise: bool = True
    filter: str = "double"
    refractory: bool = True
    size: Size = Size()

    @property
    def name(self) -> str:
        """Of its file: readable, then the digest of all that decides the result."""
        values = json.dumps(asdict(replace(self, label="")), sort_keys=True)
        digest = hashlib.sha256(values.encode()).hexdigest()[:12]
        return f"{self.task}-{self.initial.units}-seed{self.seed}-{digest}.json"


def trained(asked: Asked) -> tuple[Training, RateNetwork]:
    """The training of a network, and the network that is kept of it."""
    task, generator = find_task(asked.task), np.random.default_rng(asked.seed)
    start = draw_network(asked.initial, task.n_inputs, asked.task, generator)
    training = Training(start, generator)
    train(training, task, max_trials=asked.size.max_trials)
    if asked.further:
        done, end = training.done, len(training.losses) + asked.further
        training.done = False
        train(training, replace(task, first_end=end), max_trials=end, learning_rate=COOLED)
        training.done = done
    return training, training.before


def result_of(asked: Asked) -> Row:
    """Train, map and measure; figures of both networks."""
    training, network = trained(asked)
    task, size, last = find_task(asked.task), asked.size, training.records[-1]
    factors = FACTORS[network.activation] if size.max_trials > 2 else (20, 30)
    found = search(
        network,
        task,
        factors,
        n_trials=size.trials,
        n_fresh=size.fresh,
        seed=asked.seed,
        noise=NOISE if asked.noise else 0.0,
        filter=asked.filter,
        downsample=size.downsample,
        refractory=asked.refractory,
    )
    means = [np.mean(training.losses[k : k + EVERY]) for k in range(0, len(training.losses), EVERY)]
    return {
        "done": training.done,
        "trials": len(training.losses),
        "mean_loss": last.mean_loss,
        "right": last.right,
        "factor": found.network.factor,
        "best": max(each.share for each in found.curve.values()),
        "fresh": found.fresh.share,
        "by_condition": found.fresh.by_condition(),
        "losses": [float(mean) for mean in means],
    }


def kept(folder: Path, asked: Asked) -> Row | None:
    """The result of an earlier call, or None."""
    path = folder / asked.name
    return json.loads(path.read_text()) if path.exists() else None


def results(folder: Path, asked: Sequence[Asked], jobs: int) -> list[Row]:
    """The result of each network, those that are not kept computed `jobs` at a time."""
    missing = [each for each in asked if kept(folder, each) is None]
    work = (joblib.delayed(_computed)(folder, each) for each in missing)
    for number, name in enumerate(joblib.Parallel(jobs, return_as="generator")(work), 1):
        print(f"{number} of {len(missing)}: {name}", file=sys.stderr, flush=True)
    return [{"label": each.label} | (kept(folder, each) or {}) for each in asked]


def _computed(folder: Path, asked: Asked) -> str:
    write_text(folder / asked.name, json.dumps(result_of(asked)) + "\n")
    return asked.name


def convert(size: Size, n: int) -> list[Asked]:
    """Go-nogo, sigmoid, two sizes, tau 20..100 ms, ten seeds each; one of them without noise."""
    kinds = {"N = 200": (200, True), "N = 250": (250, True)}
    kinds["N = 200, without noise"] = (200, False)
    return [
        Asked("go-nogo", Initial(units), seed, label, size=size, noise=noise)
        for label, (units, noise) in kinds.items()
        for seed in range(1, n + 1)
    ]


def short(size: Size, n: int) -> list[Asked]:
    """Tau 20..50 ms: with and without membrane noise, and after more training, cooled."""
    initial = Initial(200, taus=(20.0, 50.0))
    kinds: dict[str, Row] = {
        "as published": {},
        "without noise": {"noise": False},
        "500 trials more": {"further": min(500, size.max_trials)},
        "1000 trials more": {"further": min(1000, size.max_trials)},
    }
    return [
        Asked("go-nogo", initial, seed, label, size=size, **changes)
        for label, changes in kinds.items()
        for seed in range(1, 2 * n + 1)
    ]


def gain(size: Size, n: int) -> list[Asked]:
    """A gain of 3.5 at the start, in both ranges of tau: ten seeds each."""
    return [
        Asked("go-nogo", Initial(200, gain=3.5, taus=taus), seed, label, size=size)
        for label, taus in (("tau 20..100 ms", TAUS), ("tau 20..50 ms", (20.0, 50.0)))
        for seed in range(1, n + 1)
    ]


def activations(size: Size, n: int) -> list[Asked]:
    """Softplus and relu: ten seeds each, in the published range of tau."""
    return [
        Asked("go-nogo", Initial(200, name, taus=TAUS), seed, name, size=size)
        for name in ("softplus", "relu")
        for seed in range(1, n + 1)
    ]


def mante(size: Size, n: int) -> list[Asked]:
    """Context-dependent integration, N = 250: three seeds."""
    return [Asked("mante", Initial(250), seed, f"seed {seed}", size=size) for seed in _few(n)]


def xor(size: Size, n: int) -> list[Asked]:
    """N = 200: three seeds, and the curve of the loss."""
    return [Asked("xor", Initial(200), seed, f"seed {seed}", size=size) for seed in _few(n)]


def variants(size: Size, n: int) -> list[Asked]:
    """Gain, fixed tau, fewer units, one exponential, no refractory period: three seeds each."""
    initials = {f"gain {gain:g}": Initial(200, gain=gain) for gain in (0.5, 1.5, 3.5)}
    initials |= {f"tau {tau:g} ms": Initial(200, taus=(tau, tau)) for tau in (20.0, 35.0)}
    initials |= {f"N = {units}": Initial(units) for units in (100, 150)}
    spiking: dict[str, Row] = {
        "single exponential": {"filter": "single"},
        "no refractory period": {"refractory": False},
    }
    asked = [
        Asked("go-nogo", initial, seed, label, size=size)
        for label, initial in initials.items()
        for seed in _few(n)
    ]
    return asked + [
        Asked("go-nogo", Initial(200), seed, label, size=size, **changes)
        for label, changes in spiking.items()
        for seed in _few(n)
    ]


SECTIONS = {
    each.__name__: each for each in (convert, short, gain, activations, mante, xor, variants)
}


def _few(n: int) -> range:
    return range(1, min(n, 3) + 1)


def table(rows: Sequence[Row]) -> Iterator[str]:
    """One line per label: how many networks were trained and converted, and their accuracy."""
    yield (
        "| | trained | trials | converted | best of the curve | factors | fresh trials"
        " | by condition | by seed |"
    )
    yield "|---|---|---|---|---|---|---|---|---|"
    for label in dict.fromkeys(row["label"] for row in rows):
        same = [row for row in rows if row["label"] == label]
        converted = sum(row["best"] >= CONVERTED for row in same)
        best, fresh = ([row[key] for row in same] for key in ("best", "fresh"))
        factors = sorted({row["factor"] for row in same})
        yield (
            f"| {label} | {sum(row['done'] for row in same)} of {len(same)}"
            f" | {statistics.median(row['trials'] for row in same):g}"
            f" | {converted} of {len(same)} | {_mean_and_sd(best)}"
            f" | {factors[0]:g}..{factors[-1]:g} | {_mean_and_sd(fresh)}"
            f" | {_by_condition(same)}"
            f" | {' '.join(f'{value:.2f}' for value in sorted(fresh))} |"
        )


def curves(rows: Sequence[Row]) -> Iterator[str]:
    """The loss of each network, a mean of 100 trials, over training."""
    yield "| | loss, mean of each 100 trials |"
    yield "|---|---|"
    for row in rows:
        yield f"| {row['label']} | {' '.join(f'{loss:.1f}' for loss in row['losses'])} |"


def _by_condition(rows: Sequence[Row]) -> str:
    """The mean share of right fresh trials of each condition, over the rows that drew it."""
    names = sorted({name for row in rows for name in row["by_condition"]})
    shares = [[row["by_condition"].get(name) for row in rows] for name in names]
    means = [statistics.mean(s for s in each if s is not None) for each in shares]
    return ", ".join(f"{name} {mean:.2f}" for name, mean in zip(names, means, strict=True))


def _mean_and_sd(values: Sequence[float]) -> str:
    sd = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {sd:.3f}"


class PlainLoop:
    """The published training of one trial per update, as a plain torch loop over the steps."""

    def __init__(self, network: RateNetwork, task: Task, generator: np.random.Generator) -> None:
        self._task, self._generator, self._taus = task, generator, network.taus
        made = (network.w, network.tau_param, network.w_out, network.b_out)
        parameters = [_tensor(value).requires_grad_() for value in made]
        self._w, self._tau_param, self._w_out, self._b_out = parameters
        self._sign = _tensor(network.sign) * _tensor(network.mask)
        self._w_in = _tensor(network.w_in)
        self._adam = torch.optim.Adam(parameters, lr=0.01)

    def _loss(self) -> torch.Tensor:
        shown: TaskTrial = self._task.draw(self._generator)
        u, target = _tensor(shown.u), _tensor(shown.target)
        low, high = self._taus
        share = 1 / (low + torch.sigmoid(self._tau_param) * (high - low))
        recurrent = torch.relu(self._w) * self._sign
        x, outputs = torch.randn(len(self._w)) / 100, []
        for t in range(1, len(u)):
            arriving = recurrent @ torch.sigmoid(x) + self._w_in @ u[t - 1]
            x = (1 - share) * x + share * arriving + torch.randn(len(self._w)) / 10
            outputs.append(self._w_out @ torch.sigmoid(x) + self._b_out)
        return ((torch.stack(outputs) - target[:-1]) ** 2).sum().sqrt()

    def update(self) -> None:
        """Train on one trial."""
        self._adam.zero_grad()
        self._loss().backward()
        self._adam.step()

    def evaluate(self) -> None:
        """Compute one trial without an update."""
        with torch.no_grad():
            self._loss()


def _tensor(values: Any) -> torch.Tensor:
    return torch.tensor(np.array(values, np.float32))


def speed(*, units: int = 200, rounds: int = 7, each: int = 10, lif_trials: int = 1000) -> Row:
    """Seconds per trial in interleaved rounds, medians; and of spiking trials on two threads."""
    torch.set_num_threads(1)
    task = find_task("go-nogo")
    generator = np.random.default_rng(1)
    network = draw_network(Initial(units), task.n_inputs, "go-nogo", generator)
    loop, training = PlainLoop(network, task, generator), Training(network, generator)
    endless = replace(task, first_end=MOST_TRIALS)
    loop.update()
    train(training, endless, max_trials=2)  # compiles, and ends with an evaluation
    seconds: dict[str, list[float]] = {"update": [], "evaluated": [], "ours": [], "ours whole": []}
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(each):
            loop.update()
        seconds["update"].append((time.perf_counter() - start) / each)
        start = time.perf_counter()
        for _ in range(each):
            loop.evaluate()
        seconds["evaluated"].append((time.perf_counter() - start) / each)
        start = time.perf_counter()
        train(training, endless, max_trials=len(training.losses) + EVERY - 1)
        updated = time.perf_counter() - start
        train(training, endless, max_trials=len(training.losses) + 1)  # evaluates 100 trials
        seconds["ours"].append(updated / (EVERY - 1))
        seconds["ours whole"].append((time.perf_counter() - start) / EVERY)
    lif = mapped(training.network, 30.0)
    measure(lif, task, 2, seed=[1])
    start = time.perf_counter()
    measure(lif, task, lif_trials, seed=[1], n_threads=2)
    spiking = time.perf_counter() - start
    return {name: statistics.median(times) for name, times in seconds.items()} | {"lif": spiking}


def speed_table(found: Row, lif_trials: int) -> Iterator[str]:
    """Trials per second of both, with and without the evaluation of 100 trials per 100."""
    plain, ours = found["update"] + found["evaluated"], found["ours whole"]
    yield "| trials per second | plain torch loop | rsnnctl | ratio |"
    yield "|---|---|---|---|"
    for label, slow, fast in (
        ("updates alone", found["update"], found["ours"]),
        ("with the evaluations", plain, ours),
    ):
        yield f"| {label} | {1 / slow:.1f} | {1 / fast:.0f} | {slow / fast:.1f} |"
    yield ""
    yield f"{lif_trials} spiking trials on two threads: {found['lif']:.1f} s"


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("rates"))
@click.option("--only", type=click.Choice(("speed", *SECTIONS)), multiple=True)
@click.option("--jobs", default=1, show_default=True)
@click.option("--tiny", is_flag=True, help="Networks of a few trials, which learn nothing.")
def main(folder: Path, only: tuple[str, ...], jobs: int, tiny: bool) -> None:
    """Print a table per section."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in only or ("speed", *SECTIONS):
        print(f"\n## {name}\n")
        if name == "speed":
            n_lif = 4 if tiny else 1000
            found = speed(lif_trials=n_lif, **({"units": 20, "rounds": 1} if tiny else {}))
            lines = speed_table(found, n_lif)
        else:
            size, n = (TINY, 1) if tiny else (Size(), 10)
            asked = [_small(each) if tiny else each for each in SECTIONS[name](size, n)]
            rows = results(folder, asked, jobs)
            lines = iter([*table(rows), *(["", *curves(rows)] if name == "xor" else [])])
        for line in lines:
            print(line, flush=True)


def _small(asked: Asked) -> Asked:
    return replace(asked, initial=replace(asked.initial, units=8))


if __name__ == "__main__":
    main()
