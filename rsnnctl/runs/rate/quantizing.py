"""Quantize the spiking network of a task: integers, and accuracy on trials before and after."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from base.container import read_label
from base.errors import FileError
from export.quantization.precision import Precision
from export.quantize_lif import quantize_lif
from rsnn.rate.file import FORMAT, LIF_FORMAT, load_lif
from rsnn.rate.spiking import NOISE
from rsnn.rate.task import Task
from rsnn.rate.tasks import find_task
from rsnn.rate.trials import Done, accuracy_of, float_trials, integer_trials
from rsnnctl.provenance import provenance
from rsnnctl.runs import folders
from sim.artifact import save_network
from sim.inspect import summarize
from sim.network import IntegerNetwork

STEPS = AS_MAPPED, QUIET, INTEGERS = "as mapped", "without noise", "integers"


@dataclass(frozen=True)
class QuantizedSpiking:
    """The result: file, network, and a row of accuracy per step."""

    path: Path
    network: IntegerNetwork
    ledger: list[dict[str, Any]]

    def facts(self) -> dict[str, Any]:
        """The few facts that decide whether the network is good enough."""
        return summarize(self.network) | {"file": str(self.path)}


def spiking_source(model: Path) -> Path | None:
    """The spiking network to quantize for a model: itself, or what a rate network was mapped to.

    None for any other model.

    Raises:
        FileError: a rate network that was not mapped; the file cannot be read.
    """
    format = read_label(model).format
    if format == LIF_FORMAT:
        return model
    if format != FORMAT:
        return None
    mapped = folders.beside(model, folders.SPIKING)
    if not mapped.exists():
        raise FileError(
            f"{model}: is a rate network, which is quantized as a spiking one; map it first, with"
            " `rsnnctl map-rate`"
        )
    return mapped


def quantize_spiking(
    source: Path,
    precision: Precision,
    *,
    dt: float,
    n_trials: int,
    seed: int,
    n_threads: int = 1,
    output: Path | None = None,
    advance: Callable[[], None] = lambda: None,
) -> QuantizedSpiking:
    """Quantize a spiking network, measure both on the same trials, and write the integers.

    Args:
        source: the spiking network (.lif.h5).
        precision: widths, and the rule for scales.
        dt: length of a step in s.
        n_trials: random trials that measure each step.
        seed: of the trials.
        n_threads: trials at the same time.
        output: file of the network (.int.h5).
        advance: called after each step of the ledger.

    Raises:
        FileError, DataError, MismatchError, RangeError, UnsupportedError: a step fails; nothing is
            written then.
    """
    floats, history = load_lif(source)
    task = find_task(floats.task, floats.w_in.shape[1])
    facts = provenance(
        "quantize",
        spiking=read_label(source).digest,
        dt=dt,
        **asdict(precision),
    ) | {"task": floats.task}
    if task.input_step is not None:
        facts["input_step"] = task.input_step
    network = quantize_lif(floats, precision, task=task, dt=dt, metadata=facts)
    seeds = [seed]
    rows: list[dict[str, Any]] = []
    quiet: list[Done] = []
    for step, noise in ((AS_MAPPED, NOISE), (QUIET, 0.0)):
        quiet = float_trials(floats, task, n_trials, seed=seeds, noise=noise, n_threads=n_threads)
        rows.append(_row(step, quiet, task))
        advance()
    done = integer_trials(network, task, n_trials, seed=seeds, n_threads=n_threads)
    rows.append(_row(INTEGERS, done, task, quiet))
    advance()
    facts |= {"ledger": rows, "history": history}
    network = IntegerNetwork(network.layers, network.contract, network.dt, facts)
    target = output or folders.beside(source, ".int.h5")
    save_network(network, target)
    return QuantizedSpiking(target, network, rows)


def _row(
    step: str, trials: Sequence[Done], task: Task, against: Sequence[Done] = ()
) -> dict[str, Any]:
    """A row of the ledger; `out_error` is the distance of the outputs to those of `against`."""
    found = accuracy_of(trials, task)
    error = None
    if against:
        pairs = zip(trials, against, strict=True)
        squares = [np.mean((a.out[: len(b.out)] - b.out) ** 2) for a, b in pairs]
        error = float(np.sqrt(np.mean(squares)))
    return {"step": step, **found.as_dict(), **found.by_condition(), "out_error": error}
