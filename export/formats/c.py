"""C: a self-contained decoder in C99, `<name>.h` and `<name>.c`, for microcontrollers and hosts."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from base.errors import RangeError
from base.option import Option
from export.firmware.options import LAYOUT, NAME
from export.format import Format
from export.packages import packages

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.network import IntegerNetwork
    from sim.trace import Trace
    from sim.verify import Backend


PACKAGE = Option(
    "package",
    default="none",
    help="Build system of firmware to write a package for, with the sources in its `src`.",
    choices=("none", *packages()),
)
LANGUAGE = Option(
    "language",
    default="c",
    help="Language of the decoder: C99, or a crate of Rust without std.",
    choices=("c", "rust"),
)


def _write(
    network: "IntegerNetwork", path: Path, *, name: str, layout: str, package: str, language: str
) -> list[Path]:
    if language == "rust":
        from export.rust.crate import write_crate

        if package != PACKAGE.default:
            raise RangeError(
                f"`package` is {package}, which holds C; `language` is rust, which is a crate."
                " Leave one of them out"
            )
        return write_crate(network, path, name, layout)
    if package == PACKAGE.default:
        from export.firmware.decoder import export_c

        return export_c(network, path, name, layout)

    from export.package import write_package

    return write_package(network, path, name, layout, packages()[package], package)


def _c(network: "IntegerNetwork", raster: "NDArray[np.uint8]") -> "Trace":
    from export.firmware.decoder import run_backend

    return run_backend(network, raster)


def _prepared(network: "IntegerNetwork", folder: Path) -> "Backend":
    from export.firmware.decoder import prepared

    return prepared(network, folder)


def _read_digest(path: Path) -> str | None:
    """The digest in the comment at the top of a source, a header or a crate's description."""
    if path.suffix not in (".c", ".h", ".rs", ".toml"):
        return None
    with open(path, encoding="utf-8", errors="replace") as stream:
        found = re.search("nteger network ([0-9a-f]{64})", stream.readline())
    return found[1] if found else None


def _open_written(path: Path, network: "IntegerNetwork") -> "dict[str, Backend]":
    from export.firmware.written import open_written

    files = sorted(path.glob("*.c")) if path.is_dir() else [path.with_suffix(".c")]
    return open_written([file for file in files if _read_digest(file)], network)


FORMAT = Format(
    description="self-contained C99 for microcontrollers and hosts",
    details="The files are `<name>.h` and `<name>.c`, or a crate of Rust.",
    write=_write,
    options=(NAME, LAYOUT, PACKAGE, LANGUAGE),
    backends={"c": _c},
    prepared={"c": _prepared},
    read_digest=_read_digest,
    open_written=_open_written,
)
