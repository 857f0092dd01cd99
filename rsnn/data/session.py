"""One recorded session as a decoder sees it: binary spikes in, cursor velocity out, every 4 ms."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, MismatchError
from rsnn.data import zenodo
from rsnn.data.recording import open_recording


@dataclass(frozen=True)
class Session:
    """A session binned to steps of `dt` seconds. All arrays are read-only.

    Attributes:
        name: name of the file, without its suffix.
        raster: (n_steps, n_channels) uint8, 1 where a channel spiked in a step.
        velocity: (n_steps, 2) float32, x and y of the cursor in mm per step.
        segments: (n_segments, 2) int64, first step of each reach and the step behind its last.
        dt: s per step.

    Raises:
        MismatchError: arrays of other shapes or types.
    """

    name: str
    raster: NDArray[np.uint8]
    velocity: NDArray[np.float32]
    segments: NDArray[np.int64]
    dt: float = zenodo.DT

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

    @property
    def n_steps(self) -> int:
        return self.raster.shape[0]

    @property
    def n_channels(self) -> int:
        return self.raster.shape[1]

    @property
    def n_targets(self) -> int:
        """Number of signals to decode."""
        return self.velocity.shape[1]

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, over shapes and bytes of `raster` and `velocity`, and `dt`."""
        digest = hashlib.sha256()
        for array in (self.raster, self.velocity):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(array.data)
        digest.update(np.float64(self.dt).astype("<f8").tobytes())
        return digest.hexdigest()


def check_once(paths: Sequence[Path]) -> None:
    """Refuse a recording that is named twice, which would count twice in every mean.

    Raises:
        DataError: two of the paths lead to one file.
    """
    seen: dict[Path, Path] = {}
    for path in paths:
        file = path.resolve()
        if file in seen:
            raise DataError(f"{path}: the same recording as {seen[file]}; name each one once")
        seen[file] = path


def load_session(path: Path, *, phantom_spikes: bool = False) -> Session:
    """Read a whole recording in the published layout; arguments and errors as `open_recording`."""
    with open_recording(path, phantom_spikes=phantom_spikes) as recording:
        return Session(
            name=recording.name,
            raster=recording.read(0, recording.n_steps),
            velocity=recording.velocity(0, recording.n_steps),
            segments=recording.segments,
        )
