"""`rsnnctl import-weights`: published weights as a float model."""

from pathlib import Path

import click

from rsnnctl.options import INPUT, output_option
from rsnnctl.results.files import made
from rsnnctl.results.kind import Result


@click.command()
@click.argument("weights", type=INPUT)
@output_option("Float model (.rsnn.h5). Default: a new run folder.")
def command(weights: Path, output: Path | None, force: bool) -> Result:
    """Read a published state dict (.pth) as a float model."""
    from rsnn.checkpoint import save_model
    from rsnn.published import import_published
    from rsnnctl.output import destination, owned
    from rsnnctl.provenance import provenance
    from rsnnctl.runs import folders

    model = import_published(weights)
    facts = provenance("import-weights", weights=weights.name)
    if output is not None:
        with (
            destination(output, Path(folders.MODEL)) as target,
            owned([target], "import-weights", force=force),
        ):
            digest = save_model(model, target, facts)
        return made(output, digest)
    digests = []
    folder = folders.make(
        folders.name_of(weights),
        {"command": "import-weights"},
        lambda folder: digests.append(save_model(model, folder / folders.MODEL, facts)),
    )
    return made(folder / folders.MODEL, digests[0])
