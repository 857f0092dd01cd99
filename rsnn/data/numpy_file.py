"""Arrays in files of NumPy, .npy and .npz, of any origin: no pickles, no bombs."""

import math
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from base.errors import FileError, RsnnError
from base.files import check_regular
from base.hdf5.read import MAX_RATIO, SMALL

_MAX_TEXT = 200  # characters of an error of NumPy


def load_numpy(path: Path) -> NDArray | dict[str, NDArray]:
    """The array of a .npy file, mapped, or the arrays of an archive by name.

    Raises:
        FileError: no regular file, no whole file of numbers, or an array of an archive that is far
            larger than what is stored of it.
    """
    check_regular(path)
    try:
        if zipfile.is_zipfile(path):
            _check_sizes(path)
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except RsnnError:
        raise
    except Exception as error:  # damaged headers raise nearly anything
        text = (str(error).splitlines() or [""])[0][:_MAX_TEXT]
        text = text if text.isprintable() else repr(text)
        raise FileError(f"{path}: not a complete NumPy file of numbers: {text}") from error


def _check_sizes(path: Path) -> None:
    """Refuse arrays of an archive that are far larger than what is stored of them."""
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            with archive.open(info) as member:
                is_first = np.lib.format.read_magic(member) == (1, 0)
                read = "read_array_header_1_0" if is_first else "read_array_header_2_0"
                shape, _, dtype = getattr(np.lib.format, read)(member)
            needed = math.prod(shape) * dtype.itemsize
            if needed > info.file_size or needed > max(SMALL, MAX_RATIO * info.compress_size):
                raise FileError(
                    f"{path}: `{info.filename}` of shape {shape} needs {needed} bytes, of which"
                    f" {info.compress_size} are stored; make the file again"
                )
