"""`rsnnctl explore`: the cost of every combination of widths and sparsity of one model."""

from pathlib import Path

import click

from rsnnctl.options import (
    config_option,
    jobs_options,
    model_argument,
    output_option,
    session_option,
    set_option,
)
from rsnnctl.results.kind import Column, Kind, Result, Rows

EXPLORED = Kind(
    "explored",
    "Networks of one model, and what each costs.",
    (
        Rows(
            "networks",
            (
                Column("bits", "integer", "Bits of a weight."),
                Column("decay_bits", "integer", "Bits of a decay."),
                Column("sparsity", "number", "Share of weights that are zero."),
                Column("test_r2", "number?", "R2 on the test part."),
                Column("stored_bits", "integer", "Bits that all parameters take.", "bits"),
                Column("energy_pj", "number", "Estimated energy per step.", "pJ"),
                Column("effective_acs", "number", "Accumulates that remain.", "per step"),
                Column("digest", "text", "First 12 digits of the network's digest."),
                Column("pareto", "boolean", "No other is as good in all and better in one."),
            ),
            "One per combination of widths and sparsity.",
        ),
    ),
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
@output_option(
    "Folder for explore.json, explore.png and explore. Default: that of the model.", folder=True
)
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
    output: Path | None,
    force: bool,
) -> Result:
    """Sweep widths and sparsity of a model.

    Show the cost of each combination and mark the Pareto front. Networks measured before are not
    made again, so repeating the command continues it.
    """
    from rsnnctl.runs import folders

    chosen = folders.chosen(model, folders.MODEL)

    from rsnnctl import show
    from rsnnctl.given import check_settings
    from rsnnctl.output import owned
    from rsnnctl.runs import lineage
    from rsnnctl.runs.exploring import PICTURE, TABLE, explore, parse_choices
    from rsnnctl.runs.quantizing import QAT_DECIDED, settings_for

    if qat_epochs is not None:
        check_settings(settings, ("qat",), QAT_DECIDED)
    source = lineage.used(chosen, stale=stale)
    choices = parse_choices(bits, decay_bits, sparsity)
    results = [(output or source.parent) / name for name in (TABLE, PICTURE)]
    with (
        folders.writing(source.parent, "rsnnctl explore"),
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
            output=output,
            advance=advance,
        )
    return Result(EXPLORED, {"networks": rows})
