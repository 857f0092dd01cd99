"""`rsnnctl export-onnx`: a network as ONNX in integers."""

from pathlib import Path

import click

from rsnnctl.options import network_argument, output_option


@click.command()
@network_argument
@output_option("Folder. Default: that of the network.")
def command(network: Path | None, output: Path | None) -> None:
    """Write ONNX in integer operators.

    Two models: one step with its state, and the loop over time.
    """
    from export.onnx.models import export_onnx
    from rsnnctl.runs import folders
    from sim.artifact import load_network

    source = folders.chosen(network, folders.NETWORK)
    step, scan = (folders.beside(source, f".{kind}.onnx") for kind in ("step", "scan"))
    if output is not None:
        step, scan = output / step.name, output / scan.name
    export_onnx(load_network(source), step, scan)
    click.echo(f"{step}\n{scan}")
