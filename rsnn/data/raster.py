"""Rasters: input spikes without a recording around them, from files or random."""

import zipfile
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from rsnnctl.errors import DataError, FileError
from rsnnctl.files import open_hdf5

SUFFIXES = (".npy", ".npz", ".h5", ".hdf5")
_KEY = "raster"  # the array to take where a file holds several


def load_raster(path: Path) -> NDArray[np.uint8]:
    """Read a raster (n_steps, n_inputs) of 0 and 1 from .npy, .npz or HDF5.

    Of several arrays in a file, the one called `raster` is taken.

    Raises:
        FileError: no such file, another suffix, damaged, or no array called `raster`.
        DataError: not two axes, no steps, or values other than 0 and 1.
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise FileError(f"{path}: cannot be read as a raster; use one of {', '.join(SUFFIXES)}")
    if path.suffix in (".h5", ".hdf5"):
        with open_hdf5(path) as file:
            stored = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
            array = _chosen(path, stored)[()]
    else:
        array = _read_numpy(path)
    if array.ndim != 2 or len(array) == 0:
        raise DataError(
            f"{path}: the raster has shape {array.shape}; (n_steps, n_inputs) with at least one"
            " step is needed"
        )
    wrong = (array != 0) & (array != 1) if array.dtype.kind in "biuf" else np.ones(1, bool)
    if wrong.any():
        example = array[wrong][0] if wrong.shape == array.shape else array.dtype
        raise DataError(
            f"{path}: the raster holds {example}; only 0 and 1 are spikes: bin to steps in which a"
            " channel spikes or not"
        )
    return array.astype(np.uint8)


def random_raster(
    n_steps: int, n_inputs: int, *, dt: float, rate: float = 20.0, seed: int = 0
) -> NDArray[np.uint8]:
    """Independent spikes (n_steps, n_inputs) at `rate` Hz in each channel, steps of `dt` s."""
    generator = np.random.default_rng(seed)
    return (generator.random((n_steps, n_inputs), np.float32) < rate * dt).astype(np.uint8)


def _read_numpy(path: Path) -> NDArray:
    try:
        loaded = np.load(path, allow_pickle=False)
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
        raise FileError(f"{path}: holds no array called `{_KEY}` (arrays: {names}); name one so")
    return stored[_KEY]
