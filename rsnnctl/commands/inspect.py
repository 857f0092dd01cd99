"""`rsnnctl inspect`: the content of a file; for a network, also the states that can overflow."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rsnnctl.options import FILE, INPUT, force_option, no_stdout
from rsnnctl.results.kind import Column, Facts, Kind, Result, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.overflow.witness import Witness

_WEIGHTS = (
    Column("shape", "shape", "Neurons after and before."),
    Column("zero", "integer", "Weights that are zero."),
)
NETWORK = Kind(
    "network",
    "The content of an integer network.",
    (
        Column("file", "text", "Path of the network."),
        Column("digest", "text", "SHA-256 of all but its metadata."),
        Column("dt", "number", "Length of a step.", "s"),
        Column("inputs", "integer", "Number of input channels."),
        Column("outputs", "integer", "Number of outputs."),
        Column("heads", "integer", "Readouts that are averaged."),
        Facts("contract", (), "Fields of the numeric contract.", is_open=True),
        Rows(
            "layers",
            (
                Column("layer", "text", "Name of the layer."),
                Column("neurons", "integer", "Number of neurons."),
                Column("never_fire", "integer", "Neurons that no input can fire.", optional=True),
            ),
            "One per layer, with the range of each of its arrays.",
            title="layers",
            is_open=True,
        ),
        Rows("weights", _WEIGHTS, "One per matrix.", title="weights", key="matrix"),
        Facts(
            "storage",
            (
                Column("dense_bits", "integer", "Bits with every weight stored."),
                Column("sparse_bits", "integer", "Bits with zeros left out."),
                Column("stored_bits", "integer", "The fewer of both."),
                Column("encoding", "text", "`dense` or `sparse`, the smaller one."),
            ),
            "Bits that all parameters take.",
        ),
        Facts(
            "worst_case",
            (
                Column("syn_bits_needed", "integer", "Bits in which no current overflows."),
                Column("mem_bits_needed", "integer", "Bits in which no membrane overflows."),
                Column("cannot_overflow", "boolean", "It is proven.", false="not proven"),
            ),
            "Widths that are proven to be enough.",
        ),
        Rows(
            "overflow",
            (
                Column("state", "text", "Layer and variable."),
                Column("range", "range", "What any of its words can be asked to hold."),
                Column("bits_needed", "integer", "Fewest bits in which nothing overflows."),
                Column("width", "integer", "Bits of its word.", "bits"),
                Column("cannot_overflow", "boolean", "It is proven.", false="not proven"),
                Column("overflowing", "integer", "Neurons that were made to overflow."),
                Column("not_excluded", "integer", "Neurons for which neither was shown."),
                Column("farthest", "integer?", "What one of those was driven to."),
            ),
            "One per state.",
            title="overflow",
        ),
        Rows(
            "witnesses",
            (
                Column("state", "text", "Layer and variable."),
                Column("neuron", "integer", "Its number in the layer."),
                Column("step", "integer", "Step in which it overflows."),
                Column("reaches", "integer", "What the word is asked to hold."),
                Column("raster", "text", "Path of the input, with --witness.", optional=True),
            ),
            "One per neuron that overflows.",
            title="witnesses",
        ),
        Facts("provenance", (), "What the network was made of.", is_open=True),
    ),
)
MODEL = Kind(
    "model",
    "The content of a float model.",
    (
        Column("file", "text", "Path of the model."),
        Column("digest", "text", "SHA-256 of its parameters and architecture."),
        Facts("architecture", (), "Shape and dynamics.", is_open=True),
        Column("precision", "text", "Format of its parameters."),
        Column("parameters", "integer", "Number of parameters."),
        Column("footprint", "integer", "Bytes of all parameters.", "B"),
        Rows(
            "layers",
            (
                Column("layer", "text", "Name of the layer."),
                Column("neurons", "integer", "Number of neurons."),
                Column("tau_mem_ms", "range", "Time constants of the membrane.", "ms"),
                Column("tau_syn_ms", "range", "Time constants of the current.", "ms"),
                Column("bias", "range", "Biases.", optional=True),
            ),
            "One per layer.",
            title="layers",
            is_open=True,
        ),
        Rows(
            "weights",
            (*_WEIGHTS, Column("range", "range", "Smallest and largest.")),
            "One per matrix.",
            title="weights",
            key="matrix",
        ),
        Facts("provenance", (), "What the model was made of.", is_open=True),
    ),
)


@click.command()
@click.argument("file", type=INPUT, required=False)
@click.option(
    "-o",
    "--output",
    "--witness",
    "witness",
    type=FILE,
    callback=no_stdout,
    help="Folder for inputs that overflow states, if any can. Default: not written.",
)
@force_option
def command(file: Path | None, witness: Path | None, force: bool) -> Result:
    """Show the content of a model or network.

    For a network: contract, sizes, ranges, storage, and whether its states can overflow.
    """
    from rsnnctl.given import refuse
    from rsnnctl.runs import folders

    if witness is None:
        refuse("without --witness", "force")
    description = describe_file(folders.chosen(file, folders.NETWORK), witness=witness, force=force)
    return Result(NETWORK if "contract" in description else MODEL, description)


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
    from base.ownership import write_into
    from rsnnctl.output import npy_bytes, say_replaced

    names = [f"{each.layer}.{each.variable}.{each.neuron}.npy" for each in found]

    def write(staging: Path) -> list[Path]:
        for each, name in zip(found, names, strict=True):
            (staging / name).write_bytes(npy_bytes(each.raster))
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
