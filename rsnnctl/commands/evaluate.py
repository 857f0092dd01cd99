"""`rsnnctl evaluate`: NeuroBench's table of decoders; accuracy and rates of networks of a task."""

from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from os import cpu_count
from pathlib import Path

import click

from rsnn.training.names import DEVICES
from rsnnctl.options import (
    FILE,
    INPUT,
    ChoiceOf,
    force_option,
    no_stdout,
    part_option,
    samples_option,
    seed_option,
    stale_option,
)
from rsnnctl.results.kind import Column, Kind, Result, Rows
from rsnnctl.results.metrics import BASELINE, INTERVAL, METRICS

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
    *INTERVAL,
)
_SHARE = (Column("accuracy", "number", "Share of samples that are right."), *INTERVAL)
_PICTURES = Column(
    "pictures", "texts", "Paths of the pictures, with --plot.", optional=True, hidden=True
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
        _PICTURES,
    ),
)
EVALUATED_FIRST_SPIKE = Kind(
    "evaluated-first-spike",
    "First-spike networks on the same samples.",
    (
        Rows(
            "networks",
            (
                _NETWORK,
                Column("samples", "text", "Name of the samples, and their part."),
                Column("number", "integer", "Number of samples."),
                *_SHARE,
                Column("decision_tick", "number", "Mean tick of the first spike of a sample."),
                Column("silent", "integer", "Samples without a spike, decided by potentials."),
                Column("events", "number", "Mean events of a sample."),
                Column("events_used", "number", "Of these, up to the decision."),
                Column(
                    "effective_acs", "number", "Accumulates that remain of these.", "per sample"
                ),
                Column("digest", "text", "Digest of the network.", hidden=True),
            ),
            "One per network.",
            title="networks",
        ),
        Rows(
            "classes",
            (
                _NETWORK,
                Column("class", "integer", "Class of the samples."),
                Column("number", "integer", "Number of samples."),
                *_SHARE,
            ),
            "One per network and class: samples by decision.",
            title="decisions by class",
            is_open=True,
        ),
        Rows(
            "decisions",
            (
                _NETWORK,
                Column("tick", "integer", "Tick by which all samples must be decided."),
                Column("decided", "number", "Share of samples with a spike by then."),
                Column("accuracy", "number", "Share right; those without one by potentials."),
            ),
            "Accuracy against decision time.",
            title="accuracy against decision time",
        ),
        _PICTURES,
    ),
)
_ON_RECORDINGS = ("sessions", "precision", "device", "baselines", "gru", "harness")
_ON_TRIALS = ("task", "trials", "seed")
_DRAWN = ("plot", "force")


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
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="cpu",
    show_default=True,
    help="Device on which float models compute.",
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
@samples_option
@seed_option
@click.option(
    "-o",
    "--output",
    "--plot",
    "plot",
    type=FILE,
    callback=no_stdout,
    help="Folder for pictures of trials, outputs and rates, or of decisions. Default: not drawn.",
)
@force_option
@stale_option
def command(
    files: tuple[Path, ...],
    sessions: tuple[Path, ...],
    part: str,
    precision: str,
    device: str,
    baselines: bool,
    gru: bool,
    harness: bool,
    task: str | None,
    trials: int,
    samples: str | None,
    seed: int,
    plot: Path | None,
    force: bool,
    stale: bool,
) -> Result:
    """Measure models and networks.

    Decoders: NeuroBench's table, one row per file and session, and one for all sessions. Networks
    of a task: accuracy, answers and rates on the same random trials. First-spike networks:
    accuracy, decisions and their times on samples. Without FILES, the files of the newest run.
    """
    from rsnnctl.runs import folders

    spiking = folders.beside(Path(folders.MODEL), folders.SPIKING).name
    paths = files or folders.present(folders.MODEL, spiking, folders.NETWORK)

    from base.checks import check_count, check_seed
    from base.container import read_label
    from rsnn.rate.mapping import MOST_TRIALS
    from rsnnctl.given import refuse
    from rsnnctl.runs import lineage
    from rsnnctl.runs.sorts import FIRST_SPIKE, TASK, sort_of
    from sim import artifact

    check_count("trials", trials, MOST_TRIALS)
    check_seed(seed)
    used = [lineage.used(path, stale=stale) for path in paths]
    sort = sort_of(used)
    if sort == TASK:
        refuse(
            "on networks of a task, which are measured on trials",
            *_ON_RECORDINGS,
            "part",
            "samples",
        )
        return _on_trials(used, task, trials, seed, plot, force)
    if sort == FIRST_SPIKE:
        refuse(
            "on first-spike networks, which are measured on samples", *_ON_RECORDINGS, *_ON_TRIALS
        )
        return _on_samples(used, samples, part, plot, force)
    refuse("on decoders, which are measured on recordings", *_ON_TRIALS, *_DRAWN, "samples")
    if not baselines:
        refuse("without --baselines", "gru")
    if all(read_label(path).format == artifact.FORMAT for path in used):
        refuse("on integer networks", "precision", "device", "harness")
    from rsnnctl.runs.evaluating import evaluate_files

    value = evaluate_files(
        used,
        sessions,
        part=part,
        precision=precision,
        device=device,
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
    from rsnnctl.runs.rate.evaluating import draw, entrants, evaluate_entrants, pictures, rows

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


def _on_samples(
    paths: Sequence[Path], samples: str | None, part: str, plot: Path | None, force: bool
) -> Result:
    """Evaluate first-spike networks."""
    from rsnnctl import show
    from rsnnctl.output import owned
    from rsnnctl.runs.first_spike.evaluating import draw, evaluate_files, pictures, rows

    drawn = [] if plot is None else pictures(paths, plot)
    with (
        nullcontext() if plot is None else owned(drawn, "evaluate", force=force),
        show.count(len(paths), "evaluate") as advance,
    ):
        found = evaluate_files(paths, samples, part, advance)
        if drawn:
            draw(found, drawn)
    names = [str(path) for path in drawn]
    told = {"pictures": names} if drawn else {}
    return Result(EVALUATED_FIRST_SPIKE, rows(found) | told, names)
