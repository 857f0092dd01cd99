"""Statistics of a recording, as shown by `rsnnctl data info`."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from base.errors import DataError
from base.hdf5.read import open_hdf5
from rsnn.data import zenodo
from rsnn.data.fetch import SESSIONS, md5_of
from rsnn.data.session import Session, load_session
from rsnn.data.split import split_session
from rsnn.data.synthetic import SYNTHETIC

DRIFT_STEPS = 2500  # 10 s, over which a rate is averaged before a line is fitted


def describe(path: Path, *, check_md5: bool = False) -> dict[str, Any]:
    """Return the figures of a recording, ready for JSON.

    Rates are those of the raster that a decoder sees: at most one spike per channel and step.
    `rate_drift` is the relative change of the mean rate from the first step to the last on a
    straight line fitted to its means over 10 s; None below three of them. `units` counts the sorted
    units that spiked; row 0 of a recording holds the unsorted spikes. `empty_cells` are
    those that NeuroBench reads as phantom spikes, `irregular_intervals` samples lost or extra,
    after which spikes and cursor no longer lie side by side; `clock_drift_s` is what they are
    apart at the end. `split` is None when there are too few reaches.

    Args:
        path: the .mat file.
        check_md5: compare the file's MD5 with that of the published session of the same name;
            reads the whole file once more. `md5_matches` is None when not asked or not known.

    Raises:
        FileError, DataError: as `load_session`.
    """
    path = Path(path)
    session = load_session(path)
    rates = session.raster.mean(axis=0, dtype=np.float64) / session.dt
    published = SESSIONS.get(path.stem)
    md5 = md5_of(path) if check_md5 else None
    return {
        "name": session.name,
        "duration_s": session.n_steps * session.dt,
        "dt_s": session.dt,
        "n_steps": session.n_steps,
        "n_channels": session.n_channels,
        "reaches": len(session.segments),
        **_count_cells(path),
        "rate_mean_hz": float(rates.mean()),
        "rate_median_hz": float(np.median(rates)),
        "rate_max_hz": float(rates.max()),
        "dead_channels": int((rates == 0).sum()),
        "channels_under_1_hz": int((rates < 1).sum()),
        "rate_drift": _drift(session.raster),
        "velocity_sd_mm_per_s": [
            float(sd) for sd in session.velocity.std(axis=0, dtype=np.float64) / session.dt
        ],
        "split": _split_sizes(session),
        "digest": session.digest,
        "published": published is not None,
        "md5": md5,
        "md5_matches": md5 == published if md5 and published else None,
    }


def _count_cells(path: Path) -> dict[str, Any]:
    """Count the cells and spikes that the raster does not show, and name the file's origin."""
    units = outside = spikes = 0
    with open_hdf5(path) as file:
        clock = zenodo.read_clock(file, path)
        empty = zenodo.read_references(file, path).size
        for cell in zenodo.open_cells(file, path):
            if cell.is_empty:
                continue
            empty -= 1
            units += cell.unit > 0 and cell.times.size > 0
            spikes += cell.times.size
            for _, times in cell.times.stretches():
                outside += int(((times < clock.first) | (times > clock.last)).sum())
        synthetic = _text(file, SYNTHETIC)
    return {
        "irregular_intervals": clock.irregular_intervals,
        "clock_drift_s": clock.drift,
        "units": units,
        "spikes": spikes,
        "spikes_outside": outside,
        "empty_cells": empty,
        "synthetic": synthetic is not None,
        "synthesized_with": synthetic,
    }


def _text(file: h5py.File, attribute: str) -> str | None:
    value = file.attrs.get(attribute)
    return None if value is None else str(value)


def _drift(raster: NDArray[np.uint8]) -> float | None:
    n_blocks = len(raster) // DRIFT_STEPS
    if n_blocks < 3:
        return None
    blocks = raster[: n_blocks * DRIFT_STEPS].reshape(n_blocks, -1).mean(axis=1)
    centers = (np.arange(n_blocks) + 0.5) / n_blocks - 0.5
    slope, middle = np.polyfit(centers, blocks, 1)
    first = middle - slope / 2
    return float(slope / first) if first > 0 else None


def _split_sizes(session: Session) -> dict[str, int] | None:
    try:
        split = split_session(session)
    except DataError:
        return None
    return {name: part.stop - part.start for name, part in vars(split).items()}
