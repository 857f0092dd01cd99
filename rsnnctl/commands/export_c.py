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
def command(network: Path | None, output: Path | None, name: str, layout: str | None) -> None:
    """Write self-contained C99 for microcontrollers and hosts.

    The files are `<name>.h` and `<name>.c`.
    """
    from export.format import write_network
    from export.formats.c import FORMAT
    from rsnnctl.runs import folders
    from sim.artifact import load_network

    source = folders.chosen(network, folders.NETWORK)
    options = {"name": name, "layout": layout}
    for path in write_network(FORMAT, load_network(source), output or source.parent / "c", options):
        click.echo(path)
