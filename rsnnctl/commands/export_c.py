"""`rsnnctl export-c`: a network as self-contained C."""

from pathlib import Path

import click

from rsnnctl.options import layout_option, network_argument, output_option


@click.command()
@network_argument
@output_option("Folder. Default: `c` beside the network.")
@click.option(
    "--name", default="rsnn", show_default=True, help="Name of the files, prefix of the functions."
)
@layout_option
def command(network: Path | None, output: Path | None, name: str, layout: str) -> None:
    """Write self-contained C99 for microcontrollers and hosts.

    The files are `<name>.h` and `<name>.c`.
    """
    from export.firmware.decoder import export_c
    from rsnnctl.runs import folders
    from sim.artifact import load_network

    source = folders.chosen(network, folders.NETWORK)
    for path in export_c(load_network(source), output or source.parent / "c", name, layout):
        click.echo(path)
