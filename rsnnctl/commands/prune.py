"""`rsnnctl prune`: a model without its smallest weights."""

from pathlib import Path

import click

from rsnn.training.names import DEVICES
from rsnnctl.options import (
    config_option,
    model_argument,
    output_option,
    resume_option,
    set_option,
)


@click.command()
@model_argument
@click.option(
    "--fraction", type=float, help="Fraction of each matrix to prune. Default: search for it."
)
@config_option
@set_option
@click.option(
    "--epochs", type=int, help="Epochs of retraining. Default: those of the run's settings."
)
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    help="Device to train on. Default: that of the run's settings.",
)
@output_option("Pruned model (.rsnn.h5). Default: it replaces the run's.")
@resume_option
def command(
    model: Path | None,
    stale: bool,
    fraction: float | None,
    config: Path | None,
    settings: tuple[str, ...],
    epochs: int | None,
    device: str | None,
    output: Path | None,
    force: bool,
    resume: bool,
) -> None:
    """Prune a model and train the rest again.

    The smallest weights of each matrix are pruned.
    """
    from base.ownership import record
    from rsnnctl import show
    from rsnnctl.given import check_settings
    from rsnnctl.output import destination, owned
    from rsnnctl.runs import folders, lineage
    from rsnnctl.runs.pruning import (
        check_resumable,
        overwritten,
        prune_run,
        settings_for,
        source_of,
    )

    source = lineage.used(source_of(model), stale=stale)
    used = ("retraining",) if fraction is not None else ("retraining", "pruning")
    options = {"epochs": epochs, "device": device}
    decided = {
        f"retraining.{name}": f"`{name}` decides"
        for name, value in options.items()
        if value is not None
    }
    check_settings(settings, used, decided)
    chosen = settings_for(source, config=config, settings=settings, epochs=epochs, device=device)
    if resume:
        check_resumable(source)
    with (
        destination(output, source.with_name(folders.MODEL)) as target,
        owned(overwritten(source, target, fraction), "prune", force=force),
    ):
        with show.epochs(chosen.retraining.epochs, "prune") as report:
            prune_run(
                source, chosen, fraction=fraction, output=target, resume=resume, report=report
            )
        record([target], "prune")
        click.echo(output or target)
