"""A recording on disk, read in stretches of steps, so that hours of it need little memory.

Binning is here and nowhere else. It equals NeuroBench's `PrimateReaching` with `bin_width=0.004`
bit for bit: column k of its samples, here row k of the raster, holds the spikes of
[t[k-2], t[k-1]), and row 0 is silent. Row k therefore knows nothing later than t[k-1]. Where
rounding gives NeuroBench one step more than there are labels, that step (which no split of it
uses) is left out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.container import check_seal
from base.errors import DataError
from base.hdf5.read import open_hdf5
from rsnn.data import zenodo

FARTHEST = 1e6  # mm; a cursor position beyond this is damaged data
_BLOCK = 1 << 13  # steps per entry of the index of spikes
_NOWHERE = np.iinfo(np.int64).max  # start of the spikes of steps that have none


@dataclass(frozen=True)
class Bins:
    """NeuroBench's bins: `numpy.arange(t[0] - DT, t[-1], DT)` are the edges, never all in memory.

    Attributes:
        start: the first edge, in s.
        n_edges: number of edges.
    """

    start: float
    n_edges: int

    def edge(self, index: NDArray[np.int64]) -> NDArray[np.float64]:
        """The edges of some indices, rounded as `numpy.arange` rounds them."""
        return np.float64(self.start) + index * ((self.start + zenodo.DT) - self.start)

    def rows(self, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the row of the raster that each spike belongs to: 1 + its bin; 0 if it has none.

        `numpy.histogram`'s bins: each holds its left edge, the last one its right edge too.

        Args:
            times: (n_spikes,) in s, in any order.
        """
        first, last = self.edge(np.array([0, self.n_edges - 1]))
        inside = (times >= first) & (times <= last)
        # its place without rounding, at most one bin away from its real one
        width = (last - first) / (self.n_edges - 1)
        rows = (np.where(inside, times - first, 0.0) / width).astype(np.int64) + 1
        rows += times >= self.edge(rows)
        rows -= times < self.edge(rows - 1)
        return np.where(inside, np.minimum(rows, self.n_edges - 1), 0)


def bins_of(clock: zenodo.Clock) -> Bins:
    """The bins of a recording."""
    start = clock.first - zenodo.DT
    return Bins(start, int(np.ceil((clock.last - start) / zenodo.DT)))


@dataclass(frozen=True)
class Recording:
    """An open recording in the published layout.

    Attributes:
        name: name of the file, without its suffix.
        n_steps, n_inputs: steps of `zenodo.DT`, and channels.
        segments: (n_segments, 2) int64, first step of each reach and the step behind its last.
        bins: which spikes belong to which step.
        cells: those with spikes.
        cursor: (2, n_steps) mm.
    """

    name: str
    n_steps: int
    n_inputs: int
    segments: NDArray[np.int64]
    bins: Bins
    cells: tuple[zenodo.Cell, ...]
    cursor: zenodo.Numbers

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return rows `start` to `stop` of the raster, (n, n_inputs): 1 where a channel spiked."""
        stop = min(stop, self.n_steps)
        raster = np.zeros((max(0, stop - start), self.n_inputs), np.uint8)
        for k, cell in enumerate(self.cells):
            for _, times in cell.times.stretches(*self._span(k, start, stop)):
                rows = self.bins.rows(times.ravel())
                raster[rows[(rows >= max(start, 1)) & (rows < stop)] - start, cell.channel] = 1
        return raster

    def velocity(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the cursor's velocity (n, 2) in mm per step: `numpy.gradient` in float32."""
        begin, end = max(0, start - 1), min(self.n_steps, stop + 1)
        around = np.gradient(self.cursor.read(begin, end).astype(np.float32), axis=1).T
        return np.ascontiguousarray(around[start - begin : stop - begin])

    def _span(self, cell: int, start: int, stop: int) -> tuple[int, int]:
        """The part of a cell that holds the spikes of some rows, possibly among others."""
        if start == 0 and stop == self.n_steps:
            return 0, self.cells[cell].times.length
        spans = self._index[cell, start // _BLOCK : -(-stop // _BLOCK)]
        return int(spans[:, 0].min(initial=_NOWHERE)), int(spans[:, 1].max(initial=0))

    @cached_property
    def _index(self) -> NDArray[np.int64]:
        """Where in each cell the spikes of each block of steps begin and end, (cells, blocks, 2).

        Cells need not be sorted: in an unsorted one, blocks are longer and overlap.
        """
        n_blocks = -(-self.n_steps // _BLOCK)
        index = np.zeros((len(self.cells), n_blocks, 2), np.int64)
        index[..., 0] = _NOWHERE
        for k, cell in enumerate(self.cells):
            begins, ends = index[k].T
            for first, times in cell.times.stretches():
                rows = self.bins.rows(times.ravel())
                blocks = np.where((rows > 0) & (rows < self.n_steps), rows // _BLOCK, -1)
                starts = np.flatnonzero(np.diff(blocks, prepend=-2))
                stops = np.append(starts[1:], blocks.size)
                starts, stops = starts[blocks[starts] >= 0], stops[blocks[starts] >= 0]
                np.minimum.at(begins, blocks[starts], first + starts)
                np.maximum.at(ends, blocks[starts], first + stops)
        return index


@contextmanager
def open_recording(path: Path, *, phantom_spikes: bool = False) -> Iterator[Recording]:
    """Open a recording in the published layout (`rsnn.data.zenodo`).

    Everything but its spikes is checked once, in stretches.

    Args:
        path: the .mat file.
        phantom_spikes: read the dimensions stored in empty cells as spikes at 0 s and 1 s, which
            is what NeuroBench does. It shows only in sessions that start within the first second.

    Raises:
        FileError: no such file, not HDF5, truncated, damaged; or not what its seal says, which
            synthetic ones have.
        DataError: another layout, lengths that differ, positions that are not numbers, a clock
            that does not tick every 4 ms, no channels.

    Warns:
        RsnnWarning: the clock ends more than a step away from its samples.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        check_seal(path, zenodo.HEADER)
        clock = zenodo.read_clock(file, path)
        cursor = zenodo.open_positions(file, path, "cursor_pos", clock.n_steps)
        _refuse_gaps(cursor, path)
        target = zenodo.open_positions(file, path, "target_pos", clock.n_steps)
        yield Recording(
            name=path.stem,
            n_steps=clock.n_steps,
            n_inputs=zenodo.read_references(file, path).shape[1],
            segments=_segments(target),
            bins=bins_of(clock),
            cells=tuple(
                cell
                for cell in zenodo.open_cells(file, path)
                if phantom_spikes or not cell.is_empty
            ),
            cursor=cursor,
        )


def _segments(target: zenodo.Numbers) -> NDArray[np.int64]:
    """Return start and end (n_segments, 2) of the stretches of constant target.

    A segment ends one sample early, so that the last sample of the old target opens the next
    segment; NeuroBench's splits are built on that, and ours must be the same.
    """
    bounds = [np.zeros(1, np.int64)]
    with np.errstate(over="ignore", invalid="ignore"):  # a damaged target still counts as a change
        for start, part in target.stretches(overlap=1):
            bounds.append(start + np.flatnonzero(np.abs(np.diff(part, axis=1)).sum(axis=0)))
    bounds.append(np.array([target.length]))
    edges = np.concatenate(bounds).astype(np.int64)
    return np.stack((edges[:-1], edges[1:]), axis=1)


def _refuse_gaps(cursor: zenodo.Numbers, path: Path) -> None:
    n_missing, example = 0, ""
    for start, part in cursor.stretches():
        missing = ~(np.abs(part) <= FARTHEST).all(axis=0)
        if missing.any() and not n_missing:
            step = int(np.argmax(missing))
            example = f"({part[0, step]:g}, {part[1, step]:g}) at sample {start + step}"
        n_missing += int(np.count_nonzero(missing))
    if n_missing:
        raise DataError(
            f"{path}: `cursor_pos` is {example}, one of {n_missing} such in {cursor.length}; every"
            f" sample must be a number within ±{FARTHEST:g} mm, cut or fill the gap"
        )
