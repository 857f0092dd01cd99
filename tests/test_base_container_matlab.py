"""MATLAB files of old versions are named as such, with the way out."""

import struct

import numpy as np
import pytest
from scipy.io import savemat

from base.errors import FileError
from base.hdf5.read import open_hdf5
from rsnn.data.session import load_session


def message(path, read=load_session):
    with pytest.raises(FileError) as caught:
        read(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("options", "version"),
    [
        ({"format": "4"}, "4 (-v4)"),
        ({"format": "5"}, "6 (-v6)"),
        ({"format": "5", "do_compression": True}, "7 (-v7)"),
    ],
)
def test_the_version_of_a_matlab_file_is_named(options, version, tmp_path):
    path = tmp_path / "old.mat"
    savemat(path, {"t": np.arange(5.0), "cursor_pos": np.ones((2, 5))}, **options)
    assert message(path) == (
        f"{path}: a MATLAB file of version {version}, which is not HDF5; save it in MATLAB with"
        " the option -v7.3"
    )


def version_4(order, kind, rows=3, columns=2, is_complex=0, name=b"t\0"):
    return struct.pack(f"{order}5i", kind, rows, columns, is_complex, len(name)) + name + bytes(60)


def test_files_of_big_endian_machines_are_recognized(tmp_path):
    path = tmp_path / "old.mat"
    path.write_bytes(version_4(">", 1000))
    assert "a MATLAB file of version 4 (-v4)" in message(path)
    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\1\0MI"
    path.write_bytes(header + struct.pack(">2i", 15, 8))
    assert "a MATLAB file of version 7 (-v7)" in message(path)
    path.write_bytes(header + struct.pack(">2i", 14, 8))
    assert "a MATLAB file of version 6 (-v6)" in message(path)


@pytest.mark.parametrize(
    "content",
    [
        bytes(600),
        b"t\0",
        b"0.1 0.2 0.3\n" * 20,
        version_4("<", 0, rows=-1),
        version_4("<", 0, is_complex=2),
        version_4("<", 0, name=b""),
        version_4("<", 0, name=b"t"),
        version_4("<", 0, name=b"t" * 64 + b"\0"),
        version_4("<", 0, columns=-1),
        version_4("<", 1000),
        version_4(">", 0),
        version_4("<", 100),
        version_4("<", 60),
        version_4("<", 3),
        version_4("<", -8),
    ],
)
def test_other_files_are_no_matlab_files(content, tmp_path):
    path = tmp_path / "other.mat"
    path.write_bytes(content)
    assert message(path) == f"{path}: not an HDF5 file"


def test_the_last_letter_that_fits_a_name_of_version_4(tmp_path):
    path = tmp_path / "old.mat"
    path.write_bytes(version_4("<", 52, name=b"t" * 63 + b"\0"))

    def read(path):
        with open_hdf5(path):
            pass

    assert "a MATLAB file of version 4 (-v4)" in message(path, read)
