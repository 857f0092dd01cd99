"""Minimal cases that show a difference of a backend, written beside a network."""

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.errors import RsnnError
from base.files import write_bytes
from rsnnctl.output import npy_bytes, owned
from rsnnctl.runs import folders
from sim.artifact import save_network, vector_raster
from sim.network import IntegerNetwork
from sim.shrink import shrink
from sim.trace import Trace
from sim.verify import Backend, Verification

_TRIES = 400  # runs of a backend to find a reproducer


def with_reproducers(
    report: Verification,
    path: Path,
    network: IntegerNetwork,
    rasters: list[NDArray[np.uint8]],
    backends: dict[str, Backend],
    *,
    force: bool,
) -> Verification:
    """The report with a reproducer for each backend that differs.

    None is made for a network that is a reproducer already. Arguments are as in `reproduce`;
    `rasters` are the inputs that were compared, the golden one first.
    """
    if "shrunk_from" in network.metadata:
        return report
    results = dict(report.backends)
    for name, result in results.items():
        if result.first is not None:
            index = result.first.raster_index
            files = reproduce(
                path,
                name,
                network,
                rasters[index],
                backends[name],
                after_golden=index > 0,
                force=force,
            )
            results[name] = replace(result, reproducer=files)
    return replace(report, backends=results)


def reproduce(
    path: Path,
    name: str,
    network: IntegerNetwork,
    raster: NDArray[np.uint8],
    backend: Backend,
    *,
    after_golden: bool,
    force: bool = False,
) -> dict[str, str]:
    """Write `<stem>.<name>.reproducer.int.h5` and `.npy` beside the network's file.

    Args:
        path: the network's file, or one of its name in the folder to write to.
        name: of the backend.
        network: the network.
        raster: input (n_steps, n_inputs) on which the backend differs from the reference.
        backend: the backend.
        after_golden: it does so after it has run the golden input; each case is then run in the
            same order, because a state that is not reset shows only there.
        force: overwrite files that `verify` did not write.

    Returns:
        `network`, `raster` and the command to `replay` them, or why they were `not made`: the
        report of the difference must not be lost for that.
    """
    network_path, raster_path = (
        folders.beside(path, f".{name}.reproducer{end}") for end in (".int.h5", ".npy")
    )
    wrong, tries = (_second_run(backend), _TRIES // 2) if after_golden else (backend, _TRIES)
    try:
        with owned([network_path, raster_path], "verify", force=force):
            small, spikes = shrink(network, raster, wrong, tries=tries)
            save_network(small, network_path)
            write_bytes(raster_path, npy_bytes(spikes))
    except RsnnError as error:
        return {"not made": str(error)}
    command = ["rsnnctl", "verify", str(network_path), "--session", str(raster_path)]
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
