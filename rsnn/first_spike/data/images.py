"""Images as samples: latency coding, and files as those of MNIST."""

import gzip
import itertools
import math
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from base.errors import DataError, FileError
from base.files import read_bytes, reason
from rsnn.first_spike.data.samples import Samples, from_ticks

PIXELS = 255
"""The brightest pixel of 8 bits."""
_MAX_BYTES = 1 << 30
_IMAGES, _LABELS = 0x00000803, 0x00000801  # uint8 in three axes, and in one


def latency_coded(images: ArrayLike, labels: ArrayLike, brightest: int = PIXELS) -> Samples:
    """Samples in which a pixel p fires at tick `brightest` - p, and never if it is 0.

    Args:
        images: whole numbers in 0..brightest, (n_samples, ...).
        labels: as in `rsnn.first_spike.data.samples.from_ticks`.
        brightest: the largest pixel, and the ticks of a sample.

    Raises:
        DataError: other pixels, or arrays that do not fit together.
    """
    pixels = np.asarray(images)
    if pixels.dtype.kind not in "iu":
        raise DataError(f"images are {pixels.dtype}; whole numbers in 0..{brightest} are needed")
    if pixels.size and not 0 <= pixels.min() <= pixels.max() <= brightest:
        wrong = pixels.min() if pixels.min() < 0 else pixels.max()
        raise DataError(f"images hold {wrong}; 0 to {brightest} is possible")
    return from_ticks(brightest - pixels.astype(np.int32), labels, brightest)


def read_idx(pairs: Sequence[tuple[Path, Path]]) -> list[Samples]:
    """Latency-coded images of the format of MNIST, of files that may end in .gz, part by part.

    Args:
        pairs: the images and the labels of each part; classes are those of all parts together.

    Raises:
        FileError: one is missing, damaged, or of another format.
        DataError: there are not as many labels as images, or images of parts differ in size.
    """
    pixels = [_read(images, _IMAGES, 3, "images") for images, _ in pairs]
    labels = [_read(path, _LABELS, 1, "labels") for _, path in pairs]
    for (path, _), each, named in zip(pairs, pixels, labels, strict=True):
        if len(each) != len(named) or each.shape[1:] != pixels[0].shape[1:]:
            raise DataError(
                f"{path}: holds images of shape {each.shape}, for {len(named)} labels; as many of"
                f" each, and images of {pixels[0].shape[1:]}, are needed"
            )
    samples = latency_coded(np.concatenate(pixels), np.concatenate(labels))
    ends = np.cumsum([0, *map(len, labels)])
    return [samples.take(np.arange(*part)) for part in itertools.pairwise(ends)]


def _read(path: Path, magic: int, n_axes: int, what: str) -> NDArray[np.uint8]:
    content = _unzipped(path) if path.suffix == ".gz" else read_bytes(path, _MAX_BYTES)
    if len(content) < 4 + 4 * n_axes or int.from_bytes(content[:4], "big") != magic:
        raise FileError(f"{path}: holds no {what} of 8 bits in the format of MNIST (idx)")
    shape = tuple(int(n) for n in np.frombuffer(content[4 : 4 + 4 * n_axes], ">u4"))
    pixels = np.frombuffer(content[4 + 4 * n_axes :], np.uint8)
    if len(pixels) != math.prod(shape):
        raise FileError(
            f"{path}: has {len(pixels)} bytes of {what}, its header says {shape}; fetch it again"
        )
    return pixels.reshape(shape)


def _unzipped(path: Path) -> bytes:
    read_bytes(path, _MAX_BYTES)  # a regular file
    try:
        with gzip.open(path) as stream:
            content = stream.read(_MAX_BYTES + 1)
    except (EOFError, zlib.error) as error:
        raise FileError(f"{path}: is no whole gzip file; fetch it again") from error
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {reason(error)}") from error
    if len(content) > _MAX_BYTES:
        raise FileError(f"{path}: unpacks to more than {_MAX_BYTES} bytes, the most read here")
    return content
