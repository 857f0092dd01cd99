"""`rsnnctl import-snntorch`: a state dict of snnTorch as a float model."""

from pathlib import Path

import click

from rsnnctl.options import INPUT, output_option
from rsnnctl.results.files import made
from rsnnctl.results.kind import Result


@click.command()
@click.argument("checkpoint", type=INPUT)
@click.option(
    "--description",
    type=INPUT,
    required=True,
    help="TOML file that describes the layers (docs/snntorch.md).",
)
@output_option("Float model (.rsnn.h5). Default: beside the checkpoint.")
def command(checkpoint: Path, description: Path, output: Path | None, force: bool) -> Result:
    """Read a snnTorch state dict (.pt) as a float model.

    The model computes a step in snnTorch's order.
    """
    from rsnn.checkpoint import save_model
    from rsnn.snntorch.description import read_description
    from rsnn.snntorch.import_state import import_state
    from rsnn.snntorch.versions import remarks
    from rsnn.state_dict import read_state_dict
    from rsnnctl import show
    from rsnnctl.output import destination, owned
    from rsnnctl.provenance import provenance

    described = read_description(description)
    for remark in remarks(described):
        show.say(f"{description}: {remark}")
    model = import_state(read_state_dict(checkpoint, str(checkpoint)), described)
    facts = provenance("import-snntorch", checkpoint=checkpoint.name, description=description.name)
    with (
        destination(output, checkpoint.with_suffix(".rsnn.h5")) as target,
        owned([target], "import-snntorch", force=force),
    ):
        digest = save_model(model, target, facts)
    return made(output or target, digest)
