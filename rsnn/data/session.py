"""One recorded session as a decoder sees it: binary spikes in, cursor velocity out, every 4 ms."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsnn.data import zenodo
from rsnnctl.errors import DataError, MismatchError
from rsnnctl.files import open_hdf5

FARTHEST = 1e6  # mm, beyond which a cursor position is damage and no place


@dataclass(frozen=True)
class Session:
    """A session binned to steps of `dt` seconds. All arrays are read-only.

    Attributes:
        name: of the file, without its suffix.
        raster: (n_steps, n_channels) uint8, 1 where a channel spiked in a step.
        velocity: (n_steps, 2) float32, x and y of the cursor in mm per step.
        segments: (n_segments, 2) int64, first step of each reach and the step behind its last.
        dt: s per step.
        digest: SHA-256, in hexadecimal, over the shapes and bytes of `raster` and `velocity` and
            over `dt`; computed when left out.

    Raises:
        MismatchError: arrays of shapes or types other than these, or a digest of other data.
    """

    name: str
    raster: NDArray[np.uint8]
    velocity: NDArray[np.float32]
    segments: NDArray[np.int64]
    dt: float = zenodo.DT
    digest: str = ""

    def __post_init__(self) -> None:
        for name, dtype, shape in (
            ("raster", np.uint8, (self.n_steps, self.n_channels)),
            ("velocity", np.float32, (self.n_steps, 2)),
            ("segments", np.int64, (len(self.segments), 2)),
        ):
            array = getattr(self, name)
            if array.dtype != dtype or array.shape != shape:
                raise MismatchError(
                    f"session {self.name}: `{name}` is {array.dtype} {array.shape};"
                    f" {np.dtype(dtype)} {shape} is needed"
                )
            array = np.ascontiguousarray(array).view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        digest = _digest(self)
        if self.digest not in ("", digest):
            raise MismatchError(
                f"session {self.name}: its digest is {digest}, not {self.digest}; load the session"
                " that was meant, or leave the digest out"
            )
        object.__setattr__(self, "digest", digest)

    @property
    def n_steps(self) -> int:
        return self.raster.shape[0]

    @property
    def n_channels(self) -> int:
        return self.raster.shape[1]


def load_session(path: Path, *, phantom_spikes: bool = False) -> Session:
    """Read a recording in the published layout (`rsnn.data.zenodo`), one spike cell at a time.

    Equals NeuroBench's `PrimateReaching` with `bin_width=0.004` bit for bit: column k of its
    samples, here row k of the raster, holds the spikes of [t[k-2], t[k-1]), and row 0 is silent.
    Row k of the raster therefore knows nothing later than t[k-1]. Where rounding gives NeuroBench
    one step more than there are labels, that step (which no split of it uses) is left out.

    Args:
        path: the .mat file.
        phantom_spikes: read the dimensions stored in empty cells as spikes at 0 s and 1 s, which
            is what NeuroBench does. It shows only in sessions that start within the first second.

    Raises:
        FileError: no such file, not HDF5, truncated, damaged.
        DataError: another layout, lengths that differ, positions that are not numbers, a clock
            that does not tick every 4 ms, no channels.
    """
    path = Path(path)
    with open_hdf5(path) as file:
        t = zenodo.read_times(file, path)
        cursor = zenodo.read_positions(file, path, "cursor_pos", t.size)
        _refuse_gaps(cursor, path)
        target = zenodo.read_positions(file, path, "target_pos", t.size)
        edges = np.arange(t[0] - zenodo.DT, t[-1], zenodo.DT)
        n_channels = zenodo.read_references(file, path).shape[1]
        raster = np.zeros((t.size, n_channels), np.uint8)
        for cell in zenodo.read_cells(file, path):
            if phantom_spikes or not cell.is_empty:
                bins = occupied_bins(cell.times, edges)
                raster[bins[bins < t.size], cell.channel] = 1
    return Session(
        name=path.stem,
        raster=raster,
        velocity=np.gradient(cursor.astype(np.float32), axis=1).T,
        segments=_segments(target),
    )


def occupied_bins(times: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return, for each spike time inside `edges`, 1 + the index of its bin, as NeuroBench bins.

    `numpy.histogram`'s bins: each holds its left edge, the last one its right edge too.

    Args:
        times: (n_spikes,) in s, in any order.
        edges: (n_bins + 1,) in s, increasing.
    """
    inside = times[(times >= edges[0]) & (times <= edges[-1])]
    if edges.size < 2:
        return np.zeros(inside.size, np.int64)
    # where the bin would be if edges were exactly regular, which is right for nearly all; quicker
    width = (edges[-1] - edges[0]) / (edges.size - 1)
    bins = ((inside - edges[0]) / width).astype(np.int64) + 1
    np.minimum(bins, edges.size - 1, out=bins)
    wrong = np.flatnonzero((inside < edges[bins - 1]) | (inside >= edges[bins]))
    bins[wrong] = np.searchsorted(edges, inside[wrong], side="right")
    return np.minimum(bins, edges.size - 1)


def _segments(target: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return start and end (n_segments, 2) of the stretches of constant target.

    A segment ends one sample early, so that the last sample of the old target opens the next
    segment; NeuroBench's splits are built on that, and ours must be the same.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a damaged target still is a change
        changes = np.flatnonzero(np.abs(np.diff(target, axis=1)).sum(axis=0))
    bounds = np.concatenate(([0], changes, [target.shape[1]])).astype(np.int64)
    return np.stack((bounds[:-1], bounds[1:]), axis=1)


def _refuse_gaps(cursor: NDArray[np.float64], path: Path) -> None:
    missing = ~(np.abs(cursor) <= FARTHEST).all(axis=0)
    if missing.any():
        step = int(np.argmax(missing))
        raise DataError(
            f"{path}: `cursor_pos` is ({cursor[0, step]:g}, {cursor[1, step]:g}) at sample {step},"
            f" one of {int(missing.sum())} such in {missing.size}; every sample must be a number"
            f" within ±{FARTHEST:g} mm, cut or fill the gap"
        )


def _digest(session: Session) -> str:
    digest = hashlib.sha256()
    for array in (session.raster, session.velocity):
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(array)
    digest.update(np.float64(session.dt).astype("<f8").tobytes())
    return digest.hexdigest()
