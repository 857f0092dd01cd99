"""Every way to compute a network on this machine, to be compared with the reference."""

from export import formats
from sim.fast import runs
from sim.verify import Backend


def backends() -> dict[str, Backend]:
    """Functions from (network, raster) to a trace, by name: the kernels, and every format."""
    return {"numba": runs.run_backend} | formats.backends()
