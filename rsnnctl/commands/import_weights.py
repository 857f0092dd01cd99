"""`rsnnctl import-weights`: published weights as a float model."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from rsnn.rate.names import ACTIVATIONS
from rsnnctl.options import INPUT, ChoiceOf, output_option
from rsnnctl.results.files import made
from rsnnctl.results.kind import Result

Save = Callable[[Path, Mapping[str, Any]], str]


@click.command()
@click.argument("weights", type=INPUT)
@click.option(
    "--activation",
    type=click.Choice(ACTIVATIONS),
    help="Activation of a rate network. Default: that in the name of its file.",
)
@click.option(
    "--task",
    type=ChoiceOf(lambda: import_module("rsnn.rate.tasks").tasks()),
    help="Task of a rate network. Default: that in the name of its file.",
)
@output_option("Float model (.rsnn.h5). Default: a new run folder.")
def command(
    weights: Path, activation: str | None, task: str | None, output: Path | None, force: bool
) -> Result:
    """Read published weights as a float model.

    WEIGHTS is a state dict of a decoder (.pth), or a rate network (.mat).
    """
    from rsnnctl.output import destination, owned
    from rsnnctl.provenance import provenance
    from rsnnctl.runs import folders

    save = _read(weights, activation, task)
    facts = provenance("import-weights", weights=weights.name)
    if output is not None:
        with (
            destination(output, Path(folders.MODEL)) as target,
            owned([target], "import-weights", force=force),
        ):
            digest = save(target, facts)
        return made(output, digest)
    digests = []
    folder = folders.make(
        folders.name_of(weights),
        {"command": "import-weights"},
        lambda folder: digests.append(save(folder / folders.MODEL, facts)),
    )
    return made(folder / folders.MODEL, digests[0])


def _read(weights: Path, activation: str | None, task: str | None) -> Save:
    """Read either kind; return the function that writes it."""
    if weights.suffix == ".mat":
        from rsnn.rate import file
        from rsnn.rate.matlab import read_mat

        network = read_mat(weights, activation=activation, task=task)
        return lambda path, facts: file.save(network, path, facts)

    from rsnn.checkpoint import save_model
    from rsnn.published import import_published
    from rsnnctl.given import refuse

    refuse("on a decoder, which is no rate network", "activation", "task")
    model = import_published(weights)
    return lambda path, facts: save_model(model, path, facts)
