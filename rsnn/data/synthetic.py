"""Synthetic sessions: generated recordings in the published layout, for demos and tests."""

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from base.checks import check_seed
from base.container import seal
from base.errors import RangeError
from base.hdf5.write import create_hdf5
from rsnn.data import reaching, tuning, zenodo

FEWEST_MINUTES, MOST_MINUTES = 0.5, 240.0
MOST_CHANNELS = 1024
UNITS = 5  # rows of `spikes`: unsorted, then up to four sorted units
START = 148.984  # s, as in the published sessions: the clock starts before the task
MARGIN = 0.5  # s of spikes before the first and after the last sample
SYNTHETIC = "rsnnctl_synthetic"  # root attribute that tells these files from recordings


def synthesize(path: Path, *, minutes: float = 20.0, n_channels: int = 96, seed: int = 1) -> None:
    """Write a synthetic session to `path` as a MATLAB 7.3 file with a checksum, atomically.

    Reaches as in `rsnn.data.reaching`, channels as in `rsnn.data.tuning`. The same arguments
    give the same bytes.

    Raises:
        RangeError: a duration, number of channels or seed outside its range.
        FileError: the file cannot be written.
    """
    if not FEWEST_MINUTES <= minutes <= MOST_MINUTES:
        raise RangeError(
            f"{minutes:g} minutes is outside {FEWEST_MINUTES:g}..{MOST_MINUTES:g}, the lengths of"
            " a synthetic session; 20 is about a recorded one, 5 is enough for a demo"
        )
    if not 1 <= n_channels <= MOST_CHANNELS:
        raise RangeError(
            f"{n_channels} channels is outside 1..{MOST_CHANNELS}; the published sessions have 96"
            " or 192"
        )
    if seed < 0:
        raise RangeError(f"seed {seed} is below 0; use a whole number from 0 up")
    check_seed(seed)
    random = np.random.default_rng(seed)
    n_steps = round(minutes * 60 / zenodo.DT)
    margin = round(MARGIN / zenodo.DT)
    reaches = reaching.reach_around(n_steps + 2 * margin, zenodo.DT, random)
    drive = tuning.drive_of(reaches, zenodo.DT, random)
    inside = slice(margin, margin + n_steps)
    with create_hdf5(Path(path), user_block=_user_block, libver=("earliest", "v108")) as file:
        file.attrs[SYNTHETIC] = f"minutes={minutes:g} n_channels={n_channels} seed={seed}"
        _write(file, "t", (START + np.arange(n_steps) * zenodo.DT)[None])
        _write(file, "cursor_pos", reaches.cursor[:, inside])
        _write(file, "target_pos", reaches.target[:, inside])
        _write(file, "finger_pos", reaches.finger[:, inside])
        _write_channels(file, n_channels, drive, random)


def _write_channels(
    file: h5py.File, n_channels: int, drive: tuning.Drive, random: np.random.Generator
) -> None:
    """Write the tables of cells: `spikes`, `wf` (all cells empty) and `chan_names`."""
    cells = file.create_group("#refs#")
    empty = cells.create_dataset("empty", data=np.zeros(2, np.uint64))
    empty.attrs["MATLAB_class"] = np.bytes_("double")
    empty.attrs["MATLAB_empty"] = np.uint8(1)
    spikes = np.full((UNITS, n_channels), empty.ref, h5py.ref_dtype)
    waveforms = spikes.copy()
    names = np.empty((1, n_channels), h5py.ref_dtype)
    for channel, tuned in enumerate(tuning.draw_channels(n_channels, random)):
        start = START - MARGIN
        times = tuning.spike_times(tuned, drive, zenodo.DT, start, random)
        for unit, own in enumerate(_sort_into_units(times, random)):
            if own.size:
                name = f"#refs#/spikes_{channel}_{unit}"
                spikes[unit, channel] = _write(file, name, own[None]).ref
        array, electrode = divmod(channel, tuning.ARRAY_CHANNELS)
        label = f"{('M1', 'S1')[array % 2]} {electrode + 1:03d}"
        text = _write(
            file, f"#refs#/name_{channel}", np.array([[ord(c)] for c in label], np.uint16)
        )
        text.attrs["MATLAB_class"] = np.bytes_("char")
        text.attrs["MATLAB_int_decode"] = np.int32(2)
        names[0, channel] = text.ref
    for name, table in (("spikes", spikes), ("wf", waveforms), ("chan_names", names)):
        _write(file, name, table).attrs["MATLAB_class"] = np.bytes_("cell")


def _sort_into_units(
    times: NDArray[np.float64], random: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Share the spikes of a channel out to row 0 (unsorted) and zero to four sorted units."""
    n_sorted = int(random.choice(UNITS, p=(0.15, 0.35, 0.3, 0.15, 0.05)))
    shares = random.dirichlet(np.full(n_sorted + 1, 2.0))
    owner = random.choice(n_sorted + 1, size=times.size, p=shares)
    return [times[owner == unit] for unit in range(n_sorted + 1)]


def _write(file: h5py.File, name: str, values: NDArray) -> h5py.Dataset:
    dataset = file.create_dataset(name, data=values, track_times=False)
    if values.dtype == np.float64:
        dataset.attrs["MATLAB_class"] = np.bytes_("double")
    return dataset


def _user_block(content: bytes) -> bytes:
    """Return the header that MATLAB 7.3 puts before the HDF5 file, undated, and a seal."""
    text = b"MATLAB 7.3 MAT-file, Platform: synthetic, Created by: rsnnctl, HDF5 schema 1.00 ."
    header = text.ljust(116) + bytes(8) + b"\x00\x02IM"
    assert len(header) == zenodo.HEADER
    return header + seal(content)
