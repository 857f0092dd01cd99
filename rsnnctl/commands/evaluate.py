"""`rsnnctl evaluate`: NeuroBench's table of decoders; accuracy and rates of networks of a task."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from importlib import import_module
from os import cpu_count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsnnctl.options import (
    FILE,
    INPUT,
    ChoiceOf,
    force_option,
    no_stdout,
    part_option,
    seed_option,
    stale_option,
)
from rsnnctl.results.kind import Column, Kind, Result, Rows
from rsnnctl.results.metrics import BASELINE, METRICS, metrics_row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from base.meeting import Network
    from base.metrics import Metrics
    from rsnn.baselines.baseline import Baseline
    from rsnn.data.session import Session

PRECISIONS = ("float16", "bfloat16", "float32", "float64")
EVALUATED = Kind(
    "evaluated",
    "NeuroBench's table.",
    (
        Rows("rows", METRICS, "One per model or network, and session."),
        Rows("means", METRICS, "One per file, over several sessions.", joined=True),
        Rows("baselines", BASELINE, "Decoders without spikes, per session.", joined=True),
    ),
)
_NETWORK = Column("network", "text", "File, and how it is computed.")
_CONDITION = Column("condition", "text", "Condition of the trials.")
_ACCURACY = (
    Column("trials", "integer", "Random trials."),
    Column("accuracy", "number", "Share of trials that are right."),
    Column("low", "number", "Lower end of Wilson's 95 % interval."),
    Column("high", "number", "Upper end of it."),
)
EVALUATED_TASK = Kind(
    "evaluated-task",
    "Networks of a task on the same random trials.",
    (
        Rows(
            "networks",
            (
                _NETWORK,
                Column("task", "text", "The task.", hidden=True),
                *_ACCURACY,
                Column("mean_rate", "number?", "Spikes per unit and second.", "Hz"),
                Column("dt", "number", "Length of a step.", "s"),
                Column("effective_macs", "number", "Multiply-accumulates that remain.", "per step"),
                Column("effective_acs", "number", "Accumulates that remain.", "per step"),
                Column("digest", "text", "Digest of the network.", hidden=True),
            ),
            "One per network; of a spiking network in floats, with and without noise.",
            title="networks",
        ),
        Rows(
            "conditions",
            (_NETWORK, _CONDITION, *_ACCURACY),
            "One per network and condition: trials by answer, of which `none` is right for no"
            " condition, and `several` for conditions of different answers.",
            title="answers by condition",
            is_open=True,
        ),
        Rows(
            "rates",
            (
                _NETWORK,
                _CONDITION,
                Column("population", "text", "E, PV or SST; `all` where these are unknown."),
                Column("units", "integer", "Units of it."),
                Column("mean_rate", "number", "Mean over units and trials.", "Hz", optional=True),
                Column("sd_rate", "number", "Standard deviation over units.", "Hz", optional=True),
                Column("mean_activation", "number", "Of rate networks.", optional=True),
                Column("sd_activation", "number", "Over units.", optional=True),
            ),
            "One per network, condition and population.",
            title="rates by population",
        ),
        Column(
            "pictures", "texts", "Paths of the pictures, with --plot.", optional=True, hidden=True
        ),
    ),
)
_ON_RECORDINGS = ("sessions", "part", "precision", "baselines", "gru", "harness")
_ON_TRIALS = ("task", "trials", "seed", "plot", "force")
Row = dict[str, Any]
Measure = Callable[["NDArray[np.uint8]", "NDArray[np.float32]"], "Metrics"]


@click.command()
@click.argument("files", type=INPUT, nargs=-1)
@click.option(
    "--session",
    "sessions",
    type=INPUT,
    multiple=True,
    help="Recording (.mat), repeatable. Default: that of each file's run.",
)
@part_option
@click.option(
    "--precision",
    type=click.Choice(PRECISIONS),
    default="float32",
    show_default=True,
    help="Floating-point format in which float models compute.",
)
@click.option("--baselines", is_flag=True, help="Add ridge regression, a Kalman filter and a GRU.")
@click.option(
    "--gru/--no-gru", default=True, help="Among the baselines, train the GRU, which takes minutes."
)
@click.option("--harness", is_flag=True, help="Add the figures of NeuroBench's own harness (slow).")
@click.option(
    "--task",
    type=ChoiceOf(lambda: import_module("rsnn.rate.tasks").tasks()),
    help="Task to solve. Default: the one each network was trained on.",
)
@click.option("--trials", default=100, show_default=True, help="Random trials of a task.")
@seed_option
@click.option(
    "-o",
    "--output",
    "--plot",
    "plot",
    type=FILE,
    callback=no_stdout,
    help="Folder for pictures of trials, outputs and rates. Default: not drawn.",
)
@force_option
@stale_option
def command(
    files: tuple[Path, ...],
    sessions: tuple[Path, ...],
    part: str,
    precision: str,
    baselines: bool,
    gru: bool,
    harness: bool,
    task: str | None,
    trials: int,
    seed: int,
    plot: Path | None,
    force: bool,
    stale: bool,
) -> Result:
    """Measure models and networks.

    Decoders: NeuroBench's table, one row per file and session, and one for all sessions. Networks
    of a task: accuracy, answers and rates on the same random trials. Without FILES, the files of
    the newest run.
    """
    from rsnnctl.runs import folders

    spiking = folders.beside(Path(folders.MODEL), folders.SPIKING).name
    paths = files or folders.present(folders.MODEL, spiking, folders.NETWORK)

    from base.checks import check_count, check_seed
    from base.container import read_label
    from rsnn.rate.mapping import MOST_TRIALS
    from rsnnctl.given import refuse
    from rsnnctl.runs import lineage
    from rsnnctl.runs.evaluating_task import check_alike
    from sim import artifact

    check_count("trials", trials, MOST_TRIALS)
    check_seed(seed)
    used = [lineage.used(path, stale=stale) for path in paths]
    if check_alike(used):
        refuse("on networks of a task, which are measured on trials", *_ON_RECORDINGS)
        return _on_trials(used, task, trials, seed, plot, force)
    refuse("on decoders, which are measured on recordings", *_ON_TRIALS)
    if not baselines:
        refuse("without --baselines", "gru")
    if all(read_label(path).format == artifact.FORMAT for path in used):
        refuse("on integer networks", "precision", "harness")
    value = evaluate_files(
        used,
        sessions,
        part=part,
        precision=precision,
        baselines=baselines,
        gru=gru,
        harness=harness,
    )
    return Result(EVALUATED, value)


def _on_trials(
    paths: Sequence[Path],
    task: str | None,
    trials: int,
    seed: int,
    plot: Path | None,
    force: bool,
) -> Result:
    """Evaluate networks of a task."""
    from rsnnctl import show
    from rsnnctl.output import owned
    from rsnnctl.runs.evaluating_task import draw, entrants, evaluate_entrants, pictures, rows

    found = entrants(paths, task)
    drawn = [] if plot is None else pictures(found, plot)
    with (
        nullcontext() if plot is None else owned(drawn, "evaluate", force=force),
        show.count(len(found) * trials, "evaluate") as advance,
    ):
        evaluations = evaluate_entrants(
            found, n_trials=trials, seed=seed, n_threads=cpu_count() or 1, advance=advance
        )
        if drawn:
            draw(found, evaluations, drawn)
    names = [str(path) for path in drawn]
    told = {"pictures": names} if drawn else {}
    return Result(EVALUATED_TASK, rows(found, evaluations) | told, names)


def evaluate_files(
    paths: Sequence[Path],
    sessions: Sequence[Path],
    *,
    part: str = "test",
    precision: str = "float32",
    baselines: bool = False,
    gru: bool = True,
    harness: bool = False,
) -> dict[str, list[Row]]:
    """Evaluate every file on every session.

    Args:
        paths: models and networks.
        sessions: recordings; if empty, the recording of each file's run.
        part: `train`, `validation`, `test` or `all` of each session.
        precision: floating-point format in which float models compute, one of `PRECISIONS`.
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
    """
    from base.metrics import mean_metrics
    from rsnn.data.session import check_once, load_session
    from rsnn.data.stream import session_part
    from rsnnctl.runs import folders

    check_once(sessions)
    loaded: dict[Path, Session] = {}
    rows: list[Row] = []
    means: list[Row] = []
    every = [(path, *_measures(path, precision, harness)) for path in paths]  # or refused at once
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


def _baselines(session: "Session", gru: bool) -> "Iterator[Baseline]":
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


def _measures(path: Path, precision: str, harness: bool) -> "tuple[Network, dict[str, Measure]]":
    """What a file takes and decodes, and functions from raster and velocity to figures, by row."""
    from base.container import read_label
    from base.extras import extra
    from base.metrics import Metrics
    from sim import artifact
    from sim.fast import runs
    from sim.metrics import evaluate_run

    if read_label(path).format == artifact.FORMAT:
        network = artifact.load_network(path)

        def measure_network(
            raster: "NDArray[np.uint8]", velocity: "NDArray[np.float32]"
        ) -> Metrics:
            return evaluate_run(network, runs.run(network, raster), velocity)

        return network, {f"{path.name} (int{network.contract.weight_bits})": measure_network}

    import torch  # only now, because it takes a second

    from rsnn.checkpoint import load_model
    from rsnn.evaluate import evaluate

    model, _ = load_model(path)
    dtype = getattr(torch, precision)

    def measure_model(raster: "NDArray[np.uint8]", velocity: "NDArray[np.float32]") -> Metrics:
        return evaluate(model, raster, velocity, dtype=dtype)

    kept = str(next(model.parameters()).dtype).removeprefix("torch.")
    computed = precision if kept == precision else f"{kept}, computed in {precision}"
    measures: dict[str, Measure] = {f"{path.name} ({computed})": measure_model}
    if not harness:
        return model.architecture, measures

    from rsnn.harness import run_neurobench

    extra("neurobench", "neurobench", "`harness`")

    def measure_harness(raster: "NDArray[np.uint8]", velocity: "NDArray[np.float32]") -> Metrics:
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
