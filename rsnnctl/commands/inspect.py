"""`rsnnctl inspect`: the content of a file; for a network, also the states that can overflow."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsnnctl.options import FILE, json_option

if TYPE_CHECKING:
    from sim.overflow.verdict import Verdict


@click.command()
@click.argument("file", type=FILE, required=False)
@click.option("--witness", type=FILE, help="Folder for inputs that overflow states, if any can.")
@json_option
def command(file: Path | None, witness: Path | None, as_json: bool) -> None:
    """Show the content of a model or network.

    For a network: contract, sizes, ranges, storage, and whether its states can overflow.
    """
    from rsnnctl import show
    from rsnnctl.runs import folders

    description = describe_file(folders.chosen(file, folders.NETWORK), witness=witness)
    if as_json:
        show.print_json(description)
    else:
        show.print_description(description)


def describe_file(path: Path, *, witness: Path | None = None) -> dict[str, Any]:
    """Describe a float model or an integer network with values that JSON can hold.

    Args:
        path: the file.
        witness: folder for inputs that make states of the network overflow, one raster
            (n_steps, n_inputs) per neuron that overflows; `simulate` and `verify` read them. Not
            created if nothing overflows.

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
        facts["witnesses"] = [row for verdict in judged for row in _witnesses(verdict, witness)]
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


def _witnesses(verdict: "Verdict", folder: Path | None) -> list[dict[str, Any]]:
    """One row per neuron that overflows; its raster is written if a folder is given."""
    import numpy as np

    from base.files import atomic_path

    rows = []
    for found in verdict.overflows:
        state = f"{found.layer}.{found.variable}"
        row = {"state": state, "neuron": found.neuron, "step": found.step, "reaches": found.value}
        if folder is not None:
            target = folder / f"{state}.{found.neuron}.npy"
            with atomic_path(target) as temporary, temporary.open("wb") as stream:
                np.save(stream, found.raster, allow_pickle=False)
            row["raster"] = str(target)
        rows.append(row)
    return rows
