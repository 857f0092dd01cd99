"""Derived from a format: its command, and its function of the Python API."""

from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from export.format import Format, place, remarks, write_network
from rsnnctl.options import declared, network_argument, output_option
from rsnnctl.results.kind import Result

if TYPE_CHECKING:
    from sim.network import IntegerNetwork


def command_of(format: Format) -> click.Command:
    """`export-<name>`, with the options that the format declares."""

    def export(
        network: Path | None, output: Path | None, force: bool, stale: bool, **options: Any
    ) -> Result:
        from rsnnctl.runs import folders

        chosen = folders.chosen(network, folders.NETWORK)

        from base.ownership import write_into
        from rsnnctl import show
        from rsnnctl.output import destination, written_files
        from rsnnctl.runs import lineage
        from sim.artifact import load_network

        source = lineage.used(chosen, stale=stale)
        loaded = load_network(source)
        with destination(output, place(format, source, None)) as named:
            path = named if format.writes_one_file else place(format, source, output)
            folder = path.parent if format.suffixes else path

            def write(staging: Path) -> list[Path]:
                return write_network(format, loaded, staging / path.relative_to(folder), options)

            written = write_into(folder, write, f"export-{format.name}", force=force)
        for remark in remarks(format, loaded, options):
            show.say(remark)
        return written_files(written, output)

    export.__doc__ = f"Write {format.description}.\n\n{format.details}"
    for option in reversed(format.options):
        export = declared(option, option.default)(export)
    output = output_option(_output_help(format), folder=not format.writes_one_file)
    return click.command(network_argument(output(export)))


def function_of(format: Format) -> Callable[..., list[Path]]:
    """`export_<name>(network, path, *, ...)`, with the options that the format declares."""

    def export(network: "IntegerNetwork", path: Path | str, **options: Any) -> list[Path]:
        return write_network(format, network, path, options)

    keywords = [
        Parameter(
            option.name,
            Parameter.KEYWORD_ONLY,
            default=option.default,
            annotation=type(option.default),
        )
        for option in format.options
    ]
    first, second, _ = Signature.from_callable(export).parameters.values()
    export.__name__ = export.__qualname__ = f"export_{format.name}"
    export.__signature__ = Signature(  # type: ignore[attr-defined]
        [first, second, *keywords], return_annotation=list[Path]
    )
    export.__doc__ = "\n".join(_docstring(format))
    return export


def _output_help(format: Format) -> str:
    if format.writes_one_file:
        return f"File ({format.suffixes[0]}). Default: beside the network."
    if format.suffixes:
        return "Folder. Default: that of the network."
    return f"Folder. Default: `{format.name}` beside the network."


def _docstring(format: Format) -> list[str]:
    if format.writes_one_file:
        path = "the file."
    elif format.suffixes:
        path = f"beginning of the files, which end in {' and '.join(format.suffixes)}."
    else:
        path = "the folder."
    known = [
        f"    {option.name}: {option.help[0].lower()}{option.help[1:]}"
        + (f" Known: {', '.join(option.choices)}." if option.choices else "")
        for option in format.options
    ]
    return [
        f"Write {format.description}; return the files.",
        "",
        format.details,
        "",
        "Args:",
        "    network: the network.",
        f"    path: {path}",
        *known,
        "",
        "Raises:",
        "    RangeError: a value that is refused, or a network that the format cannot express.",
        "    FileError: a file cannot be written.",
    ]
