"""Rasters: input spikes without a recording, from files or random."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from base.container import open_hdf5
from base.errors import DataError, FileError

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5")
_KEY = "raster"  # the array to take where a file holds several


@dataclass(frozen=True)
class RasterFile:
    """A raster on disk, of which blocks of steps can be read.

    Attributes:
        path: the file.
        n_steps, n_inputs: its shape.
        stored: what steps can be taken from: a dataset, an array, or for .npy a function that
            maps the file anew, because what was read of a mapped file stays in memory.
    """

    path: Path
    n_steps: int
    n_inputs: int
    stored: Any

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return steps `start` to `stop`, (n, n_inputs) of 0 and 1.

        Raises:
            DataError: they contain other values.
            FileError: the file is damaged there.
        """
        stored = self.stored() if callable(self.stored) else self.stored
        try:
            array = stored[start:stop]
        except (OSError, RuntimeError) as error:  # here, because a caller may have files open, too
            reason = str(error).splitlines()[0]
            raise FileError(f"{self.path}: damaged HDF5 file: {reason}") from error
        wrong = (array != 0) & (array != 1) if array.dtype.kind in "biuf" else np.ones(1, bool)
        if wrong.any():
            example = array[wrong][0] if wrong.shape == array.shape else array.dtype
            raise DataError(
                f"{self.path}: the raster holds {example}; only 0 and 1 are spikes: bin to steps in"
                " which a channel spikes or not"
            )
        return array.astype(np.uint8)


@contextmanager
def open_raster(path: Path) -> Iterator[RasterFile]:
    """Open a raster of .npy, .npz or HDF5; of several arrays, the one called `raster`.

    Of .npy and HDF5 files, only the steps read are in memory.

    Raises:
        FileError: no such file, an unknown suffix, damaged, or no array called `raster`.
        DataError: not two axes, or no steps.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise FileError(f"{path}: cannot be read as a raster; use one of {', '.join(SUFFIXES)}")
    if path.suffix in (".h5", ".hdf5"):
        with open_hdf5(path) as file:
            datasets = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
            yield _described(path, _chosen(path, datasets))
        return
    array = _read_numpy(path)
    described = _described(path, array)
    if isinstance(array, np.memmap):
        described = replace(described, stored=partial(_read_numpy, path))
        del array
    yield described


def load_raster(path: Path) -> NDArray[np.uint8]:
    """Read a whole raster (n_steps, n_inputs) of 0 and 1.

    Raises:
        FileError, DataError: as in `open_raster` and `RasterFile.read`.
    """
    with open_raster(path) as raster:
        return raster.read(0, raster.n_steps)


def random_raster(
    n_steps: int, n_inputs: int, *, dt: float, rate: float = 20.0, seed: int = 0
) -> NDArray[np.uint8]:
    """Independent spikes (n_steps, n_inputs) at `rate` Hz in each channel, steps of `dt` s."""
    generator = np.random.default_rng(seed)
    return (generator.random((n_steps, n_inputs), np.float32) < rate * dt).astype(np.uint8)


def _described(path: Path, stored: Any) -> RasterFile:
    if len(stored.shape) != 2 or stored.shape[0] == 0:
        raise DataError(
            f"{path}: the raster has shape {stored.shape}; (n_steps, n_inputs) with at least one"
            " step is needed"
        )
    n_steps, n_inputs = stored.shape
    return RasterFile(path, n_steps, n_inputs, stored)


def _read_numpy(path: Path) -> NDArray:
    try:
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return _chosen(path, {name: loaded[name] for name in loaded.files})
    except FileNotFoundError:
        raise FileError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise FileError(f"{path}: is a folder, not a file") from None
    except (ValueError, EOFError, OSError, zipfile.BadZipFile) as error:
        raise FileError(f"{path}: not a complete NumPy file of numbers: {error}") from error


def _chosen(path: Path, stored: dict):
    if len(stored) == 1:
        return next(iter(stored.values()))
    if _KEY not in stored:
        names = ", ".join(f"`{name}`" for name in stored) or "none"
        raise FileError(f"{path}: holds no array called `{_KEY}` (arrays: {names}); rename one")
    return stored[_KEY]
