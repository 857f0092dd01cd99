"""What a simulation leaves on disk: decoded values, readout words and, if kept, every state."""

from pathlib import Path

import numpy as np

from rsnnctl.files import atomic_path
from sim.kernels import Run
from sim.network import IntegerNetwork


def save_run(network: IntegerNetwork, run: Run, path: Path) -> None:
    """Write a run as .npz, atomically.

    Arrays: `decoded` (n_steps, n_outputs) float64 in the unit of the training target, `out`
    (n_steps, rows) int32, `digest` of the network, `dt` in s, and one array for each state
    variable (`hidden0.spk` and so on) if the run kept a trace.

    Raises:
        FileError: the file cannot be written.
    """
    states = {} if run.trace is None else dict(run.trace.variables)
    with atomic_path(path) as temporary, open(temporary, "wb") as stream:
        np.savez_compressed(
            stream,
            allow_pickle=False,
            decoded=network.readout.decode(run.out),
            out=run.out,
            digest=np.array(network.digest()),
            dt=np.array(network.dt),
            **states,
        )
