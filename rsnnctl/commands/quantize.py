"""`rsnnctl quantize`: a float model as an integer network, and the cost of each step."""

from dataclasses import replace
from os import cpu_count
from pathlib import Path

import click

from export.quantization.precision import SCALES, Precision
from rsnn.rate.names import INTEGER_STEP
from rsnnctl.options import (
    INPUT,
    config_option,
    model_argument,
    output_option,
    resume_option,
    samples_option,
    seed_option,
    set_option,
    told,
)
from rsnnctl.results.files import STDOUT
from rsnnctl.results.kind import Column, Kind, Result, Rows
from rsnnctl.results.metrics import INTERVAL

_NETWORK = (
    Column("digest", "text", "Digest of the network."),
    Column("weights", "integer", "Number of weights."),
    Column("zero_weights", "integer", "Weights that are zero."),
    Column("weight_bits", "integer", "Bits of a weight."),
    Column("syn_bits", "integer", "Bits of the synaptic current."),
    Column("mem_bits", "integer", "Bits of the membrane."),
    Column("cannot_overflow", "boolean", "It is proven.", false="not proven"),
    Column("stored_bits", "integer", "Bits that all parameters take."),
    Column("encoding", "text", "How the weights are stored for that."),
    Column("file", "text", "Path of the network."),
)
QUANTIZED = Kind(
    "quantized",
    "An integer network, and the cost of each step towards it.",
    (
        Rows(
            "ledger",
            (
                Column("step", "text", "The part that becomes integer, beside those before."),
                Column("r2_float", "number?", "R2 against the output of the float32 model."),
                Column("r2_task", "number?", "R2 against the recorded velocity."),
                Column("rate_ratio", "number?", "Hidden spikes over those of the float32 model."),
                Column("silent", "integer", "Hidden neurons that fire in float32 only."),
                Column("remark", "text", "The worst change, or what to do about it."),
            ),
            "One per step, on held-out calibration data.",
            title="what each step costs on held-out calibration data",
        ),
        *_NETWORK,
        Column("cautions", "texts", "What makes the network worse than it could be.", hidden=True),
    ),
)
QUANTIZED_SPIKING = Kind(
    "quantized-spiking",
    "A spiking network of a task as integers, and its accuracy before and after.",
    (
        Rows(
            "ledger",
            (
                Column("step", "text", "The network: as mapped, without noise, or integers."),
                Column("accuracy", "number", "Share of trials that are right."),
                *INTERVAL,
                Column("mean_rate", "number", "Spikes per unit and second.", "Hz"),
                Column(
                    "out_error",
                    "number?",
                    "Root mean square difference of the output to that without noise.",
                ),
            ),
            "One per network, on the same trials, with the accuracy of each condition.",
            title="accuracy on the same trials",
            is_open=True,
        ),
        *_NETWORK,
        Column("task", "text", "The task."),
        Column("frac_bits", "integer", "Bits of a state below one weight unit."),
        Column("refractory_steps", "integer", "Steps a unit rests after a spike."),
    ),
)
QUANTIZED_FIRST_SPIKE = Kind(
    "quantized-first-spike",
    "A first-spike network as integers, and its accuracy before and after.",
    (
        Rows(
            "ledger",
            (
                Column("step", "text", "The network: as trained, in exact semantics, or integers."),
                Column("accuracy", "number", "Share of samples that are right."),
                *INTERVAL,
                Column("same_class", "number", "Share of samples with the class as trained."),
                Column("same_spikes", "number", "Share of first spikes in the tick as trained."),
                Column("decision_tick", "number", "Mean tick of the first spike of a sample."),
            ),
            "One per network, on the same samples.",
            title="accuracy on the same samples",
        ),
        *_NETWORK,
        Column("samples", "text", "The samples, of which the test part is measured."),
        Column("frac_bits", "integer", "Bits of a state below one weight unit."),
    ),
)
_DECODERS = ("session", "qat_epochs", "config", "settings", "resume")
_ON_TRIALS = ("trials", "seed")


@click.command()
@model_argument
@click.option("--bits", default=8, show_default=True, help="Bits of a weight, 2 to 16.")
@click.option(
    "--bits-in",
    type=int,
    help="Bits of weights from the input or the layer below. Default: --bits.",
)
@click.option("--bits-rec", type=int, help="Bits of recurrent weights. Default: --bits.")
@click.option("--bits-out", type=int, help="Bits of readout weights. Default: --bits.")
@click.option("--decay-bits", default=12, show_default=True, help="Bits of a decay, 1 to 16.")
@click.option(
    "--frac-bits",
    default=6,
    show_default=True,
    help="Bits of a state below one weight unit, 0 to 16. For spiking networks of a task: 8 less"
    " --bits, at least 0. For first-spike networks: 0.",
)
@click.option(
    "--syn-bits",
    type=int,
    help="Bits of the synaptic current. Default: the fewest that cannot overflow.",
)
@click.option(
    "--mem-bits", type=int, help="Bits of the membrane. Default: the fewest that cannot overflow."
)
@click.option(
    "--scale",
    type=click.Choice(SCALES),
    default="mse",
    show_default=True,
    help="How the scale of the weights is chosen.",
)
@click.option(
    "--percentile",
    default=99.0,
    show_default=True,
    help="Percentile of the absolute weights, with --scale percentile.",
)
@click.option("--per-layer", is_flag=True, help="One scale per matrix instead of one per neuron.")
@click.option(
    "--session",
    "--calibration",
    "session",
    type=INPUT,
    help="Recording (.mat) or raster to calibrate on. Default: the run's recording.",
)
@click.option(
    "--dt",
    type=float,
    help="Length of a step in s: of a spiking network of a task, by default"
    f" {INTEGER_STEP:g}, or a tick of a first-spike network, by default 0.001.",
)
@click.option(
    "--trials",
    default=100,
    show_default=True,
    help="Random trials of a task that measure each step.",
)
@samples_option
@seed_option
@click.option(
    "--qat-epochs", type=int, help="Epochs of quantization-aware training. Default: none."
)
@config_option
@set_option
@resume_option
@output_option("Integer network (.int.h5). Default: beside the model.")
def command(
    model: Path | None,
    stale: bool,
    bits: int,
    bits_in: int | None,
    bits_rec: int | None,
    bits_out: int | None,
    decay_bits: int,
    frac_bits: int,
    syn_bits: int | None,
    mem_bits: int | None,
    scale: str,
    percentile: float,
    per_layer: bool,
    session: Path | None,
    dt: float | None,
    trials: int,
    samples: str | None,
    seed: int,
    qat_epochs: int | None,
    config: Path | None,
    settings: tuple[str, ...],
    resume: bool,
    output: Path | None,
    force: bool,
) -> Result:
    """Turn a float model into an integer network.

    A table shows the cost of each step. Of a rate network, the spiking network that `map-rate` made
    of it is quantized. A first-spike network gets one scale for all weights.
    """
    from rsnnctl.runs import folders

    found = folders.chosen(model, folders.MODEL)

    from base.checks import check_count, check_seed
    from export.quantize_first_spike import check_tick
    from export.quantize_lif import frac_bits_for, steps_per_column
    from rsnn.rate.mapping import MOST_TRIALS
    from rsnnctl import show
    from rsnnctl.given import check_settings, given, refuse
    from rsnnctl.output import destination, owned
    from rsnnctl.runs import lineage
    from rsnnctl.runs.quantizing import (
        QAT_DECIDED,
        QAT_LOG,
        check_resumable,
        quantize_file,
        settings_for,
    )
    from rsnnctl.runs.rate.quantizing import spiking_source
    from rsnnctl.runs.sorts import FIRST_SPIKE, sort_of

    if dt is not None:
        check_tick(dt)
    check_count("trials", trials, MOST_TRIALS)
    check_seed(seed)
    spiking = spiking_source(found)
    first_spike = sort_of([found]) == FIRST_SPIKE
    source = lineage.used(spiking or found, stale=stale)
    if scale != "percentile":
        refuse("without --scale percentile", "percentile")
    if None not in (bits_in, bits_rec, bits_out):
        refuse("beside --bits-in, --bits-rec and --bits-out", "bits")
    precision = Precision(
        bits=bits,
        bits_in=bits_in,
        bits_rec=bits_rec,
        bits_out=bits_out,
        decay_bits=decay_bits,
        frac_bits=frac_bits,
        syn_bits=syn_bits,
        mem_bits=mem_bits,
        scale=scale,
        percentile=percentile,
        per_layer=per_layer,
    )
    if spiking is not None:
        refuse(
            "on the spiking network of a task, which is measured on trials", *_DECODERS, "samples"
        )
        if not given("frac_bits"):
            precision = replace(precision, frac_bits=frac_bits_for(precision.width("rec")))
        dt = INTEGER_STEP if dt is None else dt
        steps_per_column(dt)
        return _spiking(source, precision, dt, trials, seed, output, force)
    if first_spike:
        refuse("on a first-spike network, which is measured on samples", *_DECODERS, *_ON_TRIALS)
        refuse("on a first-spike network, which has one layer of inputs", "bits_rec", "bits_out")
        if not given("frac_bits"):
            precision = replace(precision, frac_bits=0)
        return _first_spike(source, precision, dt, samples, output, force)
    refuse("on a decoder, which is measured on a recording", "dt", "samples", *_ON_TRIALS)
    if qat_epochs is None:
        refuse("without --qat-epochs", "resume")
    else:
        check_settings(settings, ("qat",), QAT_DECIDED)
    chosen = settings_for(source, config, settings, qat_epochs)
    if resume:
        check_resumable(source, precision)

    def logs(target: Path) -> list[Path]:
        return [] if chosen is None else [folders.beside(target, QAT_LOG)]

    with (
        folders.writing(source.parent, "rsnnctl quantize"),
        destination(output, folders.beside(source, ".int.h5")) as target,
        owned([target, *logs(target)], "quantize", force=force),
        show.epochs(chosen.qat.epochs if chosen else 0, "quantize") as report,
    ):
        done = quantize_file(
            source,
            precision,
            chosen,
            calibration=session,
            output=target,
            resume=resume,
            report=report,
        )
    facts = done.facts() | {"file": str(output or target)}
    ledger = [row | {"remark": told(row["remark"])} for row in done.ledger]
    cautions = [told(caution) for caution in done.cautions]
    for caution in cautions:
        show.say(f"Warning: {caution}")
    value = {"ledger": ledger, **facts, "cautions": cautions}
    return Result(QUANTIZED, value, on_stderr=output == STDOUT)


def _spiking(
    source: Path,
    precision: Precision,
    dt: float,
    trials: int,
    seed: int,
    output: Path | None,
    force: bool,
) -> Result:
    """Quantize the spiking network of a task."""
    from rsnnctl import show
    from rsnnctl.output import destination, owned
    from rsnnctl.runs import folders
    from rsnnctl.runs.rate.quantizing import STEPS, quantize_spiking

    with (
        folders.writing(source.parent, "rsnnctl quantize"),
        destination(output, folders.beside(source, ".int.h5")) as target,
        owned([target], "quantize", force=force),
        show.count(len(STEPS), "quantize") as advance,
    ):
        done = quantize_spiking(
            source,
            precision,
            dt=dt,
            n_trials=trials,
            seed=seed,
            n_threads=cpu_count() or 1,
            output=target,
            advance=advance,
        )
    contract = done.network.contract
    value = {
        "ledger": done.ledger,
        **done.facts(),
        "file": str(output or target),
        "task": done.network.metadata["task"],
        "frac_bits": contract.frac_bits,
        "refractory_steps": contract.refractory_steps,
    }
    return Result(QUANTIZED_SPIKING, value, on_stderr=output == STDOUT)


def _first_spike(
    source: Path,
    precision: Precision,
    dt: float | None,
    samples: str | None,
    output: Path | None,
    force: bool,
) -> Result:
    """Quantize a first-spike network."""
    from rsnnctl.output import destination, owned
    from rsnnctl.runs import folders
    from rsnnctl.runs.first_spike.quantizing import STEP, quantize_file

    with (
        folders.writing(source.parent, "rsnnctl quantize"),
        destination(output, folders.beside(source, ".int.h5")) as target,
        owned([target], "quantize", force=force),
    ):
        done = quantize_file(
            source, precision, dt=STEP if dt is None else dt, samples=samples, output=target
        )
    value = {
        "ledger": done.ledger,
        **done.facts(),
        "file": str(output or target),
        "samples": done.samples,
        "frac_bits": done.network.contract.frac_bits,
    }
    return Result(QUANTIZED_FIRST_SPIKE, value, on_stderr=output == STDOUT)
