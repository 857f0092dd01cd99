"""Networks out to the formats of others, and theirs in, with a contract or without."""

from pathlib import Path
from typing import TYPE_CHECKING

from base.errors import RangeError
from export.nir.container import read_graph
from export.nir.files import carries_contract, export_nir, import_nir
from export.nir.readers import reader_named, remarks
from rsnnctl.provenance import provenance
from sim.artifact import load_network, save_network

if TYPE_CHECKING:
    from rsnn.model import RSNN


def export_nir_file(
    source: Path, *, reader: str = "exact", output: Path | None = None
) -> tuple[Path, list[str]]:
    """Write the NIR graph of a network's file; return where, and what its reader must know.

    Args:
        source: the network (.int.h5).
        reader: `exact`, `norse` or `snntorch`.
        output: the graph (.nir); None is beside the network.

    Raises:
        RangeError: no such reader, or it cannot express the network.
        FileError: a file cannot be read or written.
    """
    reader_named(reader)
    network = load_network(source)
    target = output or source.with_name(source.name.removesuffix(".int.h5") + ".nir")
    export_nir(network, target, reader)
    return target, remarks(network, reader)


def import_nir_file(
    source: Path,
    *,
    dt: float | None = None,
    discretization: str = "exact",
    order: str = "at-once",
    reset: str = "zero",
    output: Path | None = None,
) -> tuple[Path, str, list[str]]:
    """Read a NIR graph; return the file that it became, its digest, and what was assumed.

    Args:
        source: the graph (.nir). With a contract it becomes an integer network (.int.h5), whose
            digest is that of the original; without, a float model (.rsnn.h5).
        dt: seconds a step; needed where there is no contract.
        discretization: `exact` or `euler`, likewise.
        order: `at-once`, `snntorch`, `delayed-reset` or `published`, likewise.
        reset: `zero`, `zero-keep-input` or `subtract`, likewise.
        output: None is beside the graph.

    Raises:
        RangeError: a choice that is not there, is missing, or is made by a contract already.
        FileError, DataError, MismatchError: the graph cannot be read or represented.
    """
    graph = read_graph(source, check_types=False)
    if carries_contract(graph):
        if dt is not None:
            raise RangeError(
                f"--dt is {dt}, but {source} carries a numeric contract, which says it; leave it"
                " out"
            )
        target = output or source.with_suffix(".int.h5")
        return target, save_network(import_nir(source), target), []
    if dt is None:
        raise RangeError(
            f"{source} carries no numeric contract, and NIR has no time step; give --dt in seconds,"
            " such as --dt 0.001"
        )
    from export.nir.import_graph import import_graph, order_of
    from export.nir.layers import TimeStep
    from rsnn.checkpoint import save_model  # only now, because torch takes a second to import

    model = import_graph(graph, TimeStep(dt, discretization), order_of(order, reset))
    target = output or source.with_suffix(".rsnn.h5")
    chosen = {"dt": dt, "discretization": discretization, "order": order, "reset": reset}
    digest = save_model(model, target, provenance("import-nir", graph=source.name, **chosen))
    said = ", ".join(f"{key} {value}" for key, value in chosen.items())
    return target, digest, [f"no contract in {source}: read with {said} (docs/nir.md)"]


def import_snntorch_file(
    source: Path, description: Path, output: Path | None = None
) -> "tuple[Path, str, RSNN]":
    """Read a state dict of snnTorch; return the model's file, its digest and the model.

    Args:
        source: the checkpoint (.pt, .pth), a state dict and nothing else.
        description: TOML, see docs/snntorch.md.
        output: the model (.rsnn.h5); None is beside the checkpoint.

    Raises:
        FileError: a file cannot be read or written.
        DataError, RangeError: what no float model can represent.
    """
    from rsnn.checkpoint import save_model
    from rsnn.published import read_state_dict
    from rsnn.snntorch.description import read_description
    from rsnn.snntorch.import_state import import_state

    described = read_description(description)
    model = import_state(read_state_dict(source, str(source)), described)
    target = output or source.with_suffix(".rsnn.h5")
    facts = provenance("import-snntorch", checkpoint=source.name, description=description.name)
    return target, save_model(model, target, facts), model
