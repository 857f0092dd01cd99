"""Rasters: input spikes without a recording, from files or random."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, FileError
from base.hdf5.read import open_hdf5
from rsnn.data.numpy_file import load_numpy
from sim.layer import SPIKES, values_in_words

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5")
_KEY = "raster"  # the array to take where a file holds several
_STEP = "dt"  # seconds per step: an array of .npz, an attribute of the raster or its file in HDF5


@dataclass(frozen=True)
class RasterFile:
    """A raster on disk, of which blocks of steps can be read.

    Attributes:
        path: the file.
        n_steps, n_inputs: its shape.
        dt: seconds per step, None where the file does not say.
        values: smallest and largest value that it may hold.
        stored: what steps can be taken from: a dataset, an array, or for .npy a function that
            maps the file anew, because what was read of a mapped file stays in memory.
    """

    path: Path
    n_steps: int
    n_inputs: int
    dt: float | None
    values: tuple[int, int]
    stored: Any

    def read(self, start: int, stop: int) -> NDArray[Any]:
        """Return steps `start` to `stop`, (n, n_inputs), int8 if there can be negative values.

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
        wrong = np.ones(1, bool)
        if array.dtype.kind in "biuf":
            low, high = self.values
            wrong = (array < low) | (array > high) | (array != np.floor(array))
        if wrong.any():
            example = array[wrong][0] if wrong.shape == array.shape else array.dtype
            raise DataError(
                f"{self.path}: the raster holds {example}; {values_in_words(self.values)}"
            )
        return array.astype(np.int8 if self.values[0] < 0 else np.uint8)


@contextmanager
def open_raster(path: Path, values: tuple[int, int] = SPIKES) -> Iterator[RasterFile]:
    """Open a raster of .npy, .npz or HDF5; of several arrays, the one called `raster`.

    `dt`, an array of .npz or an attribute in HDF5, is the step in seconds. Of .npy and HDF5 files,
    only the steps read are in memory.

    Args:
        path: the file.
        values: smallest and largest value that a network takes.

    Raises:
        FileError: no such file, an unknown suffix, damaged, or no array called `raster`.
        DataError: not two axes, no steps, or a step that is no number of seconds.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise FileError(f"{path}: cannot be read as a raster; use one of {', '.join(SUFFIXES)}")
    if path.suffix in (".h5", ".hdf5"):
        with open_hdf5(path) as file:
            datasets = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
            stored = _chosen(path, datasets)
            dt = stored.attrs.get(_STEP, file.attrs.get(_STEP))
            yield _described(path, stored, dt, values)
        return
    array, dt = _read_numpy(path)
    described = _described(path, array, dt, values)
    if isinstance(array, np.memmap):
        described = replace(described, stored=lambda: _read_numpy(path)[0])
        del array
    yield described


def random_raster(
    n_steps: int,
    n_inputs: int,
    *,
    dt: float,
    rate: float = 20.0,
    seed: int = 0,
    values: tuple[int, int] = SPIKES,
) -> NDArray[Any]:
    """Independent spikes (n_steps, n_inputs) at `rate` Hz in each channel, steps of `dt` s.

    Each one is a random number of `values`, smallest and largest, where a network takes others than
    0 and 1; int8 if there can be negative ones, else uint8.
    """
    generator = np.random.default_rng(seed)
    raster = (generator.random((n_steps, n_inputs), np.float32) < rate * dt).astype(np.uint8)
    if values == SPIKES:
        return raster
    drawn = generator.integers(values[0], values[1] + 1, raster.shape)
    return (raster * drawn).astype(np.int8 if values[0] < 0 else np.uint8)


def _described(path: Path, stored: Any, dt: Any, values: tuple[int, int]) -> RasterFile:
    if stored.shape is None or len(stored.shape) != 2 or stored.shape[0] == 0:
        raise DataError(
            f"{path}: the raster has shape {stored.shape}; (n_steps, n_inputs) with at least one"
            " step is needed"
        )
    n_steps, n_inputs = stored.shape
    return RasterFile(path, n_steps, n_inputs, _seconds(path, dt), values, stored)


def _seconds(path: Path, dt: Any) -> float | None:
    if dt is None:
        return None
    number = np.asarray(dt)
    if number.size == 1 and number.dtype.kind in "fiu" and 0 < number.item() < np.inf:
        return float(number.item())
    raise DataError(f"{path}: `{_STEP}` is {dt}; one number of seconds per step above 0 is needed")


def _read_numpy(path: Path) -> tuple[NDArray, NDArray | None]:
    """The raster of a NumPy file, and its step where it has one."""
    loaded = load_numpy(path)
    if isinstance(loaded, np.ndarray):
        return loaded, None
    dt = loaded.pop(_STEP, None)
    return _chosen(path, loaded), dt


def _chosen(path: Path, stored: dict):
    if len(stored) == 1:
        return next(iter(stored.values()))
    if _KEY not in stored:
        names = ", ".join(f"`{name}`" for name in stored) or "none"
        raise FileError(f"{path}: holds no array called `{_KEY}` (arrays: {names}); rename one")
    return stored[_KEY]
