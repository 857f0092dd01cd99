"""NIR: the field's exchange graph, with the numeric contract as metadata."""

from pathlib import Path
from typing import TYPE_CHECKING

from base.option import Option
from export.format import Format
from export.nir.readers import READERS, remarks

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.network import IntegerNetwork
    from sim.trace import Trace
    from sim.verify import Backend


def _write(network: "IntegerNetwork", path: Path, *, reader: str) -> list[Path]:
    from export.nir.files import export_nir

    export_nir(network, path, reader)
    return [path]


def _check(network: "IntegerNetwork") -> None:
    from export.nir.kinds import check_kinds

    check_kinds(network)


def _nir(network: "IntegerNetwork", raster: "NDArray[np.uint8]") -> "Trace":
    from export.nir.files import run_backend

    return run_backend(network, raster)


def _read_digest(path: Path) -> str | None:
    from export.nir.container import read_graph
    from export.nir.metadata import digest_of

    return digest_of(read_graph(path, check_types=False))


def _open_written(path: Path, network: "IntegerNetwork") -> "dict[str, Backend]":
    from export.nir.files import open_written

    return {"nir": open_written(path, network)}


FORMAT = Format(
    description="a NIR graph for a reader",
    details=(
        "The numeric contract is its metadata, so that `import-nir` reads the same integers back."
    ),
    write=_write,
    suffixes=(".nir",),
    options=(
        Option(
            "reader",
            default="exact",
            help="Reader the graph is written for.",
            choices=tuple(READERS),
            flag="for",
        ),
    ),
    check=_check,
    remarks=remarks,
    backends={"nir": _nir},
    read_digest=_read_digest,
    open_written=_open_written,
)
