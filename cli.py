"""The command line: the group of all commands, of `rsnnctl/commands/` and of formats."""

import logging
import pkgutil
import sys
import warnings
from importlib import import_module

import click

from base.errors import RsnnError, RsnnWarning, shown
from export.formats import formats
from rsnnctl import __version__, commands, running
from rsnnctl.exporting import command_of

_format_of_python = warnings.formatwarning


@click.group(
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "color": True,  # click takes no codes out of names, which are shown escaped
    }
)
@click.version_option(__version__, prog_name="rsnnctl")
@click.option("-v", "--verbose", is_flag=True, help="Show where an error was raised.")
def rsnnctl(verbose: bool) -> None:
    """From a trained recurrent spiking network to a chip, with every bit defined and checked.

    Commands given no path work on the newest run, so this works in sequence:
    train, quantize --bits 8, export-nir, simulate, verify.
    """
    logging.basicConfig()
    for handler in logging.getLogger().handlers:
        handler.setFormatter(Escaping(logging.BASIC_FORMAT))
    warnings.formatwarning = in_one_line
    logging.getLogger("rsnnctl").setLevel(logging.DEBUG if verbose else logging.WARNING)


def in_one_line(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    """The text of a warning: of ours one line for a user, of others Python's, with its place."""
    if issubclass(category, RsnnWarning):
        return f"Warning: {message}\n"
    return escaped(_format_of_python(message, category, filename, lineno, line))


class Escaping(logging.Formatter):
    """Escapes what a log holds that cannot be printed, but its line breaks."""

    def format(self, record: logging.LogRecord) -> str:
        """The lines of a record."""
        return escaped(super().format(record))


def escaped(text: str) -> str:
    """Lines in which all that cannot be printed is escaped."""
    return "\n".join(map(shown, text.split("\n")))


for file in pkgutil.iter_modules(commands.__path__):
    module = import_module(f"{commands.__name__}.{file.name}")
    rsnnctl.add_command(running.complete(module.command), file.name.replace("_", "-"))
try:
    exports = formats()
except RsnnError as error:  # an installed package's, which is there before any command runs
    sys.exit(f"Error: {error}")
for name, format in exports.items():
    command = running.complete(command_of(format))
    rsnnctl.add_command(command, f"export-{name}".replace("_", "-"))
rsnnctl.result_callback()(running.finish)


def main() -> None:
    """Entry point."""
    running.run(rsnnctl)


if __name__ == "__main__":
    main()
