"""One stream to decode, of any length: a part of a recorded session, or a raster file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.checks import check_choice
from rsnn.data.raster import open_raster
from rsnn.data.recording import open_recording
from rsnn.data.split import Reaches, split_session

PARTS = ("train", "validation", "test", "all")


@dataclass(frozen=True)
class Stream:
    """Input spikes and, where known, the velocities to decode from them.

    Attributes:
        name: name of the file and part.
        raster: (n_steps, n_channels) uint8, 0 or 1.
        velocity: (n_steps, 2) float32 in mm per step, or None for a raster file.
    """

    name: str
    raster: NDArray[np.uint8]
    velocity: NDArray[np.float32] | None


@dataclass(frozen=True)
class OpenStream:
    """A stream on disk.

    Attributes:
        name: name of the file and part.
        steps: the steps of the file that belong to the stream.
        read: returns rows of the raster between two steps of the file, see `Stream`.
        velocity: returns the same of the velocity, or None.
    """

    name: str
    steps: range
    read: Callable[[int, int], NDArray[np.uint8]]
    velocity: Callable[[int, int], NDArray[np.float32]] | None

    def blocks(self, n_steps: int) -> Iterator[Stream]:
        """Yield blocks of `n_steps`, so that no more is in memory."""
        for start in self.steps[::n_steps]:
            stop = min(start + n_steps, self.steps.stop)
            velocity = None if self.velocity is None else self.velocity(start, stop)
            yield Stream(self.name, self.read(start, stop), velocity)


@contextmanager
def open_stream(path: Path, part: str = "test") -> Iterator[OpenStream]:
    """Open a session's part (`.mat`), or the whole of a raster file.

    Args:
        path: the file.
        part: `train`, `validation`, `test` or `all` of a session; rasters have no parts.

    Raises:
        RangeError: no such part.
        FileError, DataError: as in `open_recording`, `split_session` and `open_raster`.
    """
    path = Path(path)
    if path.suffix == ".mat":
        with open_recording(path) as recording:
            steps = range(recording.n_steps)[steps_of(recording, part)]
            name = f"{recording.name} ({part})"
            yield OpenStream(name, steps, recording.read, recording.velocity)
    else:
        with open_raster(path) as raster:
            yield OpenStream(path.name, range(raster.n_steps), raster.read, None)


def load_stream(path: Path, part: str = "test") -> Stream:
    """Read all of a stream; arguments and errors as `open_stream`."""
    with open_stream(path, part) as stream:
        (whole,) = stream.blocks(len(stream.steps))
        return whole


def steps_of(session: Reaches, part: str) -> slice:
    """The steps of a session's part.

    Raises:
        RangeError: no such part.
        DataError: as in `split_session`.
    """
    check_choice("part", part, PARTS)
    return slice(None) if part == "all" else getattr(split_session(session), part)
