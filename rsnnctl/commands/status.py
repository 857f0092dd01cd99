"""`rsnnctl status`: a run from its session to what was exported, and what of it is stale."""

from pathlib import Path

import click

from rsnnctl.options import FILE
from rsnnctl.results.kind import Column, Kind, Result, Rows

STATUS = Kind(
    "status",
    "The chain of a run, from its session to what was made of its network.",
    (
        Rows(
            "links",
            (
                Column(
                    "step", "text", "`session`, `model`, `network`, or the command of the file."
                ),
                Column("file", "text", "Path of the file or folder."),
                Column("state", "text", "`fresh`, `stale`, `missing`, or `unknown`."),
                Column("digest", "text?", "Its own, or that of its network.", hidden=True),
                Column("source", "text?", "Path of what it is made of.", hidden=True),
                Column("renew", "text?", "The command that makes it anew."),
            ),
            "One per file, each after what it is made of.",
        ),
    ),
)


@click.command()
@click.argument("run", type=FILE, required=False)
def command(run: Path | None) -> Result:
    """Show what in a run is fresh, stale or missing.

    From its session to its model, the network, and what is made of the network; without RUN, of the
    newest run.
    """
    from rsnnctl.runs import folders

    folder = run or folders.latest()

    from rsnnctl.runs import lineage

    links = lineage.chain(folder)
    return Result(STATUS, {"links": [link.as_dict() for link in links]})
