"""Verilog: a decoder for FPGAs and chips, its weights and constants in hexadecimal files."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from export.format import Format
from export.verilog.options import NAME, SHAPE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.network import IntegerNetwork
    from sim.trace import Trace
    from sim.verify import Backend


def _write(
    network: "IntegerNetwork",
    path: Path,
    *,
    name: str,
    layout: str,
    lanes: str,
    update: str,
    unique_inputs: bool,
    pack: bool,
    storage: str,
    link: str,
) -> list[Path]:
    from export.verilog.decoder import export_verilog
    from export.verilog.design import shape_of

    shape = shape_of(layout, lanes, update, unique_inputs, link, pack, storage)
    return export_verilog(network, path, name, shape)


def _verilog(network: "IntegerNetwork", raster: "NDArray[np.uint8]") -> "Trace":
    from export.verilog.decoder import run_backend

    return run_backend(network, raster)


def _prepared(network: "IntegerNetwork", folder: Path) -> "Backend":
    from export.verilog.decoder import prepared

    return prepared(network, folder)


def _check(network: "IntegerNetwork") -> None:
    from export.verilog.design import check_supported

    check_supported(network)


def _read_digest(path: Path) -> str | None:
    """The digest in the comment at the top of a network's own files."""
    if path.suffix not in (".v", ".hex"):
        return None
    with open(path, encoding="utf-8", errors="replace") as stream:
        found = re.search("// .*integer network ([0-9a-f]{64})", stream.readline())
    return found[1] if found else None


def _open_written(path: Path, network: "IntegerNetwork") -> "dict[str, Backend]":
    from export.verilog.written import open_written

    files = sorted(path.glob("*.v")) if path.is_dir() else [path]
    return open_written([file for file in files if _read_digest(file)], network)


FORMAT = Format(
    description="event-driven Verilog for FPGAs and chips",
    details=(
        "The top module is in `<name>.v`, with AXI4-Stream in and out; its weights and constants"
        " are files beside it."
    ),
    write=_write,
    options=(NAME, *SHAPE),
    check=_check,
    backends={"verilog": _verilog},
    prepared={"verilog": _prepared},
    read_digest=_read_digest,
    open_written=_open_written,
)
