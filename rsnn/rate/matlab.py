"""The `.mat` files of the published code, read and written.

Variables of a network: `w` before sign and mask, `w_in`, `w_out`, `b_out`, `m` (signs on the
diagonal), `som_m` (mask), `som_N`, `N`, `inh`, `exc`, `taus` (one or two numbers of steps),
`taus_gaus`. Activation and task stand in the name of the file, `Task_go-nogo_.._Act_sigmoid_..`.
"""

import re
import zlib
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import scipy.io
from numpy.typing import NDArray
from scipy.io.matlab import MatReadError

from base.errors import DataError, FileError, RsnnError
from base.files import read_bytes, write_bytes
from base.hdf5.read import SIGNATURE, open_hdf5
from rsnn.rate.names import ACTIVATIONS
from rsnn.rate.network import RateNetwork

_NEEDED = ("w", "w_in", "w_out", "b_out", "m", "som_m", "taus", "taus_gaus")
_CLASSES = {
    "double",
    "single",
    "logical",
    *(f"{u}int{8 * 2**k}" for u in ("", "u") for k in range(4)),
}
_MAX_FILE = 1 << 28  # bytes
_MAX_NUMBERS = 1 << 25  # of a variable
_USER_BLOCK = 512  # bytes before the HDF5 of MATLAB's files
_ODD = (
    *(ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, MemoryError),
    *(NotImplementedError, OSError, EOFError, RuntimeError, zlib.error, MatReadError),
)
"""What scipy's reader raises on damaged files; it documents none of it."""


def read_mat(path: Path, *, activation: str | None = None, task: str | None = None) -> RateNetwork:
    """Read a network that the published code has trained.

    Entries of `w` below 0 become 0 (the published code saves it before that), and what `m` and
    `som_m` say is read as signs and SST units, from which the same weights follow.

    Args:
        path: a MATLAB file of version 4, 5, 6, 7 or 7.3.
        activation: of its units; by default that in the name of the file.
        task: that it was trained on; by default that in the name of the file, if there is one.

    Raises:
        FileError: no such file, no MATLAB file, or damaged.
        DataError: a variable is missing, no array of numbers, or does not fit the others.
    """
    found = _read(path)
    missing = [name for name in _NEEDED if name not in found]
    if missing:
        raise DataError(
            f"{path}: has no variable `{missing[0]}`; a file of the published code has"
            f" {', '.join(_NEEDED)}"
        )
    n = found["w_out"].size
    for name, shape in (("w", (n, n)), ("m", (n, n)), ("som_m", (n, n))):
        if found[name].shape != shape:
            raise DataError(
                f"{path}: `{name}` is {found[name].shape}; {shape} fits the {n} units of `w_out`"
            )
    sign = np.diagonal(found["m"])
    if not (np.isin(sign, (-1, 1)).all() and np.array_equal(found["m"], np.diag(sign))):
        raise DataError(f"{path}: `m` is no diagonal of -1 and 1; it holds the units' signs")
    mask = found["som_m"]
    is_sst = (mask == 0).any(1)
    if not np.array_equal(mask, ~(is_sst[:, None] & (sign < 0)[None, :])):
        raise DataError(
            f"{path}: `som_m` does more than to take inhibition from some units; such a mask is"
            " not known here"
        )
    taus = found["taus"].ravel()
    if taus.size not in (1, 2) or found["b_out"].size != 1:
        raise DataError(
            f"{path}: `taus` has {taus.size} numbers and `b_out` {found['b_out'].size}; 1 or 2 and"
            " 1 are needed"
        )
    w = found["w"]
    dale = bool((sign < 0).any() or w.min() >= 0)  # else all are +1, and `w` has its own signs
    single = {name: found[name].astype(np.float32) for name in ("w_in", "w_out", "taus_gaus")}
    try:
        return RateNetwork(
            (np.maximum(w, 0) if dale else w).astype(np.float32),
            sign.astype(np.int8),
            is_sst,
            single["w_in"],
            single["w_out"].ravel(),
            float(found["b_out"].ravel()[0]),
            single["taus_gaus"].ravel() if taus.size == 2 else np.zeros(n, np.float32),
            (float(taus[0]), float(taus[-1])),
            activation or _activation(path),
            dale,
            _named("Task", path) if task is None else task,
        )
    except RsnnError as error:
        raise type(error)(f"{path}: {error}") from error


def write_mat(
    network: RateNetwork, path: Path, extra: Mapping[str, NDArray[Any]] | None = None
) -> None:
    """Write a network as a file of version 5 that the published code reads.

    Args:
        network: the network.
        path: the file. Replaced atomically.
        extra: further variables, such as `losses`.

    Raises:
        FileError: the file cannot be written.
    """
    taus = network.taus if network.taus[0] < network.taus[1] else network.taus[:1]
    sign = network.sign.astype(np.float64)
    content = {
        "N": network.n_units,
        "som_N": int(network.is_sst.sum()),
        "w": network.w,
        "w_in": network.w_in,
        "w_out": network.w_out[None, :],
        "b_out": np.array([[network.b_out]]),
        "m": np.diag(sign),
        "som_m": network.mask.astype(np.float64),
        "inh": sign < 0,
        "exc": sign > 0,
        "taus": np.array([taus]),
        "taus_gaus": network.tau_param[:, None],
        **(extra or {}),
    }
    stream = BytesIO()
    scipy.io.savemat(stream, content)
    image = bytearray(stream.getvalue())
    image[:116] = b"MATLAB 5.0 MAT-file, written by rsnnctl".ljust(116)  # in place of the date
    write_bytes(path, bytes(image))


def published_name(network: RateNetwork) -> str:
    """The name that the published code would give to a network's file, without its date."""
    taus = "_".join(f"{tau:g}" for tau in dict.fromkeys(network.taus))
    task = network.task or "unknown"
    return f"Task_{task}_N_{network.n_units}_Taus_{taus}_Act_{network.activation}.mat"


def _activation(path: Path) -> str:
    name = _named("Act", path)
    if name not in ACTIVATIONS:
        raise DataError(
            "its name does not say the activation of the units, as Act_sigmoid would; name it with"
            " `activation`"
        )
    return name


def _named(word: str, path: Path) -> str:
    found = re.search(rf"(?:^|_){word}_([a-z-]+)", path.stem)
    return found[1] if found else ""


def _read(path: Path) -> dict[str, NDArray[np.float64]]:
    content = read_bytes(path, _MAX_FILE)
    if SIGNATURE in (content[:8], content[_USER_BLOCK : _USER_BLOCK + 8]):
        return _read_hdf5(path)
    try:
        listed = {name: (shape, kind) for name, shape, kind in scipy.io.whosmat(BytesIO(content))}
        for name in _NEEDED:
            shape, kind = listed.get(name, ((1,), "double"))
            if kind not in _CLASSES or not 0 < np.prod(shape, dtype=object) <= _MAX_NUMBERS:
                raise DataError(f"{path}: `{name}` is {kind} of {shape}; numbers are needed")
        loaded = scipy.io.loadmat(BytesIO(content), variable_names=_NEEDED)
        return {name: _numbers(path, name, loaded[name]) for name in _NEEDED if name in loaded}
    except _ODD as error:
        raise FileError(
            f"{path}: is no MATLAB file, or a damaged one; copy or fetch it again"
        ) from error


def _read_hdf5(path: Path) -> dict[str, NDArray[np.float64]]:
    """Variables of version 7.3, whose arrays HDF5 keeps with axes in reverse."""
    found = {}
    with open_hdf5(path, item_bytes=8) as file:
        for name in _NEEDED:
            item = file.get(name)
            if item is None:
                continue
            if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
                raise DataError(f"{path}: `{name}` is no array of numbers")
            found[name] = _numbers(path, name, np.asarray(item[()]).T)
    return found


def _numbers(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.float64]:
    if array.dtype.kind not in "fiub" or array.size == 0:
        raise DataError(f"{path}: `{name}` is no array of real numbers")
    return np.atleast_2d(array.astype(np.float64))
