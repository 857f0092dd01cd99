"""What others write comes in, and networks go out in the formats that others read."""

from pathlib import Path

import click

from rsnnctl.commands.options import FILE, layout_option, output_option

commands = click.Group()


@commands.command("import-weights")
@click.argument("weights", type=FILE)
@click.option("-o", "--output", type=FILE, help="Model (.rsnn.h5); default: a new run folder.")
def import_weights(weights: Path, output: Path | None) -> None:
    """Read a published state dict (.pth) into a float model."""
    from rsnn.checkpoint import save_model
    from rsnn.published import import_published
    from rsnnctl.provenance import provenance
    from rsnnctl.runs import folders

    model = import_published(weights)
    facts = provenance("import-weights", weights=weights.name)
    if output is not None:
        save_model(model, output, facts)
        click.echo(output)
        return
    with folders.new_run(weights.stem, {"command": "import-weights"}) as folder:
        save_model(model, folder / folders.MODEL, facts)
    click.echo(folders.latest() / folders.MODEL)


@commands.command("export-nir")
@click.argument("network", type=FILE, required=False)
@click.option("--for", "reader", default="exact", show_default=True, help="Or norse or snntorch.")
@output_option("NIR file (.nir)")
def export_nir(network: Path | None, reader: str, output: Path | None) -> None:
    """Write the NIR graph for a reader, with the numeric contract as metadata."""
    from rsnnctl import show
    from rsnnctl.runs import folders
    from rsnnctl.steps.interchange import export_nir_file

    source = network or folders.default_file(folders.NETWORK)
    target, remarks = export_nir_file(source, reader=reader, output=output)
    click.echo(target)
    for remark in remarks:
        show.say(remark)


@commands.command("import-nir")
@click.argument("graph", type=FILE)
@click.option("--dt", type=float, help="Seconds a step; where the graph has no contract.")
@click.option("--discretization", default="exact", show_default=True, help="Or euler; likewise.")
@click.option(
    "--order",
    default="at-once",
    show_default=True,
    help="Or snntorch, delayed-reset or published; likewise.",
)
@click.option(
    "--reset", default="zero", show_default=True, help="Or zero-keep-input or subtract; likewise."
)
@output_option("Integer network (.int.h5), or float model (.rsnn.h5) without a contract")
def import_nir(graph: Path, **options) -> None:
    """Read a NIR graph: with our contract the same integers, without it a float model."""
    from rsnnctl import show
    from rsnnctl.steps.interchange import import_nir_file

    target, digest, remarks = import_nir_file(graph, **options)
    click.echo(f"{target}\ndigest {digest}")
    for remark in remarks:
        show.say(remark)


@commands.command("import-snntorch")
@click.argument("checkpoint", type=FILE)
@click.option("--description", type=FILE, required=True, help="TOML: its layers, see the docs.")
@output_option("Float model (.rsnn.h5)")
def import_snntorch(checkpoint: Path, description: Path, output: Path | None) -> None:
    """Read a snnTorch state dict (.pt) into a float model that computes in its order."""
    from rsnnctl.steps.interchange import import_snntorch_file

    target, digest, _ = import_snntorch_file(checkpoint, description, output)
    click.echo(f"{target}\ndigest {digest}")


@commands.command("export-onnx")
@click.argument("network", type=FILE, required=False)
@click.option("-o", "--output", type=FILE, help="Folder; default: that of the network.")
def export_onnx(network: Path | None, output: Path | None) -> None:
    """Write ONNX in integers: one step with its state, and the loop over time."""
    from export.onnx.models import export_onnx
    from rsnnctl.runs import folders
    from sim.artifact import load_network

    source = network or folders.default_file(folders.NETWORK)
    stem = source.name.removesuffix(".int.h5")
    folder = output or source.parent
    step, scan = (folder / f"{stem}.{kind}.onnx" for kind in ("step", "scan"))
    export_onnx(load_network(source), step, scan)
    click.echo(f"{step}\n{scan}")


@commands.command("export-c")
@click.argument("network", type=FILE, required=False)
@click.option("-o", "--output", type=FILE, help="Folder; default: `c` beside the network.")
@click.option("--name", default="rsnn", show_default=True, help="Of the files and functions.")
@layout_option
def export_c(network: Path | None, output: Path | None, name: str, layout: str) -> None:
    """Write self-contained C99 for a microcontroller or host: `<name>.h` and `<name>.c`."""
    from export.firmware.decoder import export_c
    from rsnnctl.runs import folders
    from sim.artifact import load_network

    source = network or folders.default_file(folders.NETWORK)
    for path in export_c(load_network(source), output or source.parent / "c", name, layout):
        click.echo(path)
