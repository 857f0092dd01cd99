"""`rsnnctl prune`: a model without its smallest weights."""

from pathlib import Path

import click

from rsnn.training.names import DEVICES
from rsnnctl.options import (
    config_option,
    model_argument,
    output_option,
    resume_option,
    session_option,
    set_option,
)
from rsnnctl.results.files import STDOUT
from rsnnctl.results.kind import Column, Kind, Result, Rows

PRUNED = Kind(
    "pruned",
    "A pruned model.",
    (
        Rows(
            "attempts",
            (
                Column("fraction", "number", "Pruned fraction of each matrix; 0 is unpruned."),
                Column("train_r2", "number?", "R2 on the train part."),
                Column("validation_r2", "number?", "R2 on the validation part."),
                Column("is_accepted", "boolean", "R2 is within tolerance of the unpruned."),
            ),
            "One per fraction that was tried; empty if it was given.",
            title="fractions that were tried",
        ),
        Column("fraction", "number", "Pruned fraction of each matrix."),
        Column("weights", "integer", "Number of weights."),
        Column("zero_weights_before", "integer", "Weights that were zero before."),
        Column("zero_weights", "integer", "Weights that are zero."),
        Column("epochs", "integer", "Epochs of retraining; 0 if no fraction was accepted."),
        Column("best_epoch", "integer", "Epoch whose parameters were kept."),
        Column("validation_r2", "number?", "R2 on the validation part after retraining."),
        Column("file", "text", "Path of the pruned model."),
    ),
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
@session_option
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
    session: Path | None,
    resume: bool,
) -> Result:
    """Prune a model and train the rest again.

    The smallest weights of each matrix are pruned.
    """
    from rsnnctl.runs import folders

    unpruned = folders.chosen_unpruned(model)

    from base.lock import only_writer
    from base.ownership import record
    from rsnnctl import show
    from rsnnctl.given import check_settings
    from rsnnctl.output import destination, owned
    from rsnnctl.runs import lineage
    from rsnnctl.runs.pruning import check_resumable, overwritten, prune_run, settings_for

    source = lineage.used(unpruned, stale=stale)
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
        only_writer(source.parent, "rsnnctl prune"),
        destination(output, source.with_name(folders.MODEL)) as target,
        owned(overwritten(source, target, fraction), "prune", force=force),
    ):
        with show.epochs(chosen.retraining.epochs, "prune") as report:
            value = prune_run(
                source,
                chosen,
                fraction=fraction,
                session_path=session,
                output=target,
                resume=resume,
                report=report,
            )
        record([target], "prune")
    value["file"] = str(output or target)
    return Result(PRUNED, value, on_stderr=output == STDOUT)
