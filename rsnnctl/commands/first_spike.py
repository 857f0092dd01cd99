"""`rsnnctl first-spike`: networks of neurons that fire once, trained by supervised STDP."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from base.checks import check_count
from base.errors import MismatchError
from rsnnctl.options import (
    INPUT,
    ChoiceOf,
    jobs_options,
    new_folder_option,
    output_option,
    resume_option,
    set_option,
)
from rsnnctl.results.kind import Column, Kind, Result, Rows

if TYPE_CHECKING:
    from rsnn.first_spike.config import Change

_FIGURES = (
    Column("train_accuracy", "number", "Share of training samples right, while learning."),
    Column("validation_accuracy", "number?", "Share of validation samples right."),
    Column("test_accuracy", "number", "Share of test samples right."),
)
_EPOCHS = (
    Column("epochs", "integer", "Epochs of training."),
    Column("best_epoch", "integer", "Epoch whose weights were kept."),
)
_STATISTIC = Column("statistic", "text", "`mean` or `sd`, the standard deviation.")
_LAYER = (
    Column("samples", "text", "Name of the samples."),
    Column("method", "text", "Rule: s2stdp, rstdp or s4nn."),
    Column("neurons", "integer", "Neurons of the network."),
)
TRAINED_ON_SAMPLES = Kind(
    "trained-on-samples",
    "First-spike networks that were trained.",
    (
        Rows(
            "runs",
            (
                Column("run", "text", "Name of the run's folder."),
                *_LAYER,
                Column("seed", "integer", "Seed of all random numbers."),
                *_EPOCHS,
                *_FIGURES,
            ),
            "One per seed.",
        ),
        Rows(
            "summary",
            (_STATISTIC, *_LAYER, *_FIGURES),
            "Over the seeds of networks of the same samples, rule and size.",
            title="over seeds",
        ),
    ),
)
VALIDATED = Kind(
    "k-fold",
    "First-spike networks, each validated on another fold of the training part.",
    (
        Rows(
            "folds",
            (Column("fold", "integer", "Number of the fold, and seed."), *_EPOCHS, *_FIGURES),
            "One per fold.",
            is_open=True,
        ),
        Rows(
            "summary",
            (_STATISTIC, *_FIGURES),
            "Over all folds; the standard deviation is that of the folds themselves.",
            title="over folds",
        ),
    ),
)
SEARCHED = Kind(
    "grid",
    "First-spike networks, one per combination of settings.",
    (
        Rows(
            "runs",
            (
                Column("run", "integer", "Number of the combination."),
                *_EPOCHS,
                *_FIGURES,
                Column("abandoned", "boolean", "It was below `gridsearch_stop_acc`."),
            ),
            "One per combination, with the settings that differ.",
            is_open=True,
        ),
        Column("best", "integer", "Number of the highest validation accuracy."),
        Column("file", "text", "Its settings, for --config."),
    ),
)


@click.group()
def command() -> None:
    """First-spike networks: train, validate, search."""


def _samples(body: Callable) -> Callable:
    """DATA, and what decides the settings."""
    argument = click.argument("data", default="digits")
    preset = click.option(
        "--preset",
        type=ChoiceOf(lambda: import_module("rsnn.first_spike.presets").PRESETS),
        metavar="NAME",
        help="Settings by name, as digits-s2stdp-ncg, the default for digits.",
    )
    config = click.option(
        "--config", type=INPUT, help="Settings, TOML or published JSON, in place of a preset."
    )
    ticks = click.option(
        "--ticks", type=int, help="Ticks to which times of published files (.npy) are rounded."
    )
    return argument(preset(config(set_option(ticks(body)))))


plot_option = click.option("--plot", is_flag=True, help="Draw accuracies, and times of spikes.")


@command.command()
@_samples
@click.option(
    "--seeds", default="1", show_default=True, help="Seeds, one run each: 3, or 1,4, or 1..5."
)
@click.option("--name", help="Name of the run's folder in runs. Default: first-spike.")
@new_folder_option("Folder of the run, or of all if there are several. Default: runs/first-spike.")
@jobs_options("Runs")
@plot_option
@resume_option
def train(
    data: str,
    preset: str | None,
    config: Path | None,
    settings: tuple[str, ...],
    ticks: int | None,
    seeds: str,
    name: str | None,
    output: Path | None,
    jobs: int,
    cluster: str,
    plot: bool,
    resume: bool,
) -> Result:
    """Train networks to classify by their first spike.

    DATA is digits (of scikit-learn), a file of samples or images (.h5, .npz), or a folder with
    trainset and testset, or with the files of MNIST.
    """
    from rsnnctl.given import refuse, refuse_others
    from rsnnctl.runs.cluster import MOST_JOBS
    from rsnnctl.runs.first_spike import pictures
    from rsnnctl.runs.first_spike import training as first_spike
    from rsnnctl.runs.jobs import parse_seeds, resumable, run_all, work_of

    check_count("jobs", jobs, MOST_JOBS)
    if jobs == 1:
        refuse("with one job at a time; add --jobs", "cluster")
    if name is not None and output is not None:
        raise click.UsageError("--name is that of a folder in runs; leave it out with --output")
    if plot:
        pictures.check()
    if resume:
        refuse_others(
            "beside --resume, which continues the run as it was started",
            *("resume", "jobs", "cluster", "output", "plot", "output_format", "output_json"),
        )
        folders = resumable(output)
        if folders and work_of(folders) is not first_spike.WORK:
            raise MismatchError(
                f"{folders[0]}: is no training on samples; `rsnnctl train --resume` continues it"
            )
    else:
        folders = first_spike.start_all(
            data,
            ticks=ticks,
            changes=_changes(data, preset, config, settings, "`seeds` decides"),
            seeds=parse_seeds(seeds),
            name="first-spike" if name is None else name,
            output=output,
        )
    rows, summary = run_all(folders, n_jobs=jobs, cluster=cluster, are_new=not resume)
    if plot:
        for folder in folders:
            pictures.draw(folder)
    return Result(TRAINED_ON_SAMPLES, {"runs": rows, "summary": summary})


@command.command()
@_samples
@click.option("--folds", default=10, show_default=True, help="Folds of the training part.")
@output_option("Folder for kfold.json, kfold.png and runs.", folder=True, default=Path("kfold"))
@jobs_options("Folds")
@plot_option
def kfold(
    data: str,
    preset: str | None,
    config: Path | None,
    settings: tuple[str, ...],
    ticks: int | None,
    folds: int,
    output: Path,
    force: bool,
    jobs: int,
    cluster: str,
    plot: bool,
) -> Result:
    """Validate on each fold of the training part.

    Classes keep their shares in each fold, samples their order. Folds done before are not trained
    again, so repeating the command continues it.
    """
    from rsnnctl.runs.first_spike import search

    changes = _changes(data, preset, config, settings, "the number of the fold does")
    found = _searched(
        *(data, ticks, search.KFOLD, output, force, jobs, cluster, plot),
        lambda parts: search.folds(parts, changes, folds),
    )
    rows = [{k: v for k, v in row.items() if k != "abandoned"} for row in found.rows]
    return Result(VALIDATED, {"folds": rows, "summary": search.summary_of(rows)})


@command.command()
@_samples
@output_option(
    "Folder for grid.json, best.toml, grid.png and runs.", folder=True, default=Path("grid")
)
@jobs_options("Runs")
@plot_option
def grid(
    data: str,
    preset: str | None,
    config: Path | None,
    settings: tuple[str, ...],
    ticks: int | None,
    output: Path,
    force: bool,
    jobs: int,
    cluster: str,
    plot: bool,
) -> Result:
    """Train with every combination of settings.

    A setting that is a list stands for each of its values, as in --set optimizer.ap=[0.01,0.02].
    Runs done before are not repeated, so repeating the command continues it.
    """
    from rsnnctl.runs.first_spike import search

    changes = _changes(data, preset, config, settings, None)
    found = _searched(
        *(data, ticks, search.GRID, output, force, jobs, cluster, plot),
        lambda parts: search.combinations(parts, changes),
    )
    value = {"runs": found.rows, "best": search.best_of(found.rows) + 1}
    return Result(SEARCHED, value | {"file": str(output / search.BEST)})


def _changes(
    data: str,
    preset: str | None,
    config: Path | None,
    settings: tuple[str, ...],
    seed: str | None,
) -> "list[Change]":
    """Settings that were given; `seed` says why that of the settings decides nothing, if so."""
    from rsnn.first_spike.config import gathered
    from rsnn.first_spike.data.parts import DIGITS
    from rsnn.first_spike.presets import DEFAULT
    from rsnnctl.given import check_settings

    if preset is not None and config is not None:
        raise click.UsageError("--preset and --config both give all settings; leave one out")
    if preset is None and config is None:
        if data != DIGITS:
            raise click.UsageError(
                f"the default settings are for digits; name those for {data} by --preset or"
                " --config"
            )
        preset = DEFAULT
    check_settings(settings, (), {} if seed is None else {"trainer.seed": seed})
    return gathered(preset, config, settings)


def _searched(
    data: str,
    ticks: int | None,
    name: str,
    output: Path,
    force: bool,
    jobs: int,
    cluster: str,
    plot: bool,
    planned: Callable[[Any], Any],
) -> Any:
    from rsnn.first_spike.data.parts import load_parts
    from rsnnctl import show
    from rsnnctl.given import refuse
    from rsnnctl.output import owned
    from rsnnctl.runs.first_spike import pictures, search

    if jobs == 1:
        refuse("with one job at a time; add --jobs", "cluster")
    if plot:
        pictures.check()
    parts = load_parts(data, ticks)
    runs = planned(parts)
    endings = (".json", *([".png"] if plot else []))
    results = [output / f"{name}{ending}" for ending in endings]
    if name == search.GRID:
        results.append(output / search.BEST)
    with (
        owned(results, f"first-spike {name}", force=force),
        show.count(len(runs), name) as advance,
    ):
        found = search.run_all(
            runs,
            parts,
            jobs=jobs,
            cluster=cluster,
            output=output,
            name=name,
            advance=advance,
        )
        if plot:
            pictures.draw_curves(found.curves, output / f"{name}.png")
    return found
