"""`rsnnctl map-rate`: a rate network as a spiking one, at the factor that works best."""

from dataclasses import replace
from importlib import import_module
from os import cpu_count
from pathlib import Path

import click

from rsnn.rate.names import FILTERS
from rsnnctl.options import INPUT, ChoiceOf, output_option, seed_option
from rsnnctl.results.kind import Column, Kind, Result, Rows
from rsnnctl.results.metrics import INTERVAL

_ACCURACY = (
    Column("accuracy", "number", "Share of trials that are right."),
    *INTERVAL,
    Column("mean_rate", "number", "Spikes per unit and second.", "Hz"),
)
MAPPED = Kind(
    "mapped",
    "A rate network as a spiking network, and the accuracy of every factor that was tried.",
    (
        Column("file", "text", "Path of the spiking network."),
        Column("digest", "text", "SHA-256 of all but its origin."),
        Column("task", "text", "The task."),
        Column("factor", "number", "What weights were divided by: the best of the curve."),
        Column("converted", "boolean", "The curve's best accuracy is at least 0.95, as published."),
        Rows(
            "curve",
            (
                Column("factor", "number", "What weights are divided by."),
                *_ACCURACY,
            ),
            "One per factor, with the accuracy of each condition.",
            title="curve",
            is_open=True,
        ),
        Rows(
            "fresh",
            (Column("trials", "integer", "Trials that chose nothing."), *_ACCURACY),
            "The best factor again, on fresh trials, because the best of many is too high.",
            title="fresh trials",
            is_open=True,
        ),
    ),
)


@click.command()
@click.argument("model", type=INPUT, required=False)
@click.option(
    "--task",
    type=ChoiceOf(lambda: import_module("rsnn.rate.tasks").tasks()),
    help="Task to solve. Default: the one the network was trained on.",
)
@click.option(
    "--factors",
    help="Factors to divide weights by, as 20,25,30. Default: 20,25,..,75; 4,6,..,26 for softplus"
    " and relu.",
)
@click.option("--trials", default=100, show_default=True, help="Random trials of each factor.")
@click.option(
    "--fresh-trials", default=400, show_default=True, help="Further trials at the best factor."
)
@click.option(
    "--filter",
    type=click.Choice(FILTERS),
    default="double",
    show_default=True,
    help="Exponentials of a synaptic current: with a rise of 2 ms, or without.",
)
@click.option(
    "--refractory/--no-refractory", default=True, help="Let units rest for 2 ms after a spike."
)
@click.option(
    "--noise/--no-noise", default=True, help="Add 0.1 mV of noise to each membrane in each step."
)
@click.option(
    "--downsample",
    default=1,
    show_default=True,
    help="Length of a step, in units of 0.05 ms; inputs are thinned out as much.",
)
@click.option("--threads", type=int, help="Trials at the same time. Default: one per core.")
@seed_option
@output_option(
    "Folder for the spiking network (.lif.h5) and the curve (.curve.png). Default: that of the"
    " model.",
    folder=True,
)
def command(
    model: Path | None,
    task: str | None,
    factors: str | None,
    trials: int,
    fresh_trials: int,
    filter: str,
    refractory: bool,
    noise: bool,
    downsample: int,
    threads: int | None,
    seed: int,
    output: Path | None,
    force: bool,
) -> Result:
    """Map a rate network to a spiking one.

    Recurrent and output weights are divided by one factor; the factor of the highest accuracy is
    chosen.
    """
    from rsnnctl.runs import folders

    chosen = folders.chosen(model, folders.MODEL)

    from base.checks import check_count
    from base.container import read_label
    from rsnn.rate import populations
    from rsnn.rate.file import load_rate, save
    from rsnn.rate.mapping import (
        CONVERTED,
        FACTORS,
        MOST_TRIALS,
        Accuracy,
        parse_factors,
        search,
    )
    from rsnn.rate.spiking import NOISE
    from rsnn.rate.tasks import find_task
    from rsnnctl import show
    from rsnnctl.output import owned
    from rsnnctl.plots.tasks import plot_curve
    from rsnnctl.provenance import provenance

    for name, value in (("trials", trials), ("fresh_trials", fresh_trials)):
        check_count(name, value, MOST_TRIALS)
    network, _ = load_rate(chosen)
    task = task or network.task
    definition = find_task(task, network.n_inputs)
    network = replace(network, task=task)
    tried = FACTORS[network.activation] if factors is None else parse_factors(factors)
    place = output or chosen.parent
    target, picture = (
        place / folders.beside(chosen, ending).name for ending in (".lif.h5", ".curve.png")
    )
    with (
        owned([target, picture], "map-rate", force=force),
        show.count(len(tried) + 1, "map") as advance,
    ):
        found = search(
            network,
            definition,
            tried,
            n_trials=trials,
            n_fresh=fresh_trials,
            seed=seed,
            noise=NOISE if noise else 0.0,
            n_threads=cpu_count() or 1 if threads is None else threads,
            filter=filter,
            downsample=downsample,
            refractory=refractory,
            advance=advance,
        )
        facts = provenance(
            "map-rate",
            model=read_label(chosen).digest,
            task=task,
            factors=list(tried),
            trials=trials,
            noise=noise,
            seed=seed,
        ) | {populations.KEY: populations.populations_of(network)}
        digest = save(found.network, target, facts)
        plot_curve(found, definition, picture)

    def row(accuracy: Accuracy) -> dict[str, float]:
        return accuracy.as_dict() | accuracy.by_condition()

    best = max(each.share for each in found.curve.values())
    return Result(
        MAPPED,
        {
            "file": str(target),
            "digest": digest,
            "task": task,
            "factor": found.network.factor,
            "converted": best >= CONVERTED,
            "curve": [{"factor": factor} | row(each) for factor, each in found.curve.items()],
            "fresh": [{"trials": found.fresh.n_trials} | row(found.fresh)],
        },
    )
