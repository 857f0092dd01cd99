"""Keep a minimal case on which a backend is wrong as two files, and say how to replay it."""

import shlex
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.errors import RsnnError
from base.files import atomic_path
from sim.artifact import save_network, vector_raster
from sim.network import IntegerNetwork
from sim.shrink import shrink
from sim.trace import Trace
from sim.verify import Backend

_TRIES = 400  # runs of a backend to find a reproducer


def reproduce(
    path: Path,
    name: str,
    network: IntegerNetwork,
    raster: NDArray[np.uint8],
    backend: Backend,
    *,
    after_golden: bool,
) -> dict[str, str]:
    """Write `<stem>.<name>.reproducer.int.h5` and `.npy` beside the network's file.

    Args:
        path: the network's file.
        name: of the backend.
        network: the network.
        raster: input (n_steps, n_inputs) on which the backend differs from the reference.
        backend: the backend.
        after_golden: it does so after it has run the golden input; each case is then run in the
            same order, because a state that is not reset shows only there.

    Returns:
        `network`, `raster` and the command to `replay` them, or why they were `not made`: the
        report of the difference must not be lost for that.
    """
    stem = f"{path.name.removesuffix('.int.h5')}.{name}.reproducer"
    network_path, raster_path = (path.with_name(stem + end) for end in (".int.h5", ".npy"))
    wrong, tries = (_second_run(backend), _TRIES // 2) if after_golden else (backend, _TRIES)
    try:
        small, spikes = shrink(network, raster, wrong, tries=tries)
        save_network(small, network_path)
        with atomic_path(raster_path) as temporary, open(temporary, "wb") as stream:
            np.save(stream, spikes, allow_pickle=False)
    except RsnnError as error:
        return {"not made": str(error)}
    command = ["rsnnctl", "verify", str(network_path), "--input", str(raster_path)]
    return {
        "network": str(network_path),
        "raster": str(raster_path),
        "replay": shlex.join(command),
    }


def _second_run(backend: Backend) -> Backend:
    def run(network: IntegerNetwork, raster: NDArray[np.uint8]) -> Trace:
        backend(network, vector_raster(network))
        return backend(network, raster)

    return run
