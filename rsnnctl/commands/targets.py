"""`rsnnctl targets`: the hardware that networks can be built for."""

import click

from rsnnctl.options import json_option


@click.command()
@json_option
def command(as_json: bool) -> None:
    """List the hardware that networks can be built for.

    Each with its limits, and the tools that are missing here.
    """
    from shutil import which

    from hw_targets import targets
    from rsnnctl import show

    rows = []
    for name, target in targets().items():
        clock = target.limits.clock_hz
        rows.append(
            {
                "target": name,
                "description": target.description,
                "format": target.format,
                "flash": target.limits.flash,
                "ram": target.limits.ram,
                "clock_mhz": None if clock is None else clock / 1e6,
                "missing": ", ".join(t for t in target.tools if which(t) is None) or None,
            }
        )
    show.print_rows(rows, as_json=as_json)
