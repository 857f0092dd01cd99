"""Quantize in a run folder: calibrate, measure each step, train in integers, write the network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from base.container import read_label
from base.errors import FileError, RangeError
from base.metrics import r2_score
from export.qat import check_recipe, fine_tune
from export.quantization import calibration as data
from export.quantization.calibration import Calibration
from export.quantization.cautions import cautions
from export.quantization.ledger import CORRECTIONS, WIDTHS, WORDS, entry_of, ledger
from export.quantization.precision import Precision
from export.quantize import calibrate
from rsnn.checkpoint import load_model
from rsnn.data.raster import SUFFIXES
from rsnn.data.session import Session, load_session
from rsnn.data.split import Split, split_session
from rsnn.data.stream import open_stream, step_taken
from rsnn.model import RSNN
from rsnn.training.config import Config
from rsnn.training.state import EpochRecord
from rsnnctl.provenance import is_imported, provenance
from rsnnctl.runs import folders, stages
from rsnnctl.runs.interrupts import keeping
from rsnnctl.runs.training import Report, config_of, generator_for
from sim.artifact import save_network
from sim.fast import runs
from sim.inspect import summarize
from sim.network import IntegerNetwork

QAT_LOG = ".qat.jsonl"
"""Ending of the log of training in integers, beside its network."""

QAT_DECIDED = {
    "qat.epochs": "`qat_epochs` decides",
    "qat.kernel": "integers have a kernel of their own",
}
"""Settings of training in integers that decide nothing, and why."""


@dataclass(frozen=True)
class Quantized:
    """The result of a quantization: file, network, ledger rows and warnings."""

    path: Path
    network: IntegerNetwork
    ledger: list[dict[str, Any]]
    cautions: list[str]

    def facts(self) -> dict[str, Any]:
        """The few facts that decide whether the network is good enough."""
        return summarize(self.network) | {"file": str(self.path)}


def settings_for(
    source: Path, file: Path | None, settings: tuple[str, ...], epochs: int | None
) -> Config | None:
    """The settings of training in integers, or None if no epochs are requested.

    Raises:
        RangeError: settings without epochs, or that training in integers refuses.
        FileError, DataError: as in `rsnn.training.config.resolve`.
    """
    if epochs is None:
        if file is not None or settings:
            raise RangeError("settings are for training in integers; add `qat_epochs`, such as 10")
        return None
    config = config_of(source, file, (*settings, f"qat.epochs={epochs}"))
    check_recipe(config.qat)
    return config


def check_resumable(source: Path, precision: Precision) -> None:
    """Refuse to continue where no training in integers was interrupted.

    Raises:
        FileError: there is none of a model with these widths.
    """
    if not stages.is_under_way(source.parent, _stage_name(precision)):
        raise FileError(
            f"{source.parent}: no training in {precision.weight_bits}-bit integers was interrupted,"
            " so there is none to resume; quantize without `resume`"
        )


def quantize_file(
    source: Path,
    precision: Precision,
    config: Config | None,
    *,
    calibration: Path | None = None,
    output: Path | None = None,
    resume: bool = False,
    report: Report | None = None,
) -> Quantized:
    """Quantize a float model and write the integer network beside it, and the log of its training.

    Args:
        source: the model (.rsnn.h5).
        precision: widths, and the rule for scales.
        config: settings of training in integers (`config.qat`); None for no such training.
        calibration: recording (.mat) or raster to calibrate on; by default the recording of the
            model's run, or independent spikes if it has none.
        output: file of the network (.int.h5).
        resume: continue an interrupted training in integers.
        report: called after every epoch of it.

    Raises:
        FileError, DataError, MismatchError, RangeError, RsnnError: a step fails; nothing is
            written then.
    """
    model, history = load_model(source)
    model = model.float()
    session = None if config is None else _session_to_train_on(source, calibration)
    streams, told = _calibration(source, calibration, model)
    facts = provenance(
        "quantize",
        model=read_label(source).digest,
        calibration=streams.source,
        **asdict(precision),
    )
    found = calibrate(model, precision, streams, metadata=facts)
    made = {WORDS: found.rounded, WIDTHS: found.narrow, CORRECTIONS: found.network}
    entries = ledger(model, made, found.corrections, precision, streams, found.response)
    network = found.network
    records: Sequence[EpochRecord] = ()
    if config is not None and session is not None:
        with keeping(lambda: stages.told_kept(source.parent)):
            network, remark, records = _train_on(
                source, model, network, precision, config, session, resume, report
            )
        entries.append(entry_of("fine-tuning", network, streams, found.response, remark))
        facts["qat"] = asdict(config.qat)
    rows = [entry.row() for entry in entries]
    facts |= {"ledger": rows, "history": history}
    network = IntegerNetwork(network.layers, network.contract, network.dt, facts)
    target = output or folders.beside(source, ".int.h5")
    if config is not None:
        stages.write_records(folders.beside(target, QAT_LOG), _stage_name(precision), records)
    save_network(network, target)
    if config is not None:
        stages.clear(source.parent, f"{_stage_name(precision)}.")
    if math.isnan(entries[0].r2_float):
        told.append(_undefined(streams))
    told += cautions(model, network, imported=is_imported(history))
    return Quantized(target, network, rows, told)


def _undefined(streams: Calibration) -> str:
    return (
        f"R2 is undefined: an output of the float model never changes on {streams.source}, so no"
        " step has a known cost and no correction is kept; calibrate on spikes that make it"
        " respond, with --calibration"
    )


def _calibration(source: Path, given: Path | None, model: RSNN) -> tuple[Calibration, list[str]]:
    """The calibration data, and what is to be said about them."""
    path = given or folders.session_of(source)
    architecture = model.architecture
    if path is None:
        return data.synthetic(architecture.n_inputs, architecture.dt), []
    if path.suffix not in SUFFIXES:
        return data.from_session(load_session(path)), []
    with open_stream(path, architecture) as stream:
        raster = next(stream.blocks(len(stream.steps))).raster
        taken = [] if stream.dt is not None else [step_taken(path.name, architecture.dt)]
        return data.from_raster(raster, path.name, architecture.dt), taken


def _session_to_train_on(source: Path, given: Path | None) -> Session:
    path = folders.needed_session(source, given)
    if path.suffix in SUFFIXES:
        raise RangeError(
            f"{path}: is a raster, which has no velocity to train on; name a recording (.mat), or"
            " leave out `qat_epochs`"
        )
    return load_session(path)


def _train_on(
    source: Path,
    model: RSNN,
    network: IntegerNetwork,
    precision: Precision,
    config: Config,
    session: Session,
    resume: bool,
    report: Report | None,
) -> tuple[IntegerNetwork, str, Sequence[EpochRecord]]:
    """The network that validates best, among the given one and all that training produces.

    Returns also a remark on it, and the epochs.
    """
    split = split_session(session)
    name = _stage_name(precision)
    label: Mapping[str, Any] = {
        "network": network.digest(),
        "session": session.digest,
        "config": asdict(config.qat),
    }
    if not resume:
        stages.forget(source.parent, name)
    state, keep = stages.under_way(source.parent, name, label)
    tuned, result = fine_tune(
        model,
        network,
        precision,
        session,
        split,
        config.qat,
        report=report,
        generator=generator_for(config.qat, name),
        state=state,
        keep=keep,
    )
    before, after = (_validation_r2(each, session, split) for each in (network, tuned))
    remark = (
        f"epoch {result.best_epoch} of {len(result.records)}; validation R2 {before:.3f} before,"
        f" {after:.3f} after"
    )
    if np.isfinite(before) and before >= after:
        return network, f"{remark}: not kept", result.records
    return tuned, remark, result.records


def _validation_r2(network: IntegerNetwork, session: Session, split: Split) -> float:
    run = runs.run(network, session.raster[split.validation])
    return r2_score(network.readout.decode(run.out), session.velocity[split.validation])


def _stage_name(precision: Precision) -> str:
    return f"qat-{precision.weight_bits}"
