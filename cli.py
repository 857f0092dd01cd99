"""rsnnctl: one thin command per function. Parse, call, print; heavy imports inside the commands."""

import logging
import sys
from pathlib import Path

import click

from base.errors import RsnnError
from rsnnctl import __version__
from rsnnctl.commands import hardware, interchange, recordings
from rsnnctl.commands.options import (
    FILE,
    json_option,
    layout_option,
    output_option,
    session_option,
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rsnnctl")
@click.option("-v", "--verbose", is_flag=True, help="Show where an error was raised.")
def rsnnctl(verbose: bool) -> None:
    """From a trained recurrent spiking network to a chip, with every bit defined and checked.

    Commands given no path work on the newest run, so this works in sequence:
    train, quantize --bits 8, export-nir, simulate, verify.
    """
    logging.basicConfig()
    logging.getLogger("rsnnctl").setLevel(logging.DEBUG if verbose else logging.WARNING)


for part in (hardware, interchange, recordings):
    rsnnctl.commands.update(part.commands.commands)


def main() -> None:
    """Entry point: one line and exit 1 for every error that a user can mend."""
    try:
        rsnnctl(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except RsnnError as error:
        logging.getLogger("rsnnctl").debug("raised here", exc_info=error)
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted; nothing half-written was kept (see --resume).", err=True)
        sys.exit(130)


config_option = click.option("--config", type=FILE, help="TOML file with settings.")
set_option = click.option("--set", "settings", multiple=True, help="section.name=value.")
resume_option = click.option("--resume", is_flag=True, help="Go on with what was interrupted.")


@rsnnctl.command()
@click.argument("sessions", type=FILE, nargs=-1)
@click.option("--model", default="tiny", show_default=True, help="Preset: tiny or big.")
@click.option("--recipe", help="published or short. Default: published; short without SESSIONS.")
@config_option
@set_option
@click.option("--epochs", type=int, help="Of training. Default: those of the recipe.")
@click.option("--kernel", help="numba or torch, the definition. Default: numba; torch on cuda.")
@click.option("--device", help="cpu or cuda. Default: cpu.")
@click.option("--seeds", default="1", show_default=True, help="One, or 1,4 or 1..5: a run each.")
@click.option("--pretrain", is_flag=True, help="On all SESSIONS together, before each by itself.")
@click.option("--name", default="train", show_default=True, help="Of the run folder.")
@click.option("--jobs", default=1, show_default=True, help="Runs at a time.")
@click.option("--backend", default="loky", show_default=True, help="loky, dask or ray.")
@resume_option
@json_option
def train(resume: bool, as_json: bool, jobs: int, backend: str, **options) -> None:
    """Train a decoder on each of SESSIONS, or on a synthetic one of 5 minutes made for it."""
    from rsnnctl import show
    from rsnnctl.runs import jobs as step

    step.check_jobs(jobs, backend)
    folders = step.resumable() if resume else step.start_all(**options)
    rows = step.run_all(folders, n_jobs=jobs, backend=backend)
    show.print_json(rows) if as_json else show.print_table(rows)


@rsnnctl.command()
@click.argument("model", type=FILE, required=False)
@click.option("--fraction", type=float, help="Of each matrix that goes. Default: search for it.")
@config_option
@set_option
@click.option("--epochs", type=int, help="Of retraining. Default: those of the run's settings.")
@click.option("--device", help="cpu or cuda. Default: that of the run's settings.")
@click.option("-o", "--output", type=FILE, help="Model (.rsnn.h5); default: replace the run's.")
@resume_option
def prune(
    model: Path | None, fraction: float | None, output: Path | None, resume: bool, **options
) -> None:
    """Prune a model's smallest weights and train the rest again."""
    from rsnnctl import show
    from rsnnctl.steps import prune as step

    source = step.source_of(model)
    chosen = step.settings_for(source, **options)
    with show.epochs(chosen.retraining.epochs, "prune") as report:
        path = step.prune_run(
            source, chosen, fraction=fraction, output=output, resume=resume, report=report
        )
    click.echo(path)


@rsnnctl.command()
@click.argument("model", type=FILE, required=False)
@click.option("--bits", default=8, show_default=True, help="Width of a weight, 2 to 16.")
@click.option("--bits-in", type=int, help="Of weights from the input or the layer below.")
@click.option("--bits-rec", type=int, help="Of recurrent weights.")
@click.option("--bits-out", type=int, help="Of readout weights.")
@click.option("--decay-bits", default=12, show_default=True, help="Of a decay factor, 1 to 16.")
@click.option("--frac-bits", default=6, show_default=True, help="Below one weight step, 0 to 16.")
@click.option("--syn-bits", type=int, help="Synaptic current. Default: none that can overflow.")
@click.option("--mem-bits", type=int, help="Membrane. Default: none that can overflow.")
@click.option("--scale", default="mse", show_default=True, help="Or max, or percentile.")
@click.option("--percentile", default=99.0, show_default=True, help="Of absolute weights.")
@click.option("--per-layer", is_flag=True, help="One scale a matrix, not one a neuron.")
@click.option("--calibration", type=FILE, help="Recording (.mat) or raster; default: the run's.")
@click.option("--qat-epochs", type=int, help="Train on in the integers for so long.")
@config_option
@set_option
@resume_option
@output_option("Integer network (.int.h5)")
@json_option
def quantize(model: Path | None, as_json: bool, **options) -> None:
    """Turn a float model into an integer network, and say what each step of that costs."""
    from rsnnctl import show
    from rsnnctl.runs import folders
    from rsnnctl.steps.quantize import quantize_with

    done = quantize_with(model or folders.default_file(folders.MODEL), **options)
    if as_json:
        show.print_json(done.as_dict())
    else:
        show.print_table(done.ledger, "what each step costs on held-out calibration data")
        show.print_facts(done.facts())
    for caution in done.cautions:
        show.say(f"Warning: {caution}")


@rsnnctl.command()
@click.argument("model", type=FILE, required=False)
@click.option("--bits", default="3..8", show_default=True, help="Of weights: 8, 3,4 or 3..8.")
@click.option("--decay-bits", default="12", show_default=True, help="The same for decay factors.")
@click.option("--sparsity", default="0", show_default=True, help="Zero weights at least: 0,0.5.")
@click.option("--qat-epochs", type=int, help="Train each in the integers for so long.")
@session_option
@config_option
@set_option
@click.option("--jobs", default=1, show_default=True, help="Networks at a time.")
@click.option("--backend", default="loky", show_default=True, help="loky, dask or ray.")
@json_option
def explore(model: Path | None, as_json: bool, **options) -> None:
    """Sweep widths and sparsity; show what each combination costs. Repeat it to go on."""
    from rsnnctl import show
    from rsnnctl.runs import folders
    from rsnnctl.steps.explore import explore_file

    rows = explore_file(model or folders.default_file(folders.MODEL), **options)
    show.print_json(rows) if as_json else show.print_table(rows)


@rsnnctl.command()
@click.argument("network", type=FILE, required=False)
@click.option(
    "--input", "source", type=FILE, help="Session (.mat) or raster (.npy .npz .h5); default: run."
)
@click.option("--part", default="test", show_default=True, help="train, validation, test or all.")
@click.option("--trace", is_flag=True, help="Keep every state word of every step.")
@output_option("Decoded velocity and readout words (.h5)")
@json_option
def simulate(
    network: Path | None,
    source: Path | None,
    part: str,
    trace: bool,
    output: Path | None,
    as_json: bool,
) -> None:
    """Run an integer network over a recording of any length, event by event."""
    from rsnnctl import show
    from rsnnctl.runs import folders
    from rsnnctl.steps.simulate import simulate_file

    path = network or folders.default_file(folders.NETWORK)
    row = simulate_file(path, source, part=part, record=trace, output=output)
    if as_json:
        show.print_json(row)
    else:
        show.print_table([{key: row[key] for key in row if key not in ("digest", "file")}])
        click.echo(row["file"])


@rsnnctl.command()
@click.argument("network", type=FILE, required=False)
@click.option("--udp", "port", type=int, help="Port of 127.0.0.1; default: lines on stdin.")
@click.option("--lsl", help="Name of a Lab Streaming Layer stream (extra `lsl`).")
@click.option("--idle", default=5.0, show_default=True, help="Seconds without spikes that end it.")
@click.option("--steps", type=int, help="Stop after so many steps.")
@json_option
def stream(network: Path | None, as_json: bool, **options) -> None:
    """Decode spikes as they come; report latencies and losses on stderr."""
    from rsnnctl import show
    from rsnnctl.runs import folders
    from rsnnctl.steps.stream import HOST, stream_file

    path = network or folders.default_file(folders.NETWORK)
    tally = stream_file(
        path, ready=lambda bound: show.say(f"decoding packets to {HOST}:{bound}"), **options
    )
    show.say_report(tally.as_dict(), as_json=as_json)


@rsnnctl.command()
@click.argument("files", type=FILE, nargs=-1)
@click.option("--session", "sessions", type=FILE, multiple=True, help="Recording; repeatable.")
@click.option("--part", default="test", show_default=True, help="train, validation, test or all.")
@click.option("--precision", default="float32", show_default=True, help="In which floats compute.")
@click.option("--baselines", is_flag=True, help="Ridge, Kalman filter, GRU beside it.")
@click.option("--gru/--no-gru", default=True, help="Of the baselines, the one that takes a minute.")
@click.option("--harness", is_flag=True, help="NeuroBench's own harness beside it (slow).")
@json_option
def evaluate(files: tuple[Path, ...], sessions: tuple[Path, ...], as_json: bool, **options) -> None:
    """Print NeuroBench's table for float models and integer networks, in total and per session."""
    from rsnnctl import show
    from rsnnctl.runs import folders
    from rsnnctl.steps.evaluate import evaluate_files

    paths = files or tuple(folders.present(folders.MODEL, folders.NETWORK))
    rows = evaluate_files(paths, sessions, **options)
    show.print_json(rows) if as_json else show.print_table(rows)


@rsnnctl.command()
@click.argument("network", type=FILE, required=False)
@click.option(
    "--input", "source", type=FILE, help="Session (.mat) or raster; default: run, or random."
)
@click.option("--steps", default=5000, show_default=True, help="At most so many of the input.")
@click.option(
    "--export-kit", "kit", type=FILE, help="Folder for a conformance kit; nothing is compared."
)
@click.option("--target", help="A target, instead of the backends of this machine.")
@layout_option
@click.option(
    "--session", type=FILE, help="On a target: all of a session or raster, block by block."
)
@json_option
def verify(
    network: Path | None,
    source: Path | None,
    steps: int,
    kit: Path | None,
    target: str | None,
    layout: str,
    session: Path | None,
    as_json: bool,
) -> None:
    """Compare every backend with the reference: every state word of every step, zero tolerance."""
    if kit is not None:
        from sim.conformance.kit import export_kit

        if network or source or target:
            raise click.UsageError(
                "--export-kit has its own networks; name none, no --input, no --target"
            )
        click.echo(export_kit(kit)[-1])
        return
    from rsnnctl import show
    from rsnnctl.runs import folders
    from rsnnctl.steps.verify import verify_file

    path = network or folders.default_file(folders.NETWORK)
    stream = source or folders.session_of(path)
    if session is not None:
        from rsnnctl.steps.replay import verify_session

        if target is None or source is not None:
            raise click.UsageError("--session is for a --target, and takes the place of --input")
        report = verify_session(path, target, session, layout)
    elif target is None:
        report = verify_file(path, stream, steps)
    else:
        from rsnnctl.steps.hardware import verify_target

        report = verify_target(path, target, stream, steps, layout)
    if as_json:
        show.print_json(report.as_dict())
    else:
        for line in report.lines():
            click.echo(line)
    if report.differences:
        sys.exit(1)


@rsnnctl.command()
@click.argument("file", type=FILE, required=False)
@click.option("--witness", type=FILE, help="Folder for inputs that overflow states, if any can.")
@json_option
def inspect(file: Path | None, witness: Path | None, as_json: bool) -> None:
    """Show what is in a model or network: contract, sizes, ranges, storage, worst cases."""
    from rsnnctl import show
    from rsnnctl.runs import folders
    from rsnnctl.steps.inspect import describe_file

    description = describe_file(file or folders.default_file(folders.NETWORK), witness=witness)
    if as_json:
        show.print_json(description)
        return
    show.print_description(description)


@rsnnctl.command()
@click.pass_context
def demo(ctx: click.Context) -> None:
    """The whole path on a short synthetic session: train, prune, quantize, export, verify."""
    from rsnnctl import show
    from rsnnctl.plot import plot_decoded
    from rsnnctl.runs import folders

    for title, command, options in (
        ("train a float model on a synthetic session", train, {"name": "demo", "epochs": 8}),
        ("prune it and train it again", prune, {"fraction": 0.45, "epochs": 5}),
        ("quantize it to 8 bits", quantize, {}),
        ("export it as NIR", interchange.export_nir, {}),
        ("simulate the integers", simulate, {}),
        ("measure both", evaluate, {"baselines": True, "gru": False}),
        ("verify every bit", verify, {}),
    ):
        show.say(f"- {title}: rsnnctl {command.name}")
        ctx.invoke(command, **options)
    plot_decoded(folders.latest())
    click.echo(f"run folder: {folders.latest()}")


if __name__ == "__main__":
    main()
