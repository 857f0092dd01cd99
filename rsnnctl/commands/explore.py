"""`rsnnctl explore`: the cost of every combination of widths and sparsity of one model."""

from pathlib import Path

import click

from rsnnctl.options import (
    config_option,
    force_option,
    jobs_options,
    json_option,
    model_argument,
    session_option,
    set_option,
)


@click.command()
@model_argument
@click.option(
    "--bits", default="3..8", show_default=True, help="Bits of a weight: 8, or 3,4, or 3..8."
)
@click.option(
    "--decay-bits", default="12", show_default=True, help="Bits of a decay, as for --bits."
)
@click.option(
    "--sparsity",
    default="0",
    show_default=True,
    help="Smallest fractions of weights that are zero: 0,0.5.",
)
@click.option(
    "--qat-epochs",
    type=int,
    help="Epochs of quantization-aware training of each network. Default: none.",
)
@session_option
@config_option
@set_option
@jobs_options("Networks")
@force_option
@json_option
def command(
    model: Path | None,
    stale: bool,
    bits: str,
    decay_bits: str,
    sparsity: str,
    qat_epochs: int | None,
    session: Path | None,
    config: Path | None,
    settings: tuple[str, ...],
    jobs: int,
    cluster: str,
    force: bool,
    as_json: bool,
) -> None:
    """Sweep widths and sparsity of a model.

    Show the cost of each combination and mark the Pareto front. Networks measured before are not
    made again, so repeating the command continues it.
    """
    from rsnnctl import show
    from rsnnctl.given import check_settings
    from rsnnctl.output import owned
    from rsnnctl.runs import folders, lineage
    from rsnnctl.runs.exploring import PICTURE, TABLE, explore, parse_choices
    from rsnnctl.runs.quantizing import QAT_DECIDED, settings_for

    if qat_epochs is not None:
        check_settings(settings, ("qat",), QAT_DECIDED)
    source = lineage.used(folders.chosen(model, folders.MODEL), stale=stale)
    choices = parse_choices(bits, decay_bits, sparsity)
    results = [source.with_name(name) for name in (TABLE, PICTURE)]
    with (
        owned(results, "explore", force=force),
        show.count(len(choices), "explore") as advance,
    ):
        rows = explore(
            source,
            choices,
            config=settings_for(source, config, settings, qat_epochs),
            session=session,
            jobs=jobs,
            cluster=cluster,
            advance=advance,
        )
    show.print_rows(rows, as_json=as_json)
