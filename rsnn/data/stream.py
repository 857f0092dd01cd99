"""One stream to decode: a part of a recorded session, or a raster file."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rsnn.data.raster import load_raster
from rsnn.data.session import Session, load_session
from rsnn.data.split import split_session
from rsnnctl.errors import RangeError

PARTS = ("train", "validation", "test", "all")


@dataclass(frozen=True)
class Stream:
    """Input spikes and, where they are known, the velocities they go with.

    Attributes:
        name: of the file, and the part.
        raster: (n_steps, n_channels) uint8, 0 or 1.
        velocity: (n_steps, 2) float32 in mm per step, or None for a raster file.
    """

    name: str
    raster: NDArray[np.uint8]
    velocity: NDArray[np.float32] | None


def load_stream(path: Path, part: str = "test") -> Stream:
    """Read a session's part (`.mat`), or the whole of a raster file.

    Args:
        path: the file.
        part: `train`, `validation`, `test` or `all` of a session; rasters have no parts.

    Raises:
        RangeError: no such part.
        FileError, DataError: what `load_session`, `split_session` and `load_raster` refuse.
    """
    path = Path(path)
    if path.suffix != ".mat":
        return Stream(path.name, load_raster(path), None)
    session = load_session(path)
    steps = steps_of(session, part)
    return Stream(f"{session.name} ({part})", session.raster[steps], session.velocity[steps])


def steps_of(session: Session, part: str) -> slice:
    """The steps of a session's part.

    Raises:
        RangeError: no such part.
        DataError: what `split_session` refuses.
    """
    if part not in PARTS:
        raise RangeError(f"--part is {part}; known: {', '.join(PARTS)}")
    return slice(None) if part == "all" else getattr(split_session(session), part)
