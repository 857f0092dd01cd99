"""Results of a simulation on disk: decoded values, readout words and, if kept, every state."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from base.errors import FileError
from base.hdf5.read import open_hdf5
from base.hdf5.write import stream_hdf5
from sim.fast.simulator import Block
from sim.network import IntegerNetwork
from sim.trace import empty_trace

SUFFIXES = (".h5", ".hdf5")
_CHUNK_BYTES = 1 << 18


class RunWriter:
    """Appends block after block to the datasets of an open HDF5 file."""

    def __init__(
        self, file: h5py.File, network: IntegerNetwork, unit: str, *, record: bool
    ) -> None:
        """Create empty datasets; with `record` also one per state variable."""
        self._file = file
        self._network = network
        file.attrs["digest"] = network.digest()
        file.attrs["dt"] = network.dt
        readout = network.readout
        self._create("decoded", readout.n_outputs, np.dtype(np.float64))
        file["decoded"].attrs["unit"] = unit
        self._create("out", readout.n_neurons, np.dtype(np.int32))
        if record:
            for name, words in empty_trace(network, 0).variables.items():
                self._create(name, words.shape[1], words.dtype)

    def write(self, block: Block) -> NDArray[np.float64]:
        """Append a block; return what it decodes to, (n_steps, n_outputs)."""
        decoded: NDArray[np.float64] = self._network.readout.decode(block.out)
        self._append("decoded", decoded)
        self._append("out", block.out)
        if block.trace is not None:
            for name, words in block.trace.variables.items():
                self._append(name, words)
        return decoded

    def _create(self, name: str, width: int, dtype: np.dtype) -> None:
        self._file.create_dataset(
            name,
            shape=(0, width),
            maxshape=(None, width),
            chunks=(max(1, _CHUNK_BYTES // (width * dtype.itemsize)), width),
            dtype=dtype,
            compression="gzip",
            compression_opts=1,
            shuffle=True,
            track_times=False,
        )

    def _append(self, name: str, words: NDArray[Any]) -> None:
        dataset = self._file[name]
        start = len(dataset)
        dataset.resize(start + len(words), 0)
        dataset[start:] = words


def read_digest(path: Path) -> str | None:
    """The digest of the network that a run names, or None where that cannot be read."""
    try:
        with open_hdf5(path) as file:
            digest = file.attrs.get("digest")
    except FileError:
        return None
    return digest if isinstance(digest, str) else None


@contextmanager
def create_run(
    path: Path, network: IntegerNetwork, unit: str, *, record: bool
) -> Iterator[RunWriter]:
    """Write a run as HDF5, atomically and block by block.

    Datasets: `decoded` (n_steps, n_outputs) float64 with its `unit` as an attribute, `out`
    (n_steps, rows) int32 and, with `record`, one for each state variable (`hidden0.spk` and so
    on). Attributes: `digest` of the network and `dt` in s.

    Raises:
        FileError: a wrong suffix, or the file cannot be written.
    """
    if path.suffix not in SUFFIXES:
        raise FileError(
            f"{path}: what a simulation leaves is written as HDF5; name it {' or '.join(SUFFIXES)}"
        )
    with stream_hdf5(path) as file:
        yield RunWriter(file, network, unit, record=record)
