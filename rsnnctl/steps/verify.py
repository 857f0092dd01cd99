"""Verify a network's file: its golden run, then every backend that this machine can run."""

from dataclasses import replace
from pathlib import Path

from base.errors import MismatchError, RangeError
from export.formats import backends as exported
from rsnn.data.raster import random_raster
from rsnn.data.stream import load_stream
from rsnnctl.steps.reproduce import reproduce
from sim import reference
from sim.artifact import load_network, load_vectors
from sim.fast import runs
from sim.trace import first_difference
from sim.verify import Report, verify


def verify_file(path: Path, source: Path | None, steps: int) -> Report:
    """Compare every backend with the reference over the golden input and one stream.

    For a backend that differs, a minimal reproducer is written beside the network; but not for a
    network that is a reproducer already.

    Args:
        path: the network.
        source: session (its test part is taken) or raster; None for a random raster of 20 Hz.
        steps: at most so many steps of the stream.

    Raises:
        RangeError: `steps` is below 1.
        MismatchError: the file's golden run is not what the reference computes; or another number
            of channels.
        FileError, DataError: a file cannot be used.
    """
    if steps < 1:
        raise RangeError(f"--steps is {steps}; at least 1 is needed")
    network = load_network(path)
    golden, expected = load_vectors(path)
    difference = first_difference(expected, reference.run(network, golden))
    if difference is not None:
        raise MismatchError(
            f"{path}: the golden run in the file is not what this rsnnctl computes ({difference});"
            " the file was made under other semantics, quantize again"
        )
    if source is None:
        raster = random_raster(steps, network.n_inputs, dt=network.dt)
    else:
        raster = load_stream(source).raster[:steps]
    backends = {"numba": runs.run_backend} | exported()
    rasters = [golden, raster]
    report = verify(network, rasters, backends)
    results = dict(report.backends)
    for name, result in results.items():
        if result.first is not None and "shrunk_from" not in network.metadata:
            index = result.first.raster_index
            reproducer = reproduce(
                path, name, network, rasters[index], backends[name], after_golden=index > 0
            )
            results[name] = replace(result, reproducer=reproducer)
    return replace(report, backends=results)
