"""`rsnnctl train`: decoders on recordings, one run per session and seed."""

from dataclasses import fields
from pathlib import Path

import click

from base.checks import check_count
from rsnn.training.names import DEVICES, KERNELS, PRESETS, RECIPES
from rsnnctl.options import (
    INPUT,
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
    help="Code that computes a step; torch is the definition. Default: numba; torch on cuda.",
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
    """Train a decoder on each session.

    Without SESSIONS, a synthetic one of 5 minutes is made.
    """
    from rsnn.training.config import STAGES, Config
    from rsnnctl.given import check_settings, given, refuse, refuse_others
    from rsnnctl.runs.cluster import MOST_JOBS
    from rsnnctl.runs.jobs import resumable, run_all, start_all

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
    else:
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
    return Result(TRAINED, {"runs": rows, "summary": summary})
