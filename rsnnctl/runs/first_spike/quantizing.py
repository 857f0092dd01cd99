"""Quantize a first-spike network: integers, and accuracy on the same samples before and after."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from base.container import read_label
from base.metrics import accuracy
from export.quantization.precision import Precision
from export.quantize_first_spike import quantize_first_spike
from rsnn.first_spike.file import load_network
from rsnn.first_spike.names import EXACT, PUBLISHED
from rsnn.first_spike.responses import (
    Responses,
    float_classifier,
    integer_classifier,
    respond,
)
from rsnnctl.provenance import provenance
from rsnnctl.runs import folders
from rsnnctl.runs.first_spike.samples import SAMPLES, measured_on
from sim.artifact import save_network
from sim.inspect import summarize
from sim.network import IntegerNetwork

TRAINED, EXACTLY, INTEGERS = "as trained", "exact semantics", "integers"
STEP = 0.001  # s per tick


@dataclass(frozen=True)
class QuantizedFirstSpike:
    """The result: file, network, name of the samples, and a row of accuracy per step."""

    path: Path
    network: IntegerNetwork
    samples: str
    ledger: list[dict[str, Any]]

    def facts(self) -> dict[str, Any]:
        """The few facts that decide whether the network is good enough."""
        return summarize(self.network) | {"file": str(self.path)}


def quantize_file(
    source: Path,
    precision: Precision,
    *,
    dt: float = STEP,
    samples: str | None = None,
    output: Path | None = None,
) -> QuantizedFirstSpike:
    """Quantize a first-spike network, measure both on the test part, and write the integers.

    Args:
        source: the model (.rsnn.h5).
        precision: widths, and the rule for the scale, of which there is one.
        dt: seconds per tick.
        samples: to measure on; None for those of the model's run.
        output: file of the network (.int.h5).

    Raises:
        FileError, DataError, MismatchError, RangeError: a step fails; nothing is written then.
    """
    network, history = load_network(source)
    name, tested = measured_on(source, network.t_max, samples)
    precision = replace(precision, per_layer=True)
    inputs = history.get("inputs")
    known = inputs.get(SAMPLES) if isinstance(inputs, dict) else None
    facts = provenance(
        "quantize",
        model=read_label(source).digest,
        dt=dt,
        **{SAMPLES: known},
        **asdict(precision),
    ) | {SAMPLES: name}
    integers = quantize_first_spike(network, precision, dt=dt, metadata=facts)
    floats = respond(float_classifier(network), tested)
    rows = [_row(TRAINED, floats, floats)]
    if network.semantics == PUBLISHED:
        exact = respond(float_classifier(replace(network, semantics=EXACT)), tested)
        rows.append(_row(EXACTLY, exact, floats))
    rows.append(_row(INTEGERS, respond(integer_classifier(integers), tested), floats))
    facts |= {"ledger": rows, "history": history}
    integers = IntegerNetwork(integers.layers, integers.contract, integers.dt, facts)
    target = output or folders.beside(source, ".int.h5")
    save_network(integers, target)
    return QuantizedFirstSpike(target, integers, name, rows)


def _row(step: str, found: Responses, floats: Responses) -> dict[str, Any]:
    n = found.samples.n_samples
    return {
        "step": step,
        **accuracy(int(found.is_right.sum()), n),
        "same_class": float(np.mean(found.classes == floats.classes)),
        "same_spikes": float(np.mean(found.spikes == floats.spikes)),
        "decision_tick": float(found.decided.mean()),
    }
