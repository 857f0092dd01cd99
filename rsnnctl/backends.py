"""Every way to compute a network on this machine, to be compared with the reference."""

from collections.abc import Iterable
from pathlib import Path

from export import formats
from export.firmware.events import replay
from sim.fast import first_spikes, runs
from sim.fast.events import has_engine
from sim.network import IntegerNetwork
from sim.verify import Backend

_EVENTS, _C_EVENTS = "events", "c-events"


def backends(network: IntegerNetwork | None = None) -> dict[str, Backend]:
    """Functions from (network, raster) to a trace, by name: the kernels, and every format.

    For a network that first spikes decide, also those without a clock: the engine, `events`, and
    the functions of its C that take events, `c-events`.
    """
    found = {"numba": runs.run_backend} | formats.backends()
    if network is not None and has_engine(network):
        found |= {_EVENTS: first_spikes.run_backend, _C_EVENTS: replay.run_backend}
    return found


def prepared(network: IntegerNetwork, names: Iterable[str], folder: Path) -> dict[str, Backend]:
    """The named ones that take long to get ready, got ready once for many runs of a network.

    Args:
        network: what they run.
        names: of backends.
        folder: for what is built; it must exist as long as they are used.
    """
    ways = {_C_EVENTS: replay.prepared}
    for format in formats.formats().values():
        ways |= format.prepared
    return {name: ways[name](network, folder / name) for name in names if name in ways}
