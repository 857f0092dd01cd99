"""C: a self-contained decoder in C99, `<name>.h` and `<name>.c`, for microcontrollers and hosts."""

from pathlib import Path
from typing import TYPE_CHECKING

from export.firmware.options import LAYOUT, NAME
from export.format import Format

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.network import IntegerNetwork
    from sim.trace import Trace


def _write(network: "IntegerNetwork", path: Path, *, name: str, layout: str) -> list[Path]:
    from export.firmware.decoder import export_c

    return export_c(network, path, name, layout)


def _c(network: "IntegerNetwork", raster: "NDArray[np.uint8]") -> "Trace":
    from export.firmware.decoder import run_backend

    return run_backend(network, raster)


FORMAT = Format(
    description="self-contained C99 for microcontrollers and hosts",
    details="The files are `<name>.h` and `<name>.c`.",
    write=_write,
    options=(NAME, LAYOUT),
    backends={"c": _c},
)
