"""Shared by commands: arguments, options, choices, and the library's texts in terms of options."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property, wraps
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from base.errors import FileError
from base.option import Option
from export.firmware.options import FLOAT_ABI, LAYOUT
from export.verilog.options import DECODER
from rsnnctl.runs.cluster import CLUSTERS

FILE = click.Path(path_type=Path)


class InputPath(click.Path):
    """A file that a command reads; `check_inputs` refuses one that is missing, or a folder."""

    or_folder = False


INPUT = InputPath(path_type=Path)
INPUT_OR_FOLDER = InputPath(path_type=Path)
INPUT_OR_FOLDER.or_folder = True


class ChoiceOf(click.Choice):
    """A choice of names that are looked up only when needed, because that takes imports."""

    def __init__(self, find: Callable[[], Iterable[str]]) -> None:
        self.case_sensitive = True
        self._find = find

    @cached_property
    def choices(self) -> tuple[str, ...]:  # type: ignore[override]
        return tuple(self._find())


stale_option = click.option(
    "--stale", is_flag=True, help="Use a file even if it is older than what it was made from."
)
force_option = click.option(
    "--force", is_flag=True, help="Overwrite files that this command did not write, or you changed."
)
config_option = click.option("--config", type=INPUT, help="TOML file with settings.")
set_option = click.option(
    "--set", "settings", multiple=True, help="One setting, as section.name=value; repeatable."
)
resume_option = click.option("--resume", is_flag=True, help="Continue an interrupted run.")
session_option = click.option(
    "--session", type=INPUT, help="Recording (.mat). Default: the run's recording."
)
part_option = click.option(
    "--part",
    type=ChoiceOf(lambda: import_module("rsnn.data.stream").PARTS),
    default="test",
    show_default=True,
    help="Part of each session to use.",
)
layout_option = click.option(
    "--layout",
    type=click.Choice(LAYOUT.choices),
    help=f"{LAYOUT.help.rstrip('.')}, on targets of C, or size of the decoder, on those of Verilog."
    f" Default: {LAYOUT.default}.",
)


def declared(option: Option, default: Any = None) -> Callable:
    """The option of the command line that an `Option` declares; a flag if its values are booleans.

    Args:
        option: the declaration.
        default: the value where none is given; None where the option's own is filled in later.
    """
    is_flag = isinstance(option.default, bool)
    kind = click.Choice(option.choices) if option.choices else type(option.default)
    return click.option(
        f"--{(option.flag or option.name).replace('_', '-')}",
        option.name,
        type=None if is_flag else kind,
        is_flag=is_flag,
        default=default,
        show_default=not is_flag,
        help=option.help,
    )


def target_options(command: Callable) -> Callable:
    """`--layout` and those of decoders in Verilog; the command gets a mapping, `options`."""
    names = TARGET_OPTIONS

    @wraps(command)
    def collected(**values: Any) -> Any:
        options = {name: values.pop(name) for name in names}
        return command(**values, options=options)

    for option in reversed(DECODER):
        collected = declared(option)(collected)
    return layout_option(collected)


TARGET_OPTIONS = ("layout", *(option.name for option in DECODER))
float_abi_option = click.option(
    "--float-abi",
    type=click.Choice(FLOAT_ABI.choices),
    help=f"{FLOAT_ABI.help} Default: {FLOAT_ABI.default}.",
)
seed_option = click.option(
    "--seed", default=1, show_default=True, help="Seed of all random numbers."
)
samples_option = click.option(
    "--samples",
    help="Samples of a first-spike network: digits, a file or a folder. Default: those of its run.",
)
TARGET = ChoiceOf(lambda: import_module("hw_targets").targets())


def model_argument(command: Callable) -> Callable:
    """A model to read, by default that of the newest run; and `--stale`."""
    return click.argument("model", type=INPUT, required=False)(stale_option(command))


def network_argument(command: Callable) -> Callable:
    """A network to read, by default that of the newest run; and `--stale`."""
    return click.argument("network", type=INPUT, required=False)(stale_option(command))


def no_stdout(
    context: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """Refuse `-` for an option that names a folder."""
    if value == Path("-"):
        raise click.BadParameter("- is stdout, which takes one file; name a folder")
    return value


def output_option(what: str, *, folder: bool = False, default: Path | None = None) -> Callable:
    """`-o/--output` for a file, with `-` for stdout, or for a folder; and `--force`.

    Args:
        what: its help text.
        folder: it names a folder.
        default: its default, if that does not depend on anything.
    """
    output = click.option(
        "-o",
        "--output",
        type=FILE,
        default=default,
        show_default=default is not None,
        callback=no_stdout if folder else None,
        help=what,
    )
    return lambda command: output(force_option(command))


def new_folder_option(what: str) -> Callable:
    """`-o/--output` for a folder that is made, so that nothing in it can be overwritten."""
    return click.option("-o", "--output", type=FILE, callback=no_stdout, help=what)


def jobs_options(what: str) -> Callable:
    """`--jobs` and `--cluster`; `what` names the work done at the same time."""
    jobs = click.option("--jobs", default=1, show_default=True, help=f"{what} at the same time.")
    cluster = click.option(
        "--cluster",
        type=click.Choice(CLUSTERS),
        default="loky",
        show_default=True,
        help="Where jobs run: processes of this machine, Dask or Ray.",
    )
    return lambda command: jobs(cluster(command))


def check_inputs(command: click.Command, values: Mapping[str, Any]) -> None:
    """Refuse files to read that do not exist, before anything is imported to read them.

    Raises:
        FileError: there is no such file, or it is a folder.
    """
    for parameter in command.params:
        given = values.get(parameter.name or "")
        if given is not None and isinstance(parameter.type, InputPath):
            for path in given if isinstance(given, tuple) else (given,):
                if not path.exists():
                    raise FileError(f"{path}: no such file")
                if path.is_dir() and not parameter.type.or_folder:
                    raise FileError(f"{path}: is a folder, not a file")


def as_options(text: str, command: click.Command, root: click.Command) -> str:
    """A text of the library in terms of the command line.

    The library names a parameter in backticks, alone or with a value: `reader`, `bits=9`. Alone it
    becomes the option of the command that ran, with a value that of any command: `--for`,
    `--bits 9`. Other words in backticks stay, and so do parameters that are files, because errors
    name the file.
    """
    own = _options(command)
    every = _options(root) | own

    def option(found: re.Match) -> str:
        name, value = found.groups()
        if value is None:
            return own.get(name, found[0])
        return f"{every[name]} {value}" if name in every else found[0]

    return re.sub(r"`(\w+)(?:=([^`]+))?`", option, text)


def told(text: str) -> str:
    """`as_options` of the command that is running."""
    context = click.get_current_context()
    return as_options(text, context.command, context.find_root().command)


def _options(command: click.Command) -> dict[str, str]:
    """Option by parameter, of a command, or of all commands of a group."""
    if isinstance(command, click.Group):
        return {k: v for each in command.commands.values() for k, v in _options(each).items()}
    return {
        parameter.name: max(parameter.opts, key=len)
        for parameter in command.params
        if isinstance(parameter, click.Option)
        and parameter.name
        and not isinstance(parameter.type, click.Path)
    }
