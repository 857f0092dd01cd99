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
    from export.formats.nir import SUFFIX, export_nir
    from export.nir.readers import reader_named
    from rsnnctl import show
    from rsnnctl.runs import folders
    from sim.artifact import load_network

    source = folders.chosen(network, folders.NETWORK)
    loaded = load_network(source)
    target = output or folders.beside(source, SUFFIX)
    export_nir(loaded, target, reader)
    click.echo(target)
    if reader != "exact":
        known = reader_named(reader)
        show.say(f"read it with {known.how.format(dt=loaded.dt)}")
        for field, value in known.differs(loaded).items():
            show.say(
                f"{reader} computes with `{field}` {value}, so its spikes will differ (docs/nir.md)"
            )
