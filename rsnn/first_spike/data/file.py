"""Samples on disk: the arrays of `Samples` and their parts, in HDF5 or an archive of NumPy.

Every reader of HDF5 or NumPy can make such a file: arrays `ptr`, `index`, `tick` and `label`,
numbers `t_max` and `n_inputs`, and, where the file holds several parts, the numbers of the samples
of each, `train`, `validation` and `test`. In place of the former, an archive of NumPy may hold
`images` of 8 bits, or `times` in 0..1 with `t_max`, and `labels`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, FileError, RsnnError
from base.files import atomic_path
from base.hdf5.read import open_hdf5
from base.hdf5.write import create_hdf5
from rsnn.data.numpy_file import load_numpy
from rsnn.first_spike.data.images import latency_coded
from rsnn.first_spike.data.samples import Samples, from_times

PARTS = ("train", "validation", "test")
SUFFIXES = (".h5", ".hdf5", ".npz")
_ARRAYS, _NUMBERS = ("ptr", "index", "tick", "label"), ("t_max", "n_inputs")


def save_samples(
    samples: Samples, path: Path, parts: Mapping[str, NDArray[np.integer]] | None = None
) -> None:
    """Write samples, by the ending of the path as HDF5 or as an archive of NumPy, atomically.

    Args:
        samples: the samples.
        path: the file.
        parts: numbers of the samples of each part, by its name in `PARTS`.

    Raises:
        FileError: another ending, or the file cannot be written.
        DataError: a part names a sample that there is not.
    """
    _check_suffix(path)
    for part in (parts or {}).values():
        samples.take(part)
    arrays = {name: getattr(samples, name) for name in _ARRAYS} | dict(parts or {})
    numbers = {name: getattr(samples, name) for name in _NUMBERS}
    if path.suffix == ".npz":
        with atomic_path(path) as temporary, open(temporary, "wb") as stream:
            np.savez_compressed(stream, **arrays, **numbers)
        return
    with create_hdf5(path) as file:
        for name, array in sorted(arrays.items()):
            file.create_dataset(name, data=array, compression="gzip" if array.size else None)
        for name, number in numbers.items():
            file.attrs[name] = number


def load_samples(path: Path) -> tuple[Samples, dict[str, Samples]]:
    """Read all samples of a file, and those of each part that it names.

    Raises:
        FileError: no such file, another ending, damaged, or arrays are missing.
        DataError, RangeError: the samples are refused.
    """
    found = _arrays(Path(path))
    try:
        samples = _dense(found) or _sparse(found)
        parts = {name: samples.take(found[name]) for name in PARTS if name in found}
    except RsnnError as error:
        raise type(error)(f"{path}: {error}") from error
    return samples, parts


def load_set(path: Path) -> Samples:
    """Read all samples of a file that is one of several sets.

    Raises:
        FileError, DataError, RangeError: as in `load_samples`; or it holds images or times, whose
            labels become classes in their order, which must be the same in all sets.
    """
    found = _arrays(path)
    if {"images", "times"} & found.keys():
        raise DataError(
            f"{path}: holds images or times; put those of all sets into one file, with `train` and"
            " `test`, the numbers of the samples of each"
        )
    try:
        return _sparse(found)
    except RsnnError as error:
        raise type(error)(f"{path}: {error}") from error


def _check_suffix(path: Path) -> None:
    if path.suffix not in SUFFIXES:
        raise FileError(f"{path}: samples are kept in files that end in {', '.join(SUFFIXES)}")


def _arrays(path: Path) -> dict[str, Any]:
    _check_suffix(path)
    if path.suffix == ".npz":
        loaded = load_numpy(path)
        if isinstance(loaded, np.ndarray):
            raise FileError(f"{path}: is a single array; an archive of arrays is needed")
        return loaded
    with open_hdf5(path, item_bytes=8) as file:
        arrays = {k: v[()] for k, v in file.items() if isinstance(v, h5py.Dataset) and v.shape}
        return arrays | {name: file.attrs[name] for name in _NUMBERS if name in file.attrs}


def _dense(found: Mapping[str, Any]) -> Samples | None:
    if "images" in found and "labels" in found:
        return latency_coded(found["images"], found["labels"])
    if "times" in found and "labels" in found and "t_max" in found:
        return from_times(found["times"], found["labels"], _number(found, "t_max"))
    return None


def _sparse(found: Mapping[str, Any]) -> Samples:
    for name in (*_ARRAYS, *_NUMBERS):
        if name not in found:
            known = ", ".join(f"`{each}`" for each in sorted(found)) or "nothing"
            raise FileError(
                f"holds {known}, but not `{name}` of samples; `images` and `labels` are read too"
            )
    return Samples(*(found[name] for name in _ARRAYS), *(_number(found, n) for n in _NUMBERS))


def _number(found: Mapping[str, Any], name: str) -> int:
    value = np.asarray(found[name])
    if value.shape != () or value.dtype.kind not in "iu":
        raise DataError(f"`{name}` is no whole number")
    return int(value)
