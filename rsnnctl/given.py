"""Options without effect: those that a user gave where the command does not use them are refused.

click knows where each value came from, so a default is never mistaken for a user's choice.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields

import click
from click.core import ParameterSource

from base.errors import RangeError

_BY_USER = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT, ParameterSource.PROMPT)


def given(*names: str) -> dict[str, str]:
    """What the user gave to the running command: option or argument as it is written, by name.

    Args:
        names: parameters to look at; all of the command if none are named.
    """
    context = click.get_current_context()
    return {
        parameter.name: _written(parameter)
        for parameter in context.command.params
        if parameter.name is not None
        and (not names or parameter.name in names)
        and context.get_parameter_source(parameter.name) in _BY_USER
    }


def refuse(where: str, *names: str) -> None:
    """Refuse parameters of these names, which have no effect there.

    Args:
        where: a phrase that follows "has no effect", such as "without --baselines".
        names: names of parameters.

    Raises:
        click.UsageError: the user gave one.
    """
    for option in given(*names).values():
        raise click.UsageError(f"{option} has no effect {where}; leave it out")


def refuse_others(where: str, *names: str) -> None:
    """Refuse every parameter but these, because the others have no effect there.

    Raises:
        click.UsageError: the user gave another.
    """
    for name in given():
        if name not in names:
            refuse(where, name)


def check_settings(
    settings: Iterable[str], used: Collection[str], decided: Mapping[str, str]
) -> None:
    """Refuse settings of `--set` that have no effect.

    Args:
        settings: `section.name=value`.
        used: sections that the command uses, of all that there are.
        decided: by setting, why it decides nothing, a sentence without its full stop.

    Raises:
        RangeError: a setting of another section, one that decides nothing, or one given twice.
    """
    from rsnn.training.config import Config  # not before, because it imports torch

    unused = {field.name for field in fields(Config)} - set(used)
    seen: set[str] = set()
    for setting in settings:
        key = setting.partition("=")[0].strip()
        if key.partition(".")[0] in unused:
            sections = ", ".join(used)
            raise RangeError(
                f"`settings={setting}` has no effect here, which uses {sections}; leave it out"
            )
        if key in decided:
            raise RangeError(f"`settings={setting}` has no effect: {decided[key]}; leave it out")
        if key in seen:
            raise RangeError(f"`settings={setting}` sets {key} a second time; leave one out")
        seen.add(key)


def _written(parameter: click.Parameter) -> str:
    if isinstance(parameter, click.Option):
        opts = [*parameter.opts, *parameter.secondary_opts]
        return "/".join(opts) if parameter.secondary_opts else max(opts, key=len)
    return str(parameter.human_readable_name)
