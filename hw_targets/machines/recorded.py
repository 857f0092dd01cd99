"""Archives of arrays for chips: their parameters, and golden runs that `verify --trace` reads."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.files import write_bytes
from sim import reference
from sim.network import IntegerNetwork


def save_parameters(path: Path, network: IntegerNetwork, arrays: Mapping[str, Any]) -> None:
    """Write arrays, and the digest of the network that they are of.

    Raises:
        FileError: the file cannot be written.
    """
    content = io.BytesIO()  # numpy does not notice a last write that fails
    np.savez_compressed(content, **arrays, digest=np.array(network.digest()))
    write_bytes(path, content.getvalue())


def save_golden(path: Path, network: IntegerNetwork, golden: NDArray[np.uint8]) -> None:
    """Write every state word of a run over a raster (n_steps, n_inputs), and the raster.

    Raises:
        FileError: the file cannot be written.
    """
    words = reference.run(network, golden).variables
    save_parameters(path, network, {**words, "raster": golden, "dt": np.array(network.dt)})
