"""`rsnnctl inspect`: the content of a file; for a network, also the states that can overflow."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsnnctl.options import FILE, force_option, json_option, no_stdout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.overflow.witness import Witness


@click.command()
@click.argument("file", type=FILE, required=False)
@click.option(
    "--witness",
    type=FILE,
    callback=no_stdout,
    help="Folder for inputs that overflow states, if any can.",
)
@force_option
@json_option
def command(file: Path | None, witness: Path | None, force: bool, as_json: bool) -> None:
    """Show the content of a model or network.

    For a network: contract, sizes, ranges, storage, and whether its states can overflow.
    """
    from rsnnctl import show
    from rsnnctl.given import refuse
    from rsnnctl.runs import folders

    if witness is None:
        refuse("without --witness", "force")
    description = describe_file(folders.chosen(file, folders.NETWORK), witness=witness, force=force)
    if as_json:
        show.print_json(description)
    else:
        show.print_description(description)


def describe_file(
    path: Path, *, witness: Path | None = None, force: bool = False
) -> dict[str, Any]:
    """Describe a float model or an integer network with values that JSON can hold.

    Args:
        path: the file.
        witness: folder for inputs that make states of the network overflow, one raster
            (n_steps, n_inputs) per neuron that overflows; `simulate` and `verify` read them. Not
            created if nothing overflows.
        force: overwrite files in it that `inspect` did not write.

    Raises:
        FileError: the file is neither, is damaged, or has no states that could overflow.
    """
    from base.container import read_label
    from base.errors import FileError
    from sim import artifact
    from sim.inspect import describe
    from sim.overflow.verdict import verdicts

    label = read_label(path)
    if label.format == artifact.FORMAT:
        network = artifact.load_network(path)
        facts = {"file": str(path)} | describe(network)
        judged = verdicts(network)
        facts["overflow"] = [verdict.row() for verdict in judged]
        found = [each for verdict in judged for each in verdict.overflows]
        facts["witnesses"] = _witnesses(found, witness, force)
        return facts
    if witness is not None:
        raise FileError(
            f"{path}: holds `{label.format}`; only an integer network has words that"
            " can overflow: quantize it first"
        )
    from rsnn import checkpoint, inspect  # only now, because torch takes a second to import

    if label.format == checkpoint.FORMAT:
        model, provenance = checkpoint.load_model(path)
        facts = {"file": str(path), "digest": label.digest} | inspect.describe(model)
        return facts | {"provenance": provenance}
    raise FileError(f"{path}: holds `{label.format}`; a model or an integer network can be shown")


def _witnesses(
    found: "Sequence[Witness]", folder: Path | None, force: bool
) -> list[dict[str, Any]]:
    """One row per neuron that overflows; its raster is written if a folder is given."""
    import numpy as np

    from base.ownership import write_into
    from rsnnctl.output import say_replaced

    names = [f"{each.layer}.{each.variable}.{each.neuron}.npy" for each in found]

    def write(staging: Path) -> list[Path]:
        for each, name in zip(found, names, strict=True):
            np.save(staging / name, each.raster, allow_pickle=False)
        return [staging / name for name in names]

    rows: list[dict[str, Any]] = [
        {
            "state": f"{each.layer}.{each.variable}",
            "neuron": each.neuron,
            "step": each.step,
            "reaches": each.value,
        }
        for each in found
    ]
    if folder is None or not found:
        return rows
    written = write_into(folder, write, "inspect", force=force)
    say_replaced(written.replaced)
    return [row | {"raster": str(path)} for row, path in zip(rows, written.files, strict=True)]
