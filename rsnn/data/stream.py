"""One stream to decode, of any length: a part of a recorded session, or a raster file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.checks import check_choice
from base.meeting import Network, check_meeting, milliseconds
from rsnn.data import zenodo
from rsnn.data.raster import open_raster
from rsnn.data.recording import open_recording
from rsnn.data.session import Session
from rsnn.data.split import Reaches, split_session

PARTS = ("train", "validation", "test", "all")
N_TARGETS = 2  # of a recorded session: x and y of the velocity


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
    """A stream on disk, as `base.meeting.Recording`.

    Attributes:
        name: name of the file and part.
        n_channels: channels per step.
        dt: seconds per step, None where the file does not say: then the network's is taken.
        steps: the steps of the file that belong to the stream.
        read: returns rows of the raster between two steps of the file, see `Stream`.
        velocity: returns the same of the velocity, or None.
    """

    name: str
    n_channels: int
    dt: float | None
    steps: range
    read: Callable[[int, int], NDArray[np.uint8]]
    velocity: Callable[[int, int], NDArray[np.float32]] | None

    @property
    def n_targets(self) -> int | None:
        return None if self.velocity is None else N_TARGETS

    def blocks(self, n_steps: int) -> Iterator[Stream]:
        """Yield blocks of `n_steps`, so that no more is in memory."""
        for start in self.steps[::n_steps]:
            stop = min(start + n_steps, self.steps.stop)
            velocity = None if self.velocity is None else self.velocity(start, stop)
            yield Stream(self.name, self.read(start, stop), velocity)


@contextmanager
def open_stream(
    path: Path, network: Network, part: str = "test", *, scored: bool = True
) -> Iterator[OpenStream]:
    """Open a session's part (`.mat`), or the whole of a raster file, for a network.

    Args:
        path: the file.
        network: the integer network, or the architecture of a float model, that will run on it.
        part: `train`, `validation`, `test` or `all` of a session; rasters have no parts.
        scored: whether what is decoded will be compared with the velocity; else that is None.

    Raises:
        RangeError: no such part.
        MismatchError: step, channels or, where scored, target signals are not the network's.
        FileError, DataError: as in `open_recording`, `split_session` and `open_raster`.
    """
    path = Path(path)
    if path.suffix == ".mat":
        with open_recording(path) as recording:
            stream = OpenStream(
                name=f"{recording.name} ({part})",
                n_channels=recording.n_inputs,
                dt=zenodo.DT,
                steps=range(recording.n_steps)[steps_of(recording, part)],
                read=recording.read,
                velocity=recording.velocity if scored else None,
            )
            check_meeting(network, stream)
            yield stream
    else:
        with open_raster(path, network.input_values) as raster:
            stream = OpenStream(
                name=path.name,
                n_channels=raster.n_inputs,
                dt=raster.dt,
                steps=range(raster.n_steps),
                read=raster.read,
                velocity=None,
            )
            check_meeting(network, stream)
            yield stream


def session_part(
    session: Session, network: Network, part: str = "test"
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Raster and velocity of a session's part, for a network to decode and to be scored on.

    Raises:
        RangeError, MismatchError, DataError: as `open_stream`.
    """
    check_meeting(network, session)
    steps = steps_of(session, part)
    return session.raster[steps], session.velocity[steps]


def step_taken(name: str, dt: float) -> str:
    """What to say where a raster has no step of its own and runs on a network of `dt` seconds."""
    return f"{name} does not say how long its steps are; taken at the network's {milliseconds(dt)}"


def steps_of(session: Reaches, part: str) -> slice:
    """The steps of a session's part.

    Raises:
        RangeError: no such part.
        DataError: as in `split_session`.
    """
    check_choice("part", part, PARTS)
    return slice(None) if part == "all" else getattr(split_session(session), part)
