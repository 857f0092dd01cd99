"""Write a small recording in the published layout, or one that is wrong in a chosen way."""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np

DT = 0.004


def write_recording(
    path: Path,
    spikes: Sequence[Sequence[object]],
    /,
    *,
    n_steps: int = 100,
    start: float = 148.984,
    as_column: bool = False,
    leave_out: str | None = None,
    **replaced: np.ndarray,
) -> Path:
    """Write `spikes` (units, channels) of times in s.

    None is a MATLAB_empty cell of payload [0, 1], the string "null" a null reference. Any of the
    variables `t`, `cursor_pos`, `target_pos`, `spikes` can be replaced or left out.
    """
    steps = np.arange(n_steps)
    variables = {
        "t": (start + steps * DT)[None],
        "cursor_pos": np.stack((40 * np.sin(steps / 30), 25 * np.cos(steps / 17))),
        "target_pos": np.stack((steps // 10 * 15.0, -(steps // 15) * 15.0)),
    } | {name: value for name, value in replaced.items() if name != "spikes"}
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            if name != leave_out:
                file[name] = value
        table = np.zeros((len(spikes), len(spikes[0]) if spikes else 0), h5py.ref_dtype)
        for unit, row in enumerate(spikes):
            for channel, times in enumerate(row):
                if isinstance(times, str):
                    table[unit, channel] = h5py.Reference()
                    continue
                payload = np.array([0, 1], np.uint64)
                if times is not None:
                    payload = np.atleast_2d(np.asarray(times))
                    payload = payload.T if as_column else payload
                cell = file.create_dataset(f"#refs#/{unit}_{channel}", data=payload)
                if times is None:
                    cell.attrs["MATLAB_empty"] = np.uint8(1)
                table[unit, channel] = cell.ref
        if leave_out != "spikes":
            file["spikes"] = replaced.get("spikes", table)
    return path
