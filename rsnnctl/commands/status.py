"""`rsnnctl status`: a run from its session to what was exported, and what of it is stale."""

from pathlib import Path

import click

from rsnnctl.options import FILE, json_option

_DIGITS = 12  # of a digest, in the table


@click.command()
@click.argument("run", type=FILE, required=False)
@json_option
def command(run: Path | None, as_json: bool) -> None:
    """Show what in a run is fresh, stale or missing.

    From its session to its model, the network, and what is made of the network; without RUN, of the
    newest run.
    """
    from rsnnctl import show
    from rsnnctl.runs import folders, lineage

    links = lineage.chain(run or folders.latest())
    if as_json:
        show.print_json([link.as_dict() for link in links])
        return
    show.print_table(
        [
            {
                "step": link.step,
                "file": str(link.file),
                "state": link.state,
                "digest": link.digest and link.digest[:_DIGITS],
                "renew with": link.renew,
            }
            for link in links
        ]
    )
