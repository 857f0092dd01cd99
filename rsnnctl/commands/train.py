"""`rsnnctl train`: decoders on recordings, one run per session and seed."""

from dataclasses import fields
from pathlib import Path

import click

from base.checks import check_at_least_one
from rsnn.training.names import DEVICES, KERNELS, PRESETS, RECIPES
from rsnnctl.options import (
    FILE,
    config_option,
    jobs_options,
    json_option,
    resume_option,
    set_option,
)


@click.command()
@click.argument("sessions", type=FILE, nargs=-1)
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
@click.option("--name", default="train", show_default=True, help="Name of the run folder.")
@jobs_options("Runs")
@resume_option
@json_option
def command(
    sessions: tuple[Path, ...],
    preset: str,
    recipe: str | None,
    config: Path | None,
    settings: tuple[str, ...],
    epochs: int | None,
    kernel: str | None,
    device: str | None,
    seeds: str,
    pretrain: bool,
    name: str,
    jobs: int,
    cluster: str,
    resume: bool,
    as_json: bool,
) -> None:
    """Train a decoder on each session.

    Without SESSIONS, a synthetic one of 5 minutes is made.
    """
    from rsnn.training.config import STAGES, Config
    from rsnnctl import show
    from rsnnctl.given import check_settings, given, refuse, refuse_others
    from rsnnctl.runs.jobs import resumable, run_all, start_all

    check_at_least_one("jobs", jobs)
    if jobs == 1:
        refuse("with one job at a time; add --jobs", "cluster")
    if resume:
        refuse_others(
            "beside --resume, which goes on as the run was started",
            *("resume", "jobs", "cluster", "as_json"),
        )
        folders = resumable()
    else:
        used = [field.name for field in fields(Config) if pretrain or field.name != "pretraining"]
        decided = {f"{stage}.seed": "`seeds` decides" for stage in STAGES}
        if epochs is not None:
            decided["training.epochs"] = "`epochs` decides"
        check_settings(settings, used, decided)
        folders = start_all(
            sessions=sessions,
            preset=preset if given("preset") else None,
            recipe=recipe,
            config=config,
            settings=settings,
            epochs=epochs,
            kernel=kernel,
            device=device,
            seeds=seeds,
            pretrain=pretrain,
            name=name,
        )
    show.print_rows(run_all(folders, n_jobs=jobs, cluster=cluster), as_json=as_json)
