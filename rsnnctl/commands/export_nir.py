"""`rsnnctl export-nir`: a network as a NIR graph."""

from importlib import import_module
from pathlib import Path

import click

from rsnnctl.options import ChoiceOf, network_argument, output_option


@click.command()
@network_argument
@click.option(
    "--for",
    "reader",
    type=ChoiceOf(lambda: import_module("export.nir.readers").READERS),
    default="exact",
    show_default=True,
    help="Reader the graph is written for.",
)
@output_option("NIR file (.nir). Default: beside the network.")
def command(network: Path | None, reader: str, output: Path | None) -> None:
    """Write a NIR graph for a reader.

    The numeric contract is its metadata, so that `import-nir` reads the same integers back.
    """
    from export.nir.files import export_nir
    from export.nir.readers import remarks
    from rsnnctl import show
    from rsnnctl.runs import folders
    from sim.artifact import load_network

    source = folders.chosen(network, folders.NETWORK)
    loaded = load_network(source)
    target = output or folders.beside(source, ".nir")
    export_nir(loaded, target, reader)
    click.echo(target)
    for remark in remarks(loaded, reader):
        show.say(remark)
