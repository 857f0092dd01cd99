"""Networks out as NIR for a reader that is named."""

from pathlib import Path
from typing import Any

from export.interchange.readers import reader_named
from export.nir import export_nir
from sim.artifact import load_network


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
    known = reader_named(reader)
    network = load_network(source)
    target = output or source.with_name(source.name.removesuffix(".int.h5") + ".nir")
    export_nir(network, target, reader)
    remarks = []
    if reader != "exact":
        remarks.append(f"read it with {known.how.format(dt=network.dt)}")
        remarks += [_remark(known.name, *item) for item in known.differs(network.contract).items()]
    return target, remarks


def _remark(reader: str, field: str, value: Any) -> str:
    return f"{reader} computes with `{field}` {value}, so its spikes will differ (docs/nir.md)"
