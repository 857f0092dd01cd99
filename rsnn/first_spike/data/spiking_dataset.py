"""`SpikingDataset` files of published code, which are pickles: read without running anything.

Nothing of such a file reaches NumPy before it is checked: in place of NumPy's constructors stand
functions that keep what they are given. They return objects, and hand out no class or callable of
ours that a file could change for the files after it.
"""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, FileError, RsnnError
from base.files import read_bytes
from rsnn.first_spike.data.samples import MOST_TICKS, Samples, to_ticks

_MAX_BYTES = 1 << 31
_MOST_GUESSED = 4096  # ticks that are tried
_GUESSED_FROM = 64  # times that are looked at before all others
_PLAIN = {f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)} | {"f4", "f8"}


class _DType:
    """Stands for `numpy.dtype`."""

    def __init__(self, code: Any, *rest: Any) -> None:
        self.code: Any = code
        self.state: Any = ()

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def real(self) -> np.dtype:
        """The type, if it is one of plain numbers or a record of such."""
        if self.code in _PLAIN:
            order = self.state[1] if self.state else "|"
            return np.dtype(f"{'>' if order == '>' else '<'}{self.code}")
        _, _, _, names, fields, size, *_ = self.state
        formats = [fields[name][0].real() for name in names]
        offsets = [int(fields[name][1]) for name in names]
        if any(each.fields for each in formats):
            raise ValueError("a record in a record")
        made: Any = {"names": list(names), "formats": formats, "offsets": offsets}
        return np.dtype(made | {"itemsize": int(size)})


class _Array:
    """Stands for the array that `numpy._core.multiarray._reconstruct` makes."""

    def __init__(self, *rest: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def items(self) -> list:
        """The Python objects of an array of such."""
        _, _, dtype, _, content = self.state
        if dtype.code not in ("O", "O8") or not isinstance(content, list):
            raise ValueError("no objects")
        return content

    def real(self) -> NDArray:
        """The array of numbers, of one axis."""
        _, shape, dtype, _, content = self.state
        if len(shape) != 1:
            raise ValueError("not one axis")
        found = np.frombuffer(content, dtype.real())
        if found.shape != tuple(shape):
            raise ValueError("shape")
        return found


class _Scalar:
    """Stands for `numpy._core.multiarray.scalar`."""

    def __init__(self, dtype: Any, content: Any) -> None:
        self.dtype, self.content = dtype, content

    def real(self) -> Any:
        """The number."""
        return np.frombuffer(self.content, self.dtype.real())[0].item()


_ALLOWED = {
    "numpy.dtype": _DType,
    **{f"numpy.{core}.multiarray._reconstruct": _Array for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _Scalar for core in ("core", "_core")},
}
_NAMED = "numpy.ndarray"  # which `_reconstruct` is told


class _Unpickler(pickle.Unpickler):
    """Finds the stand-ins only."""

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" == _NAMED:
            return _NAMED
        kind = _ALLOWED.get(f"{module}.{name}")
        if kind is None:
            raise FileError(
                f"refused, it holds `{module}.{name}`, which would run as code; only NumPy's arrays"
                " are read"
            )
        return lambda *given: kind(*given)  # anew each time: a pickle may set attributes of it

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("names an object outside")


def read_spiking_dataset(path: Path, t_max: int | None = None) -> Samples:
    """Read a `.npy` file of a dictionary `data`, `labels`, `shape` and `max_time`.

    Args:
        path: the file.
        t_max: ticks to which times are rounded; None for the fewest of which all times are whole
            multiples, up to 4096.

    Raises:
        FileError: no such file, or one that is damaged, holds something else, or would run code.
        DataError: no number of ticks fits the times, or the samples are refused.
        RangeError: too many ticks.
    """
    try:
        content = _unpickled(read_bytes(path, _MAX_BYTES))
    except RsnnError as error:
        text = str(error)
        raise FileError(text if text.startswith(str(path)) else f"{path}: {text}") from error
    except Exception as error:  # damaged files raise nearly anything
        raise FileError(
            f"{path}: holds no SpikingDataset, or a damaged one: a dictionary with `data`, `labels`"
            " and `shape`"
        ) from error
    try:
        return _samples(*content, t_max)
    except RsnnError as error:
        raise type(error)(f"{path}: {error}") from error


def _unpickled(
    content: bytes,
) -> tuple[list[int], NDArray, NDArray, NDArray, int, float]:
    """Sizes of the samples, their inputs and times, labels, inputs in all, and the longest time."""
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("version")
    shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
    if shape != () or dtype != np.dtype(object):
        raise ValueError("no dictionary")
    start = stream.tell()
    for operation, argument, place in pickletools.genops(content[start:]):
        if operation.name.endswith("PUT") and int(argument or 0) > (place or 0):
            raise ValueError("numbers of objects beyond those that there are")  # takes memory
    (found,) = _Unpickler(stream).load().items()
    records = [sample.real() for sample in found["data"]]
    if sum(record.nbytes for record in records) > len(content):
        raise ValueError("samples that are named more often than they are stored")  # takes memory
    for record in records:
        if set(record.dtype.names or ()) != {"indices", "timestamps"}:
            raise ValueError("fields")
    n_samples, n_inputs = map(_number, found["shape"])
    if n_samples != len(records):
        raise ValueError("shape")
    index = np.concatenate([record["indices"] for record in records])
    times = np.concatenate([record["timestamps"] for record in records])
    longest = float(_number(found.get("max_time", 1)))
    return list(map(len, records)), index, times, found["labels"].real(), n_inputs, longest


def _number(value: Any) -> Any:
    return value.real() if isinstance(value, _Scalar) else value


def _samples(
    sizes: list[int],
    index: NDArray,
    times: NDArray,
    labels: NDArray,
    n_inputs: int,
    longest: float,
    t_max: int | None,
) -> Samples:
    if not 0 < longest < np.inf:
        raise DataError(f"`max_time` is {longest}; it must be above 0")
    if not (times >= 0).all():
        raise DataError(f"times hold {times[~(times >= 0)][0]}; 0 and above is possible")
    scaled = np.minimum(times.astype(np.float64) / longest, 1.0)
    chosen = _fewest_ticks(scaled) if t_max is None else t_max
    fires = scaled < 1
    sample = np.repeat(np.arange(len(sizes)), sizes)
    if t_max is None:
        ticks = to_ticks(scaled, chosen)
        fires = ticks < chosen
    else:
        to_ticks(np.zeros(1), t_max)  # refuses the number
        ticks = np.minimum(np.rint(scaled * t_max), t_max - 1).astype(np.int64)
    order = np.lexsort((ticks, sample))
    order = order[fires[order]]
    counts = np.bincount(sample[fires], minlength=len(sizes))
    ptr = np.concatenate([[0], np.cumsum(counts)])
    return Samples(ptr, index[order], ticks[order], labels, chosen, n_inputs)


def _fewest_ticks(times: NDArray[np.float64]) -> int:
    """The least number of ticks of which all times are whole multiples, as far as float32 tells."""
    distinct = np.unique(times)
    few = distinct[:: max(1, len(distinct) // _GUESSED_FROM)]
    for t_max in range(1, _MOST_GUESSED + 1):
        if _are_whole(few, t_max) and _are_whole(distinct, t_max):
            return t_max
    raise DataError(
        f"times are no whole multiples of 1/N for any N up to {_MOST_GUESSED}; give `ticks`, up to"
        f" {MOST_TICKS}, to which they are rounded"
    )


def _are_whole(times: NDArray[np.float64], t_max: int) -> bool:
    scaled = times * t_max
    return bool((np.abs(scaled - np.rint(scaled)) <= t_max * np.finfo(np.float32).eps).all())
