"""The layout of the published recordings: MATLAB 7.3 files, which are HDF5 with a user block.

A recording holds, at its root and as h5py shows it (MATLAB's axes reversed):

- `t` (1, n_steps): sample times in s, at 250 Hz;
- `cursor_pos`, `target_pos` (2, n_steps): x and y in mm;
- `spikes` (n_units, n_channels): references to cells, each a column of spike times in s. Row 0
  holds the unsorted spikes of a channel. An empty MATLAB cell is stored as the *dimensions* of an
  empty array (uint64, such as `[0, 0]` or `[0, 1]`) under the attribute `MATLAB_empty`;
- `wf` (n_units, n_channels): references to the waveforms, most of the file; never read here.

Source of the layout: the variable list of the Zenodo records 583331 and 3854034.
"""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, FileError, RsnnWarning

HEADER = 128  # bytes of the user block that are MATLAB's
DT = 0.004  # s, the sampling interval of every published session
LONGEST_INTERVAL_ERROR = 0.1 * DT  # s; beyond it: a lost or extra sample
LARGEST_MEDIAN_ERROR = 0.001 * DT  # s; beyond it: another rate
LONGEST_DRIFT = (1.0 + 1e-6) * DT  # s; beyond it, spikes and cursor part by more than one step
FARTHEST_TIME = 1e12  # s; a sample time beyond this is damaged data
NEEDED = {
    "t": "(1, n) seconds",
    "spikes": "(units, channels) references",
    "cursor_pos": "(2, n) mm",
    "target_pos": "(2, n) mm",
}
_DAMAGE = (AttributeError, KeyError, MemoryError, OSError, RuntimeError, TypeError, ValueError)
_STRETCH = 1 << 16  # numbers of an axis in memory at once


@dataclass(frozen=True)
class Numbers:
    """A variable or cell of an open recording, read in stretches of its longest axis.

    The dataset is opened for each reading, because an open one may keep a megabyte of its own.

    Attributes:
        file, source: the file, and a name or a reference in it.
        path, name: their names in error texts.
        shape: shape as stored.
    """

    file: h5py.File
    source: str | h5py.Reference
    path: Path
    name: str
    shape: tuple[int, ...]

    @property
    def axis(self) -> int:
        """The longest axis, the last one if several are equal; 0 for a number without axes."""
        return max(range(len(self.shape)), key=lambda k: (self.shape[k], k), default=0)

    @property
    def length(self) -> int:
        """Length of the longest axis."""
        return self.shape[self.axis] if self.shape else 1

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def read(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return the values between two places of the longest axis, with all axes.

        Raises:
            FileError: the file is damaged there.
        """
        with _readable(self.path):
            index = (slice(None),) * self.axis + (slice(start, stop),)
            part = self.file[self.source][index if self.shape else ()]
            return np.asarray(part, dtype=np.float64)

    def read_all(self) -> NDArray[np.float64]:
        """Return the whole variable or cell."""
        return self.read(0, self.length)

    def stretches(
        self, start: int = 0, stop: int | None = None, *, overlap: int = 0
    ) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield stretches one after the other, each with the place where it begins.

        All but the first repeat the last `overlap` places of the one before.
        """
        stop = self.length if stop is None else stop
        for first in range(start, stop, _STRETCH):
            begin = max(start, first - overlap)
            yield begin, self.read(begin, min(stop, first + _STRETCH))


@dataclass(frozen=True)
class Clock:
    """The sample times of a recording: the first and last in s, and their number.

    `irregular_intervals` are off by more than a tenth: samples were lost, or are extra. They are
    read as NeuroBench reads them. `drift` is what the clock is ahead of its samples at the end, in
    s: by so much spikes, which follow the clock, and cursor, which follows the samples, differ.
    """

    first: float
    last: float
    n_steps: int
    irregular_intervals: int

    @property
    def drift(self) -> float:
        return self.last - self.first - (self.n_steps - 1) * DT


@dataclass(frozen=True)
class Cell:
    """The spikes of one unit: its row and channel, and its times in s, in any order.

    `is_empty` marks a MATLAB_empty cell, whose `times` are its stored dimensions and no spikes.
    """

    unit: int
    channel: int
    times: Numbers
    is_empty: bool


def read_clock(file: h5py.File, path: Path) -> Clock:
    """Return the sample times of an open recording.

    Raises:
        DataError: a variable of the layout is missing, or `t` does not increase, runs too far, or
            its median interval is not 4 ms within 0.1 %.

    Warns:
        RsnnWarning: the clock is more than a step away from its samples at the end.
    """
    for name, shape in NEEDED.items():
        with _readable(path):
            found = isinstance(file.get(name), h5py.Dataset)
        if not found:
            raise DataError(
                f"{path}: no variable `{name}` {shape}; a recording in the MATLAB 7.3 layout of"
                f" Zenodo 583331 with {', '.join(NEEDED)} is needed"
            )
    t = _variable(file, path, "t")
    if t.size < 2:
        raise DataError(f"{path}: `t` holds {t.size} samples; at least 2 are needed")
    first = last = math.nan
    n_irregular = n_off = 0
    for start, part in t.stretches(overlap=1):
        times = part.ravel()
        last = float(times[-1])
        first = float(times[0]) if start == 0 else first
        intervals = np.diff(times)
        wrong = ~(intervals > 0)
        if wrong.any():
            step = int(np.argmax(wrong))
            raise DataError(
                f"{path}: `t` does not increase at sample {start + step + 1}: {times[step]:g} s,"
                f" then {times[step + 1]:g} s; export the session again with a monotonic clock"
            )
        errors = np.abs(intervals - DT)
        n_irregular += int(np.count_nonzero(errors > LONGEST_INTERVAL_ERROR))
        n_off += int(np.count_nonzero(errors > LARGEST_MEDIAN_ERROR))
    if not -FARTHEST_TIME <= first < last <= FARTHEST_TIME:
        raise DataError(
            f"{path}: `t` runs from {first:g} to {last:g} s; at most ±{FARTHEST_TIME:g} s is"
            " possible, cut the damaged samples"
        )
    if 2 * n_off >= t.size - 1:  # with fewer of them the median interval is right
        median = float(np.median(np.diff(t.read_all().ravel())))
        if abs(median - DT) > LARGEST_MEDIAN_ERROR:
            raise DataError(
                f"{path}: the sampling interval of `t` is {median:g} s; the published sessions have"
                f" {DT:g} s, resample this one to 250 Hz"
            )
    clock = Clock(first, last, t.size, n_irregular)
    if abs(clock.drift) > LONGEST_DRIFT:
        # as from here, so that a recording read twice is warned of once
        warnings.warn(_drifted(path, clock), RsnnWarning, stacklevel=1)
    return clock


def open_positions(file: h5py.File, path: Path, name: str, n_steps: int) -> Numbers:
    """Return `cursor_pos` or `target_pos`, (2, n_steps) in mm, not yet read.

    Raises:
        DataError: a shape that does not match `t`, or no numbers.
    """
    with _readable(path):
        shape = file[name].shape
    if shape != (2, n_steps):
        raise DataError(
            f"{path}: `{name}` has shape {shape}, `t` has {n_steps} samples;"
            f" (2, {n_steps}) is needed, cut both to the same length"
        )
    return _variable(file, path, name)


def read_references(file: h5py.File, path: Path) -> NDArray[np.object_]:
    """Return the references to the cells of `spikes`, (n_units, n_channels).

    Raises:
        DataError: `spikes` is not a table of references with at least one unit and channel.
    """
    spikes = file["spikes"]
    with _readable(path):
        shape, dtype = spikes.shape, spikes.dtype
        references = spikes[()] if h5py.check_ref_dtype(dtype) is h5py.Reference else None
    if references is None or shape is None or len(shape) != 2:
        raise DataError(
            f"{path}: `spikes` has shape {shape} and type {dtype}; a (units, channels) cell array"
            " is needed"
        )
    if references.size == 0:
        raise DataError(
            f"{path}: `spikes` has shape {shape}, so zero units or zero channels; at least one of"
            " each is needed, check how the file was exported"
        )
    return references


def open_cells(file: h5py.File, path: Path) -> Iterator[Cell]:
    """Yield the cells of `spikes`; their times are not read yet.

    A null reference yields none.

    Raises:
        DataError: as `read_references`; a cell that holds no numbers.
    """
    for (unit, channel), reference in np.ndenumerate(read_references(file, path)):
        if not reference:
            continue
        with _readable(path):
            cell = file[reference]
            is_empty = bool(cell.attrs.get("MATLAB_empty"))
        name = f"spikes[{unit}, {channel}]"
        yield Cell(unit, channel, _numbers(file, reference, cell, path, name), is_empty)


def _drifted(path: Path, clock: Clock) -> str:
    return (
        f"{path}: `t` runs over {clock.last - clock.first:.3f} s, {clock.n_steps} samples of"
        f" {1000 * DT:g} ms over {(clock.n_steps - 1) * DT:.3f} s; at the end spikes and cursor are"
        f" {abs(clock.drift):.3f} s apart ({clock.irregular_intervals} irregular intervals): fill"
        " in lost samples, or cut the recording there"
    )


def _variable(file: h5py.File, path: Path, name: str) -> Numbers:
    with _readable(path):
        dataset = file[name]
    return _numbers(file, name, dataset, path, name)


def _numbers(
    file: h5py.File, source: str | h5py.Reference, dataset: object, path: Path, name: str
) -> Numbers:
    with _readable(path):
        kind = np.dtype("V")
        if isinstance(dataset, h5py.Dataset):
            kind = dataset.dtype
            if kind.kind in "fiu" and dataset.shape is not None:
                return Numbers(file, source, path, name, dataset.shape)
            if dataset.shape is None:
                raise DataError(f"{path}: `{name}` holds no values; export it again")
    raise DataError(f"{path}: `{name}` is of type {kind}; numbers are needed, export it again")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what h5py raises for a damaged file into one line, here, where the file is known."""
    try:
        yield
    except _DAMAGE as error:
        reason = str(error).strip("'\"").splitlines()[0] if str(error) else "out of memory"
        raise FileError(f"{path}: damaged HDF5 file: {reason}") from error
