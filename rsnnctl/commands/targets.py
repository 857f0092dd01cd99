"""`rsnnctl targets`: the hardware that networks can be built for."""

import click

from rsnnctl.results.kind import Column, Kind, Result, Rows

TARGETS = Kind(
    "targets",
    "The hardware that networks can be built for.",
    (
        Rows(
            "targets",
            (
                Column("target", "text", "Name, as --target takes it."),
                Column("description", "text", "The part, or what runs there."),
                Column("format", "text", "Format of the files that are built."),
                Column("flash", "integer?", "Bytes of flash; null without a limit.", "B"),
                Column("ram", "integer?", "Bytes of RAM; null without a limit.", "B"),
                Column("clock_mhz", "number?", "Clock; null without a limit.", "MHz"),
                Column("missing", "texts", "Programs that it needs and that are not here."),
            ),
            "One per target.",
        ),
    ),
)


@click.command()
def command() -> Result:
    """List the hardware that networks can be built for.

    Each with its limits, and the tools that are missing here.
    """
    from shutil import which

    from hw_targets import targets

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
                "missing": [tool for tool in target.tools if which(tool) is None],
            }
        )
    return Result(TARGETS, {"targets": rows})
