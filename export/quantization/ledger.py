"""The cost of each step from floats to integers, on calibration data.

The steps are taken one after the other, each on top of those before it: the float network with
integer-valued input weights, then with recurrent ones as well, and so on to the integer network.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.quantization.calibration import Calibration, response_to
from export.quantization.corrections import Correction
from export.quantization.precision import Precision
from export.quantization.units import gain_of, units_of
from rsnn.evaluate import Response
from rsnn.model import RSNN
from rsnn.neurons import NO_LEAK, inverse_softplus
from sim.fast import runs
from sim.network import IntegerNetwork

NOTABLE = 0.02  # R2 that a step must cost before anything is suggested; less is chaotic scatter
# The first step is compared with float16: any change costs a chaotic network that much.
FLOATS = ("float16", "bfloat16")
WORDS, WIDTHS, CORRECTIONS = "state words", "state widths", "corrections"  # of integer networks
SMALLEST_DECAY = 1e-6  # stands for 0, which no time constant has


@dataclass(frozen=True)
class Entry:
    """One line of the ledger, measured on the held-out calibration streams.

    Attributes:
        step: the part that becomes integer in this line, in addition to those before.
        r2_float: R2 of the decoded output against that of the float32 model; NaN where that never
            changes.
        r2_task: R2 against the recorded velocity; NaN where there is none.
        rate_ratio: hidden spikes over those of the float32 model.
        silent: hidden neurons that fire in the float32 model but not here.
        remark: the worst change here, or what to do about it; may be empty.
    """

    step: str
    r2_float: float
    r2_task: float
    rate_ratio: float
    silent: int
    remark: str = ""

    def row(self) -> dict[str, Any]:
        """The entry by column, for tables and JSON."""
        return dict(vars(self))


def ledger(
    model: RSNN,
    stages: Mapping[str, IntegerNetwork],
    corrections: tuple[Correction, ...],
    precision: Precision,
    calibration: Calibration,
    response: Response,
) -> list[Entry]:
    """Measure every step from a float model to an integer network.

    Args:
        model: the float model, float32.
        stages: integer networks in the order in which they were made, by the name of their line;
            the first is as rounded, with states of 32 bits.
        corrections: corrections tried on the way to the last.
        precision: precision of all of them.
        calibration: the data; the held-out streams count.
        response: response of the model to all streams.
    """
    held_out = ~calibration.is_fit
    data, exact = calibration.part(held_out), response.part(held_out)
    entries = [_entry("float32", exact, exact, data)]
    entries += [_entry(name, response_to(model, data, name), exact, data) for name in FLOATS]
    before = entries[1]
    rounded = next(iter(stages.values()))
    for step, candidate, remark in _steps(model, rounded):
        entry = _entry(step, response_to(candidate, data), exact, data, remark)
        entries.append(_with_suggestion(entry, before, precision))
        before = entry
    for step, network in stages.items():
        remark = _tried(corrections) if step == CORRECTIONS else ""
        entry = _entry(step, _run(network, data), exact, data, remark)
        entries.append(_with_suggestion(entry, before, precision))
        before = entry
    return entries


def _tried(corrections: tuple[Correction, ...]) -> str:
    kept = ", ".join(c.name for c in corrections if c.is_kept)
    return f"tried {', '.join(c.name for c in corrections)}; kept {kept or 'none'}"


def entry_of(
    step: str,
    network: IntegerNetwork,
    calibration: Calibration,
    response: Response,
    remark: str = "",
) -> Entry:
    """One more line, for a network made by another step.

    `calibration` and `response` as in `ledger`.
    """
    held_out = ~calibration.is_fit
    data, exact = calibration.part(held_out), response.part(held_out)
    return _entry(step, _run(network, data), exact, data, remark)


def _steps(model: RSNN, rounded: IntegerNetwork) -> Iterator[tuple[str, RSNN, str]]:
    """The float model with more and more of the integers' values: step, model, remark.

    Weights first, then biases if there are any, then decays and thresholds.
    """
    current = copy.deepcopy(model).float()
    c = rounded.contract
    layers, heads = current.layers, current.readouts
    units = [units_of(layer, c) for layer in rounded.layers]
    for kind in ("in", "rec"):
        for layer, integers, unit in zip(layers, rounded.hidden, units, strict=False):
            weights = getattr(integers, f"w_{kind}")
            if weights is not None:
                scale = unit * 2.0 ** getattr(integers, f"e_{kind}")
                _set(getattr(layer, f"w_{kind}"), weights * scale[:, None])
        yield f"w_{kind}", copy.deepcopy(current), ""
    rows = rounded.readout.n_outputs
    for number, head in enumerate(heads):
        part = slice(number * rows, (number + 1) * rows)
        _set(head.w_out, rounded.readout.w_out[part] * units[-1][part, None])
    yield "w_out", copy.deepcopy(current), ""

    owners: list[tuple[str, Any, Any, NDArray, slice]] = [
        (f"hidden{i}", layer, rounded.hidden[i], units[i], slice(None))
        for i, layer in enumerate(layers)
    ]
    owners += [
        (f"head{i}", head, rounded.readout, units[-1], slice(i * rows, (i + 1) * rows))
        for i, head in enumerate(heads)
    ]
    if model.architecture.bias:
        for _, layer, integers, unit, part in owners:
            _set(layer.bias, (integers.bias * unit)[part] / 2.0**c.frac_bits)
        yield "biases", copy.deepcopy(current), ""

    changes: list[tuple[float, str]] = []
    for name, layer, integers, _, part in owners:
        for kind in ("mem", "syn"):
            decay = c.kept(getattr(integers, f"decay_{kind}")[part])
            changes.append(_set_decay(name, layer.tau, kind, decay))
    worst = max(changes)[1]
    yield "decays", copy.deepcopy(current), worst

    for layer, integers, unit in zip(layers, rounded.hidden, units, strict=False):
        gain = gain_of(integers, c)
        fires = integers.threshold - (c.fires_when != layer.order.fires_when)
        # a threshold other than 1 equals weights smaller by that factor
        threshold = np.maximum(fires, 1) * unit * gain / 2.0**c.frac_bits
        for parameter in (layer.w_in, layer.w_rec):
            if parameter is not None:
                _set(parameter, _get(parameter) / threshold[:, None])
        if layer.bias is not None:
            _set(layer.bias, _get(layer.bias) / threshold)
    yield "thresholds", current, ""


def _set_decay(name: str, tau: Any, kind: str, decay: NDArray) -> tuple[float, str]:
    """Give `tau` the time constants of decays (n,); return the worst change and its words."""
    shortest = -tau.dt / np.log(SMALLEST_DECAY)
    before = np.maximum(getattr(tau, f"tau_{kind}")().detach().double().numpy(), shortest)
    leaks = decay < 1.0
    after = -tau.dt / np.log(np.where(leaks, np.maximum(decay, SMALLEST_DECAY), 0.5))
    tau0 = getattr(tau, f"tau_{kind}0")
    values = [inverse_softplus(value / tau0) for value in after]
    _set(getattr(tau, f"{kind}_param"), np.where(leaks, values, NO_LEAK))
    if not leaks.any():
        return 0.0, f"{kind} of {name} does not leak"
    change = np.where(leaks, np.abs(after / before - 1.0), 0.0)
    worst = int(np.argmax(change))
    words = (
        f"tau_{kind} of {name} neuron {worst} {1000 * before[worst]:.1f} ->"
        f" {1000 * after[worst]:.1f} ms"
    )
    return float(change[worst]), words


def _run(network: IntegerNetwork, data: Calibration) -> Response:
    done = runs.run_many(network, data.raster, record=True)
    out = np.stack([network.readout.decode(run.out) for run in done])
    traces: list[Mapping[str, NDArray]] = [r.trace.variables for r in done if r.trace is not None]
    names = [f"{name}.spk" for name in network.layer_names[:-1]]
    return Response(out, tuple(np.stack([t[name] for t in traces]) for name in names))


def _entry(
    step: str, found: Response, exact: Response, data: Calibration, remark: str = ""
) -> Entry:
    n_spikes = [sum(int(spk.sum()) for spk in response.spk) for response in (found, exact)]
    silent = sum(
        int((was.any((0, 1)) & ~now.any((0, 1))).sum())
        for now, was in zip(found.spk, exact.spk, strict=True)
    )
    task = float("nan") if data.velocity is None else data.r2(found.out, data.velocity)
    ratio = n_spikes[0] / max(n_spikes[1], 1)
    return Entry(step, data.r2(found.out, exact.out), task, ratio, silent, remark)


def _with_suggestion(entry: Entry, before: Entry, precision: Precision) -> Entry:
    """The entry, with advice where it costs a notable part of the R2 before it."""
    cost = before.r2_float - entry.r2_float
    options = {
        "w_in": f"`bits_in={precision.width('in') + 2}`",
        "w_rec": f"`bits_rec={precision.width('rec') + 2}`",
        "w_out": f"`bits_out={precision.width('out') + 2}`",
        "decays": f"`decay_bits={min(16, precision.decay_bits + 2)}`",
    }
    options[WIDTHS] = "wider `syn_bits` and `mem_bits`, or none for those that cannot overflow"
    option = options.get(entry.step, f"`frac_bits={min(16, precision.frac_bits + 2)}`")
    if not cost >= NOTABLE or entry.step == CORRECTIONS:  # it is NaN where R2 is undefined
        return entry
    parts = [part for part in (entry.remark, f"costs {cost:.3f}: try {option}") if part]
    return Entry(**{**vars(entry), "remark": "; ".join(parts)})


def _set(parameter: Any, values: NDArray) -> None:
    parameter.data.copy_(parameter.new_tensor(values))


def _get(parameter: Any) -> NDArray[np.float64]:
    return parameter.detach().double().numpy()
