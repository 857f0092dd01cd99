"""Evaluate first-spike networks on samples, in floats and integers: rows for tables, pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from base.container import read_label
from base.errors import MismatchError
from base.metrics import accuracy
from rsnn.first_spike.file import load_network
from rsnn.first_spike.responses import (
    Responses,
    float_classifier,
    integer_classifier,
    respond,
)
from rsnnctl.runs.first_spike.samples import measured_on
from sim import artifact

Row = dict[str, Any]
_POINTS = 9  # of the curve in a table


@dataclass(frozen=True)
class Entrant:
    """A network and what it decided.

    Attributes:
        path: its file.
        name: the file and how it is computed.
        digest: of the network.
        samples: their name, and the part.
        found: the decisions.
    """

    path: Path
    name: str
    digest: str
    samples: str
    found: Responses


def evaluate_files(
    paths: Sequence[Path],
    samples: str | None,
    part: str,
    advance: Callable[[], None] = lambda: None,
) -> list[Entrant]:
    """Decide on samples.

    Args:
        paths: of models and networks.
        samples, part: as in `rsnnctl.runs.first_spike.samples.measured_on`.
        advance: called after each file.

    Raises:
        FileError, DataError, MismatchError, RangeError: a file, or samples, cannot be used.
    """
    names, found = [path.name for path in paths], []
    for path in paths:
        label = read_label(path)
        if label.format == artifact.FORMAT:
            network = artifact.load_network(path)
            words, classifier = f"int{network.contract.weight_bits}", integer_classifier(network)
        else:
            floats, _ = load_network(path)
            words, classifier = f"float, {floats.semantics}", float_classifier(floats)
        name, tested = measured_on(path, classifier.t_max, samples, part)
        shown = path.name if names.count(path.name) == 1 else path
        responses = respond(classifier, tested)
        found.append(
            Entrant(path, f"{shown} ({words})", label.digest, f"{name} ({part})", responses)
        )
        advance()
    return found


def rows(entrants: Sequence[Entrant]) -> dict[str, list[Row]]:
    """The tables `networks`, `classes` and `decisions`."""
    return {
        "networks": [_network_row(each) for each in entrants],
        "classes": [row for each in entrants for row in _class_rows(each)],
        "decisions": [row for each in entrants for row in _decision_rows(each)],
    }


def pictures(paths: Sequence[Path], folder: Path) -> list[Path]:
    """Pictures in a folder: of each network, then all curves in one.

    Raises:
        ToolError: matplotlib is not installed.
        MismatchError: two would have the same name.
    """
    import_module("rsnnctl.plots.first_spike")  # before anything is done, as it may be missing
    drawn = [folder / f"{path.name.removesuffix('.h5')}.classes.png" for path in paths]
    for path in drawn:
        if drawn.count(path) > 1:
            raise MismatchError(
                f"two pictures would be called {path}; name each network once, or draw in"
                " different folders"
            )
    return [*drawn, folder / "decisions.png"]


def draw(entrants: Sequence[Entrant], paths: Sequence[Path]) -> None:
    """Write the pictures that `pictures` names.

    Raises:
        FileError: one cannot be written.
    """
    from rsnnctl.plots.first_spike import plot_confusion, plot_decisions

    for each, path in zip(entrants, paths, strict=False):
        plot_confusion(each.found.confusion(), f"{each.name}: {each.samples}", path)
    plot_decisions({each.name: each.found.curve() for each in entrants}, paths[-1])


def _network_row(entrant: Entrant) -> Row:
    found = entrant.found
    n = found.samples.n_samples
    return {
        "network": entrant.name,
        "samples": entrant.samples,
        "number": n,
        **accuracy(int(found.is_right.sum()), n),
        "decision_tick": float(found.decided.mean()),
        "silent": int((found.decided == found.samples.t_max).sum()),
        "events": float(np.diff(found.samples.ptr).mean()),
        "events_used": float(found.events.mean()),
        "effective_acs": float(found.accumulates.mean()),
        "digest": entrant.digest,
    }


def _class_rows(entrant: Entrant) -> list[Row]:
    counts = entrant.found.confusion()
    return [
        {
            "network": entrant.name,
            "class": label,
            "number": int(answers.sum()),
            **accuracy(int(answers[label]), int(answers.sum())),
            **{f"as {answer}": int(count) for answer, count in enumerate(answers)},
        }
        for label, answers in enumerate(counts)
        if answers.sum()
    ]


def _decision_rows(entrant: Entrant) -> list[Row]:
    return [
        {
            "network": entrant.name,
            "tick": int(tick),
            "decided": float(share),
            "accuracy": float(right),
        }
        for tick, share, right in zip(*entrant.found.curve(_POINTS), strict=True)
    ]
