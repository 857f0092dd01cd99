"""Sweep widths and sparsity of one model, and mark the Pareto front."""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import joblib
import torch

from base.checks import check_count
from base.container import read_label
from base.errors import RangeError
from base.files import write_text
from export.qat import fine_tune
from export.quantization.calibration import from_session
from export.quantization.precision import Precision
from export.quantize import calibrate
from rsnn.checkpoint import load_model
from rsnn.data.session import Session, load_session
from rsnn.data.split import split_session
from rsnn.model import RSNN
from rsnn.training.config import Config
from rsnn.training.prune import magnitude_masks
from rsnnctl.runs import folders
from rsnnctl.runs.checksum import keep_row, kept_row
from rsnnctl.runs.cluster import MOST_JOBS
from rsnnctl.runs.cluster import cluster as parallel_on
from rsnnctl.runs.interrupts import keeping
from rsnnctl.runs.training import generator_for
from sim.contract import MAX_FRAC, MAX_WEIGHT_BITS
from sim.energy import energy
from sim.fast import runs
from sim.metrics import evaluate_run, storage

FOLDER = "explore"
TABLE, PICTURE = "explore.json", "explore.png"
COSTS = ("stored_bits", "energy_pj", "effective_acs")
Row = dict[str, Any]
_MOST_CHOICES = 10_000


@dataclass(frozen=True)
class Choice:
    """One network to make: widths, and the smallest share of zeros in each weight matrix."""

    bits: int
    decay_bits: int
    sparsity: float

    @property
    def name(self) -> str:
        return f"bits{self.bits}-decay{self.decay_bits}-sparsity{self.sparsity:g}"


def explore(
    source: Path,
    choices: Sequence[Choice],
    *,
    config: Config | None,
    session: Path | None,
    jobs: int,
    cluster: str,
    output: Path | None = None,
    advance: Callable[[], None],
) -> list[Row]:
    """Make and measure a network per choice; those measured before are not made again.

    Args:
        source: the model.
        choices: the networks to make.
        config: settings of training in integers (`config.qat`); None for no such training.
        session: recording to calibrate and measure on; by default that of the model's run.
        jobs, cluster: number to make at the same time, and where, as for `train`.
        output: folder for the results, kept in `explore/`, the table `explore.json` and the
            picture `explore.png`; None for that of the model.
        advance: called after each choice.

    Returns:
        One row per choice, in their order; `pareto` is true where no other has a higher R2 at less
        or equal stored bits, energy and ACs.

    Raises:
        RangeError: no choices, or one that is not allowed.
        FileError, DataError, MismatchError: the model or recording cannot be used.
    """
    if not choices:
        raise RangeError("there is nothing to explore; name at least one of `bits`")
    check_count("jobs", jobs, MOST_JOBS)
    from rsnnctl.plots.decoders import (
        plot_explored,
    )  # before anything is made, because it may be missing

    for choice in choices:
        Precision(bits=choice.bits, decay_bits=choice.decay_bits)
        magnitude_masks(load_model(source)[0], choice.sparsity)
    path = folders.needed_session(source, session)
    label = {
        "model": read_label(source).digest,
        "session": load_session(path).digest,
        "qat": None if config is None else asdict(config.qat),
    }
    place = output or source.parent
    folder = place / FOLDER
    found: dict[Choice, Row] = {}
    for choice in choices:
        kept = kept_row(folder / f"{choice.name}.json", label)
        if kept is not None:
            found[choice] = kept
            advance()
    missing = [choice for choice in dict.fromkeys(choices) if choice not in found]
    work = joblib.delayed(_measured)
    told = f"the networks measured are kept in {folder}; the same command continues"
    with (
        keeping(lambda: told if found else ""),
        parallel_on(cluster, max(1, min(jobs, len(missing)))),
    ):
        rows = joblib.Parallel(return_as="generator")(
            work(source, path, choice, config) for choice in missing
        )
        for choice, row in zip(missing, rows, strict=True):
            keep_row(folder / f"{choice.name}.json", label, row)
            found[choice] = row
            advance()
    table = with_pareto([found[choice] for choice in choices])
    write_text(place / TABLE, json.dumps(table, indent=2) + "\n")
    plot_explored(table, place / PICTURE)
    return table


def parse_choices(bits: str, decay_bits: str, sparsity: str) -> list[Choice]:
    """Every combination of comma-separated values; `3..8` is a range of whole numbers.

    Raises:
        RangeError: the text is not such a list.
    """
    widths = [int(n) for n in _numbers("bits", bits, 2, MAX_WEIGHT_BITS)]
    decays = [int(n) for n in _numbers("decay_bits", decay_bits, 1, MAX_FRAC)]
    return combinations(widths, decays, _numbers("sparsity", sparsity, 0, 1))


def combinations(
    bits: Sequence[int], decay_bits: Sequence[int], sparsity: Sequence[float]
) -> list[Choice]:
    """Every combination of widths and sparsity.

    Raises:
        RangeError: there are more than 10,000.
    """
    n = len(bits) * len(decay_bits) * len(sparsity)
    if n > _MOST_CHOICES:
        raise RangeError(
            f"`bits`, `decay_bits` and `sparsity` make {n} networks; at most {_MOST_CHOICES} are"
            " possible"
        )
    return [Choice(*choice) for choice in product(bits, decay_bits, sparsity)]


def with_pareto(rows: Sequence[Row]) -> list[Row]:
    """The rows with `pareto`: whether no other is as good in everything and better in one."""

    def beats(a: Row, b: Row) -> bool:
        no_worse = a["test_r2"] >= b["test_r2"] and all(a[cost] <= b[cost] for cost in COSTS)
        return no_worse and any(a[key] != b[key] for key in ("test_r2", *COSTS))

    return [row | {"pareto": not any(beats(other, row) for other in rows)} for row in rows]


def _numbers(name: str, text: str, low: int, high: int) -> list[float]:
    try:
        found: list[float] = []
        for part in text.split(","):
            first, dots, last = part.partition("..")
            ends = [int(first), int(last)] if dots else [float(part)]
            for number in ends:
                if not low <= number <= high:
                    raise RangeError(f"`{name}` is {text}; {low} to {high} is possible")
            found += range(int(first), int(last) + 1) if dots else ends
    except ValueError:
        raise RangeError(f"`{name}` is {text}; write 4, or 3,4,8, or 3..8") from None
    if name != "sparsity" and any(n != int(n) for n in found):
        raise RangeError(f"`{name}` is {text}; whole numbers are needed, as in 3,4,8")
    return found


def _measured(source: Path, session_path: Path, choice: Choice, config: Config | None) -> Row:
    torch.set_num_threads(1)
    return measure(load_model(source)[0], load_session(session_path), choice, config)


def measure(model: RSNN, session: Session, choice: Choice, config: Config | None = None) -> Row:
    """Make one network of a model and measure it on the test part of a session.

    Args:
        model: left unchanged.
        session: also calibrates the network.
        choice: the network to make.
        config: settings of training in integers (`config.qat`); None for no such training.
    """
    model = copy.deepcopy(model).float()
    with torch.no_grad():
        for name, mask in magnitude_masks(model, choice.sparsity).items():
            model.connections()[name].masked_fill_(~mask, 0.0)
    split = split_session(session)
    precision = Precision(bits=choice.bits, decay_bits=choice.decay_bits)
    network = calibrate(model, precision, from_session(session)).network
    if config is not None:
        generator = generator_for(config.qat, choice.name)
        network, _ = fine_tune(
            model, network, precision, session, split, config.qat, generator=generator
        )
    run = runs.run(network, session.raster[split.test])
    metrics = evaluate_run(network, run, session.velocity[split.test])
    return {
        "bits": choice.bits,
        "decay_bits": choice.decay_bits,
        "sparsity": metrics.connection_sparsity,
        "test_r2": metrics.r2,
        "stored_bits": storage(network).stored_bits,
        "energy_pj": energy(network, metrics.effective_acs, metrics.effective_macs).total,
        "effective_acs": metrics.effective_acs,
        "digest": network.digest()[:12],
    }
