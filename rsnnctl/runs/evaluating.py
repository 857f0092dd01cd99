"""Evaluate decoders on recordings: NeuroBench's table, and decoders without spikes beside it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.container import read_label
from base.extras import extra
from base.meeting import Network
from base.metrics import Metrics, mean_metrics
from rsnn.baselines.baseline import Baseline
from rsnn.data.session import Session, check_once, load_session
from rsnn.data.stream import session_part
from rsnnctl.results.metrics import metrics_row
from rsnnctl.runs import folders
from sim import artifact
from sim.fast import runs
from sim.metrics import evaluate_run

Row = dict[str, Any]
Measure = Callable[[NDArray[np.uint8], NDArray[np.float32]], Metrics]


def evaluate_files(
    paths: Sequence[Path],
    sessions: Sequence[Path],
    *,
    part: str = "test",
    precision: str = "float32",
    device: str = "cpu",
    baselines: bool = False,
    gru: bool = True,
    harness: bool = False,
) -> dict[str, list[Row]]:
    """Evaluate every file on every session.

    Args:
        paths: models and networks.
        sessions: recordings; if empty, the recording of each file's run.
        part: `train`, `validation`, `test` or `all` of each session.
        precision: floating-point format in which float models compute, a name in `torch`.
        device: device on which they do, a name in `rsnn.training.names.DEVICES`.
        baselines: add ridge regression, a Kalman filter and a GRU of tinyRSNN's size on each
            session, learned from its train and validation part; their rows are always of the test
            part.
        gru: whether the baselines include the GRU, which takes up to two minutes per session.
        harness: add the figures of NeuroBench's own harness for each float model.

    Returns:
        `rows`, one per file and session; `means`, one per file if there are several sessions;
        `baselines`.

    Raises:
        RangeError: no such part.
        MismatchError: step, channels or target signals of a session are not the network's.
        FileError, DataError: a file cannot be used, or a session is named twice.
        ToolError, RangeError: a device cannot compute a model, as in `rsnn.evaluate.decode`.
    """
    check_once(sessions)
    loaded: dict[Path, Session] = {}
    rows: list[Row] = []
    means: list[Row] = []
    every = [
        (path, *_measures(path, precision, device, harness)) for path in paths
    ]  # or refused at once
    for path, network, measures in every:
        for name, measure in measures.items():
            metrics = []
            for source in sessions or [folders.needed_session(path, None)]:
                if source not in loaded:
                    loaded[source] = load_session(source)
                session = loaded[source]
                metrics.append(measure(*session_part(session, network, part)))
                rows.append(metrics_row(name, f"{session.name} ({part})", metrics[-1]))
            if len(metrics) > 1:
                means.append(metrics_row(name, "all", mean_metrics(metrics)))
    found = [
        baseline.row(f"{session.name} (test)")
        for session in (loaded.values() if baselines else ())
        for baseline in _baselines(session, gru)
    ]
    return {"rows": rows, "means": means, "baselines": found}


def _baselines(session: Session, gru: bool) -> Iterator[Baseline]:
    """Decoders without spikes: those that take seconds, and the GRU, which must be trained."""
    from rsnn.baselines.kalman import kalman
    from rsnn.baselines.ridge import HISTORIES, ridge
    from rsnn.data.split import split_session

    yield ridge(session, split_session(session))
    yield ridge(session, split_session(session), histories=HISTORIES)
    yield kalman(session, split_session(session))
    if gru:
        from rsnn.baselines.gru import train_gru

        yield train_gru(session, split_session(session))


def _measures(
    path: Path, precision: str, device: str, harness: bool
) -> tuple[Network, dict[str, Measure]]:
    """What a file takes and decodes, and functions from raster and velocity to figures, by row."""
    if read_label(path).format == artifact.FORMAT:
        network = artifact.load_network(path)

        def measure_network(raster: NDArray[np.uint8], velocity: NDArray[np.float32]) -> Metrics:
            return evaluate_run(network, runs.run(network, raster), velocity)

        return network, {f"{path.name} (int{network.contract.weight_bits})": measure_network}

    import torch  # only now, because it takes a second

    from rsnn.checkpoint import load_model
    from rsnn.evaluate import evaluate

    model, _ = load_model(path)
    dtype = getattr(torch, precision)

    def measure_model(raster: NDArray[np.uint8], velocity: NDArray[np.float32]) -> Metrics:
        return evaluate(model, raster, velocity, dtype=dtype, device=device)

    kept = str(next(model.parameters()).dtype).removeprefix("torch.")
    computed = precision if kept == precision else f"{kept}, computed in {precision}"
    measures: dict[str, Measure] = {f"{path.name} ({computed})": measure_model}
    if not harness:
        return model.architecture, measures

    from rsnn.harness import run_neurobench

    extra("neurobench", "neurobench", "`harness`")

    def measure_harness(raster: NDArray[np.uint8], velocity: NDArray[np.float32]) -> Metrics:
        found = run_neurobench(model, raster, velocity)
        operations = found["SynapticOperations"]
        return Metrics(
            n_steps=len(raster),
            footprint=found["Footprint"],
            connection_sparsity=found["ConnectionSparsity"],
            activation_sparsity=found["ActivationSparsity"],
            dense=operations["Dense"],
            effective_macs=operations["Effective_MACs"],
            effective_acs=operations["Effective_ACs"],
            r2=found["R2"],
        )

    return model.architecture, measures | {f"{path.name} (NeuroBench)": measure_harness}
