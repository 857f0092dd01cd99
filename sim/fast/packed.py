"""Rasters of one bit per step and input: an eighth of the memory, for long or many streams."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from base.errors import DataError, MismatchError

_WORD = 64


@dataclass(frozen=True)
class PackedRaster:
    """Input spikes, 64 inputs per word, the first one in the lowest bit.

    Attributes:
        words: (n_steps, n_words) uint64, read-only; bits beyond the inputs are 0.
        n_inputs: inputs per step.

    Raises:
        MismatchError: words of another type, or too few or too many for the inputs.
        DataError: a bit beyond the inputs is set.
    """

    words: NDArray[np.uint64]
    n_inputs: int

    def __post_init__(self) -> None:
        n_words = -(-self.n_inputs // _WORD)
        if (
            self.words.dtype != np.uint64
            or self.words.ndim != 2
            or self.words.shape[1] != n_words
            or n_words == 0
        ):
            raise MismatchError(
                f"words are {self.words.dtype} {self.words.shape}; {self.n_inputs} inputs need"
                f" uint64 (n_steps, {n_words}): pack with `pack_raster`"
            )
        used = self.n_inputs - (n_words - 1) * _WORD
        if used < _WORD and (self.words[:, -1] >> np.uint64(used)).any():
            raise DataError(
                f"a bit beyond the {self.n_inputs} inputs is set in the last word of a step; pack"
                " with `pack_raster`"
            )
        words = np.ascontiguousarray(self.words).view()
        words.flags.writeable = False
        object.__setattr__(self, "words", words)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_steps, n_inputs), as the raster that was packed."""
        return len(self.words), self.n_inputs

    def __len__(self) -> int:
        return len(self.words)


def pack_raster(raster: NDArray[np.uint8]) -> PackedRaster:
    """Pack a raster (n_steps, n_inputs); whatever is not 0 is a spike."""
    packed = np.packbits(raster, axis=1, bitorder="little")
    n_words = -(-raster.shape[1] // _WORD)
    padded = np.zeros((len(raster), n_words * 8), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return PackedRaster(padded.view("<u8").astype(np.uint64, copy=False), raster.shape[1])
