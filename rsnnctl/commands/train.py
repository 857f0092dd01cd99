"""`rsnnctl train`: decoders on recordings, rate networks on tasks; one run per seed."""

from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from base.checks import check_count
from rsnn.training.names import DEVICES, KERNELS, PRESETS, RECIPES
from rsnnctl.commands.first_spike import TRAINED_ON_SAMPLES
from rsnnctl.options import (
    INPUT,
    ChoiceOf,
    config_option,
    jobs_options,
    new_folder_option,
    resume_option,
    set_option,
)
from rsnnctl.results.kind import Column, Kind, Result, Rows

_FIGURES = (
    Column("validation_r2", "number?", "R2 on the validation part."),
    Column("test_r2", "number?", "R2 on the test part."),
    Column("connection_sparsity", "number", "Share of weights that are zero."),
    Column("activation_sparsity", "number", "Share of hidden neurons and steps without a spike."),
)
TRAINED = Kind(
    "trained",
    "Runs that were trained.",
    (
        Rows(
            "runs",
            (
                Column("run", "text", "Name of the run's folder."),
                Column("session", "text", "Name of the recording."),
                Column("seed", "integer", "Seed of all random numbers."),
                Column("epochs", "integer", "Epochs of the last stage."),
                Column("best_epoch", "integer", "Epoch whose parameters were kept."),
                *_FIGURES,
            ),
            "One per session and seed.",
        ),
        Rows(
            "summary",
            (
                Column("statistic", "text", "`mean` or `sd`, the standard deviation."),
                Column("session", "text", "Name of the recording."),
                *_FIGURES,
            ),
            "Over the seeds of each session that has several.",
            title="over seeds",
        ),
    ),
)
_TASK_FIGURES = (
    Column("trials", "number", "Trials of training, one update each."),
    Column("mean_loss", "number", "Mean loss of the last evaluation, of 100 fresh trials."),
    Column("right", "number", "Share of those trials that are right."),
)
TRAINED_ON_TASK = Kind(
    "trained-on-task",
    "Rate networks that were trained.",
    (
        Rows(
            "runs",
            (
                Column("run", "text", "Name of the run's folder."),
                Column("task", "text", "Name of the task."),
                Column("units", "integer", "Units of the network."),
                Column("seed", "integer", "Seed of all random numbers."),
                *_TASK_FIGURES,
                Column("done", "boolean", "The published rule to stop was met.", false="no"),
            ),
            "One per seed.",
        ),
        Rows(
            "summary",
            (
                Column("statistic", "text", "`mean` or `sd`, the standard deviation."),
                Column("task", "text", "Name of the task."),
                Column("units", "integer", "Units of the network."),
                *_TASK_FIGURES,
            ),
            "Over the seeds of networks of as many units.",
            title="over seeds",
        ),
    ),
)
_OF_SESSIONS = ("sessions", "more", "preset", "recipe", "epochs", "kernel", "device", "pretrain")
"""Parameters that have no effect with --task."""


@click.command()
@click.argument("sessions", type=INPUT, nargs=-1)
@click.option(
    "--session",
    "more",
    type=INPUT,
    multiple=True,
    help="Recording (.mat), repeatable; the same as one of SESSIONS.",
)
@click.option(
    "--task",
    type=ChoiceOf(lambda: import_module("rsnn.rate.tasks").tasks()),
    help="Train a rate network on this task, in place of a decoder on SESSIONS.",
)
@click.option("--units", type=int, help="Units of a rate network. Default: 200.")
@click.option(
    "--model",
    "preset",
    type=click.Choice(PRESETS),
    default="tiny",
    show_default=True,
    help="Preset of the network.",
)
@click.option(
    "--recipe",
    type=click.Choice(RECIPES),
    help="Recipe of the training. Default: published; short without SESSIONS.",
)
@config_option
@set_option
@click.option("--epochs", type=int, help="Epochs of training. Default: those of the recipe.")
@click.option(
    "--kernel",
    type=click.Choice(KERNELS),
    help="Code that computes a step; torch is the definition. Default: numba; cuda on cuda.",
)
@click.option("--device", type=click.Choice(DEVICES), help="Device to train on. Default: cpu.")
@click.option(
    "--seeds", default="1", show_default=True, help="Seeds, one run each: 3, or 1,4, or 1..5."
)
@click.option(
    "--pretrain", is_flag=True, help="Train on all SESSIONS together first, then on each alone."
)
@click.option("--name", help="Name of the run's folder in runs. Default: train.")
@new_folder_option("Folder of the run, or of all if there are several. Default: runs/train.")
@jobs_options("Runs")
@resume_option
def command(
    sessions: tuple[Path, ...],
    more: tuple[Path, ...],
    task: str | None,
    units: int | None,
    preset: str,
    recipe: str | None,
    config: Path | None,
    settings: tuple[str, ...],
    epochs: int | None,
    kernel: str | None,
    device: str | None,
    seeds: str,
    pretrain: bool,
    name: str | None,
    output: Path | None,
    jobs: int,
    cluster: str,
    resume: bool,
) -> Result:
    """Train decoders on sessions, rate networks on tasks.

    Without SESSIONS and --task, a synthetic session of 5 minutes is made. A rate network is trained
    until 100 fresh trials meet the published rule; one that never does is kept too, with a warning.
    """
    from rsnn.training.config import STAGES, Config
    from rsnnctl.given import check_settings, given, refuse, refuse_others
    from rsnnctl.runs.cluster import MOST_JOBS
    from rsnnctl.runs.first_spike import training as first_spike
    from rsnnctl.runs.jobs import parse_seeds, resumable, run_all, start_all, work_of
    from rsnnctl.runs.rate import training as rate_training
    from rsnnctl.show import say_at_end

    check_count("jobs", jobs, MOST_JOBS)
    if jobs == 1:
        refuse("with one job at a time; add --jobs", "cluster")
    if name is not None and output is not None:
        raise click.UsageError("--name is that of a folder in runs; leave it out with --output")
    if resume:
        refuse_others(
            "beside --resume, which continues the run as it was started",
            *("resume", "jobs", "cluster", "output", "output_format", "output_json"),
        )
        folders = resumable(output)
    elif task is not None:
        refuse("with --task", *_OF_SESSIONS)
        decided = {"training.seed": "`seeds` decides"}
        if units is not None:
            decided["network.units"] = "`units` decides"
        check_settings(settings, ("network", "training"), decided)
        folders = rate_training.start_all(
            task,
            units=units,
            config=config,
            settings=settings,
            seeds=parse_seeds(seeds),
            name="train" if name is None else name,
            output=output,
        )
    else:
        refuse("without --task", "units")
        used = [field.name for field in fields(Config) if pretrain or field.name != "pretraining"]
        decided = {f"{stage}.seed": "`seeds` decides" for stage in STAGES}
        if epochs is not None:
            decided["training.epochs"] = "`epochs` decides"
        check_settings(settings, used, decided)
        folders = start_all(
            sessions=(*sessions, *more),
            preset=preset if given("preset") else None,
            recipe=recipe,
            config=config,
            settings=settings,
            epochs=epochs,
            kernel=kernel,
            device=device,
            seeds=seeds,
            pretrain=pretrain,
            name="train" if name is None else name,
            output=output,
        )
    rows, summary = run_all(folders, n_jobs=jobs, cluster=cluster, are_new=not resume)
    value = {"runs": rows, "summary": summary}
    if folders and work_of(folders) is rate_training.WORK:
        for row in reversed(rows):  # what is to be said last comes first
            if not row["done"]:
                say_at_end(_untrained(row))
        return Result(TRAINED_ON_TASK, value)
    if folders and work_of(folders) is first_spike.WORK:  # resumed
        return Result(TRAINED_ON_SAMPLES, value)
    return Result(TRAINED, value)


def _untrained(row: dict[str, Any]) -> str:
    return (
        f"Warning: {row['run']}: did not meet the rule to stop within {row['trials']} trials, so"
        " the network counts as untrained; train longer, or with another seed"
    )
