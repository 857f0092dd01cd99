"""Evaluate networks of a task on the same random trials: rate networks, floats with and without
noise, integers; rows for tables, and pictures."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.container import Label, read_label
from base.errors import MismatchError
from base.metrics import accuracy
from rsnn.rate.evaluate import Evaluation, evaluate
from rsnn.rate.file import LIF_FORMAT, load_lif, load_rate
from rsnn.rate.populations import ALL, populations_of, read_populations
from rsnn.rate.responses import Subject, integer_subject, lif_subject, rate_subject
from rsnn.rate.spiking import NOISE
from rsnn.rate.task import Task
from rsnn.rate.tasks import find_task
from rsnnctl import show
from sim import artifact

Row = dict[str, Any]


@dataclass(frozen=True)
class Entrant:
    """A network to evaluate.

    Attributes:
        path: its file.
        name: the file and how it is computed.
        picture: name of its picture.
        digest: of the network.
        task: name of its task.
        subject: what is shown trials.
        populations: units of each.
    """

    path: Path
    name: str
    picture: str
    digest: str
    task: str
    subject: Subject
    populations: dict[str, NDArray[np.int64]]


def entrants(paths: Sequence[Path], task: str | None) -> list[Entrant]:
    """The networks in files; a spiking network enters with and without noise.

    Args:
        paths: of rate, spiking and integer networks.
        task: name of the task; None for that of each network.

    Raises:
        FileError: a file cannot be read.
        RangeError, MismatchError: no such task, or another number of inputs.
    """
    names = [path.name for path in paths]
    found = []
    for path in paths:
        alone = names.count(path.name) == 1
        label = read_label(path)
        for words, ending, own, subject, populations in _read(path, label, task):
            stem = path.name.removesuffix(".h5") + ending
            if populations.keys() == {ALL}:
                show.say(
                    f"{path}: does not say which units excite and which inhibit; rates are of all"
                )
            found.append(
                Entrant(
                    path,
                    f"{path.name if alone else path} ({words})",
                    f"{stem if alone else f'{path.absolute().parent.name}-{stem}'}.trials.png",
                    label.digest,
                    own,
                    subject,
                    populations,
                )
            )
    return found


def evaluate_entrants(
    found: Sequence[Entrant],
    *,
    n_trials: int,
    seed: int,
    n_threads: int,
    advance: Callable[[], None] = lambda: None,
) -> list[Evaluation]:
    """Evaluate networks on the same trials.

    Args:
        found: the networks.
        n_trials: of each.
        seed: of the trials; those by which `quantize` measures have the same.
        n_threads: trials at the same time.
        advance: called after each trial.

    Raises:
        RangeError: as in `rsnn.rate.evaluate.evaluate`.
    """
    return [
        evaluate(
            each.subject,
            find_task(each.task),
            n_trials,
            seed=[seed],
            populations=each.populations,
            n_threads=n_threads,
            advance=advance,
        )
        for each in found
    ]


def rows(found: Sequence[Entrant], evaluations: Sequence[Evaluation]) -> dict[str, list[Row]]:
    """The tables `networks`, `conditions` and `rates`."""
    pairs = list(zip(found, evaluations, strict=True))
    return {
        "networks": [_network_row(*pair) for pair in pairs],
        "conditions": [row for pair in pairs for row in _condition_rows(*pair)],
        "rates": [row for pair in pairs for row in _rate_rows(*pair)],
    }


def draw(
    found: Sequence[Entrant], evaluations: Sequence[Evaluation], paths: Sequence[Path]
) -> None:
    """Write the pictures that `pictures` names.

    Raises:
        FileError: one cannot be written.
    """
    from rsnnctl.plots.tasks import plot_summary, plot_trials

    pairs = list(zip(found, evaluations, strict=True))
    for (each, evaluation), path in zip(pairs, paths, strict=False):
        plot_trials(evaluation, each.name, path)
    for task, path in zip(_tasks(found), paths[len(found) :], strict=True):
        plot_summary({each.name: own for each, own in pairs if each.task == task}, path)


def pictures(found: Sequence[Entrant], folder: Path) -> list[Path]:
    """Pictures in a folder: trials of each network, then all networks of each task beside another.

    Raises:
        MismatchError: two would have the same name.
    """
    import_module("rsnnctl.plots.tasks")  # before anything is done, because it may be missing
    names = [each.picture for each in found] + [f"{task}.summary.png" for task in _tasks(found)]
    for name in names:
        if names.count(name) > 1:
            raise MismatchError(
                f"two pictures would be called {folder / name}; name each network once, or draw"
                " them in different folders"
            )
    return [folder / name for name in names]


def _tasks(found: Sequence[Entrant]) -> list[str]:
    return list(dict.fromkeys(each.task for each in found))


def _read(
    path: Path, label: Label, task: str | None
) -> Iterator[tuple[str, str, str, Subject, dict[str, NDArray[np.int64]]]]:
    """How it is computed, end of the picture's name, task, subject and populations, for each."""

    def of(named: str, n_inputs: int) -> tuple[str, Task]:
        own = task or named
        return own, find_task(own, n_inputs)

    if label.format == artifact.FORMAT:
        integers = artifact.load_network(path)
        own, definition = of(str(integers.metadata.get("task", "")), integers.n_inputs)
        subject = integer_subject(integers, definition)
        populations = read_populations(integers.metadata, subject.n_units)
        yield f"int{integers.contract.weight_bits}", "", own, subject, populations
    elif label.format == LIF_FORMAT:
        floats, origin = load_lif(path)
        own, definition = of(floats.task, floats.w_in.shape[1])
        populations = read_populations(origin, floats.n_units)
        for words, ending, noise in (
            ("float, with noise", ".noise", NOISE),
            ("float, without noise", "", 0.0),
        ):
            yield words, ending, own, lif_subject(floats, definition, noise), populations
    else:
        network, _ = load_rate(path)
        own, definition = of(network.task, network.n_inputs)
        units = populations_of(network) or {ALL: list(range(network.n_units))}
        populations = {name: np.array(each) for name, each in units.items()}
        yield "rate", "", own, rate_subject(network, definition), populations


def _network_row(entrant: Entrant, found: Evaluation) -> Row:
    return {
        "network": entrant.name,
        "task": entrant.task,
        "trials": found.trials,
        **found.accuracy,
        "mean_rate": found.rate if found.subject.is_spiking else None,
        "dt": found.subject.dt,
        "effective_macs": found.macs,
        "effective_acs": found.acs,
        "digest": entrant.digest,
    }


def _condition_rows(entrant: Entrant, found: Evaluation) -> Iterator[Row]:
    for condition, tally in found.tallies.items():
        yield {
            "network": entrant.name,
            "condition": condition,
            "trials": tally.trials,
            **accuracy(tally.right, tally.trials),
            **{f"answer {answer}": tally.answers[answer] for answer in found.answers},
        }


def _rate_rows(entrant: Entrant, found: Evaluation) -> Iterator[Row]:
    mean = "mean_rate" if found.subject.is_spiking else "mean_activation"
    sd = mean.replace("mean", "sd")
    for condition, tally in found.tallies.items():
        for population, units in found.populations.items():
            rates = tally.rates[units]
            yield {
                "network": entrant.name,
                "condition": condition,
                "population": population,
                "units": len(units),
                mean: float(rates.mean()),
                sd: float(rates.std()),
            }
