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

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from rsnnctl.errors import DataError, FileError

DT = 0.004  # s, the sampling interval of every published session
LONGEST_INTERVAL_ERROR = 0.1 * DT  # s; beyond it another rate, or a lost or repeated sample
NEEDED = {
    "t": "(1, n) seconds",
    "spikes": "(units, channels) references",
    "cursor_pos": "(2, n) mm",
    "target_pos": "(2, n) mm",
}


@dataclass(frozen=True)
class Cell:
    """The spikes of one unit: its row and channel, and its times (n_spikes,) in s, float64.

    `is_empty` marks a MATLAB_empty cell, whose `times` are its stored dimensions and no spikes.
    """

    unit: int
    channel: int
    times: NDArray[np.float64]
    is_empty: bool


def read_times(file: h5py.File, path: Path) -> NDArray[np.float64]:
    """Return the sample times (n_steps,) in s of an open recording.

    Raises:
        DataError: a variable of the layout is missing, or `t` does not increase, or its median
            interval is not 4 ms. Single odd intervals are read as NeuroBench reads them;
            `irregular_intervals` counts them.
    """
    for name, shape in NEEDED.items():
        with _readable(path):
            found = isinstance(file.get(name), h5py.Dataset)
        if not found:
            raise DataError(
                f"{path}: no variable `{name}` {shape}; a recording in the MATLAB 7.3 layout of"
                f" Zenodo 583331 with {', '.join(NEEDED)} is needed"
            )
    t = _numbers(file["t"], path, "t").ravel()
    if t.size < 2:
        raise DataError(f"{path}: `t` holds {t.size} samples; at least 2 are needed")
    intervals = np.diff(t)
    wrong = ~(intervals > 0)
    if wrong.any():
        step = int(np.argmax(wrong))
        raise DataError(
            f"{path}: `t` does not increase at sample {step + 1}: {t[step]:g} s, then"
            f" {t[step + 1]:g} s; export the session again with a monotonic clock"
        )
    median = float(np.median(intervals))
    if abs(median - DT) > LONGEST_INTERVAL_ERROR:
        raise DataError(
            f"{path}: the sampling interval of `t` is {median:g} s; the published sessions have"
            f" {DT:g} s, resample this one to 250 Hz"
        )
    return t


def irregular_intervals(t: NDArray[np.float64]) -> int:
    """Count the intervals of a clock that are off by more than a tenth: samples lost or doubled."""
    return int(np.count_nonzero(np.abs(np.diff(t) - DT) > LONGEST_INTERVAL_ERROR))


def read_positions(file: h5py.File, path: Path, name: str, n_steps: int) -> NDArray[np.float64]:
    """Return `cursor_pos` or `target_pos` as stored: (2, n_steps) in mm.

    Raises:
        DataError: another shape than `t` asks for.
    """
    positions = file[name]
    if positions.shape != (2, n_steps):
        raise DataError(
            f"{path}: `{name}` has shape {positions.shape}, `t` has {n_steps} samples;"
            f" (2, {n_steps}) is needed, cut both to the same length"
        )
    return _numbers(positions, path, name)


def read_references(file: h5py.File, path: Path) -> NDArray[np.object_]:
    """Return the references to the cells of `spikes`, (n_units, n_channels).

    Raises:
        DataError: `spikes` is no table of references with at least one unit and channel.
    """
    spikes = file["spikes"]
    with _readable(path):
        shape, dtype = spikes.shape, spikes.dtype
        references = spikes[()] if h5py.check_ref_dtype(dtype) is h5py.Reference else None
    if references is None or references.ndim != 2:
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


def read_cells(file: h5py.File, path: Path) -> Iterator[Cell]:
    """Yield the cells of `spikes` one at a time, so that one cell is in memory, never all.

    A null reference yields a cell without spikes.

    Raises:
        DataError: as `read_references`; a cell that holds no numbers.
    """
    for (unit, channel), reference in np.ndenumerate(read_references(file, path)):
        if not reference:
            yield Cell(unit, channel, np.empty(0), is_empty=True)
            continue
        with _readable(path):
            cell = file[reference]
            is_empty = bool(cell.attrs.get("MATLAB_empty"))
        times = _numbers(cell, path, f"spikes[{unit}, {channel}]").ravel()
        yield Cell(unit, channel, times, is_empty)


def _numbers(dataset: h5py.Dataset, path: Path, name: str) -> NDArray[np.float64]:
    with _readable(path):
        kind = dataset.dtype if isinstance(dataset, h5py.Dataset) else np.dtype("V")
        if kind.kind in "fiu":
            return np.asarray(dataset[()], dtype=np.float64)
    raise DataError(f"{path}: `{name}` is of type {kind}; numbers are needed, export it again")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what h5py raises for damaged metadata, besides OSError, into one line."""
    try:
        yield
    except (AttributeError, KeyError, MemoryError, TypeError, ValueError) as error:
        reason = str(error).strip("'\"").splitlines()[0] if str(error) else "out of memory"
        raise FileError(f"{path}: damaged HDF5 file: {reason}") from error
