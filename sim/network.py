"""The waist: an integer network that holds every integer any backend will use.

It is checked once, where it is made; afterwards it is trusted and cannot be changed.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from base.errors import MismatchError, RangeError
from sim.contract import NumericContract
from sim.layer import Layer


@dataclass(frozen=True)
class IntegerNetwork:
    """Hidden layers and one readout, under one numeric contract.

    Attributes:
        layers: one or more hidden layers, then one readout, of any kinds in `sim/kinds/`.
        contract: how each step is computed.
        dt: seconds per step.
        metadata: where it came from; not part of the digest.

    Raises:
        RangeError: a number does not fit in the contract's widths.
        MismatchError: shapes do not fit together.
    """

    layers: tuple[Layer, ...]
    contract: NumericContract
    dt: float
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not np.isfinite(self.dt) or self.dt <= 0:
            raise RangeError(f"dt is {self.dt} s; a step must be longer than 0 s")
        readouts = [layer.is_readout() for layer in self.layers]
        alone = len(readouts) == 1 and self.layers[0].ALONE
        if not alone and (len(readouts) < 2 or readouts != [False] * (len(readouts) - 1) + [True]):
            raise MismatchError(
                "a network is one or more hidden layers followed by one readout; got "
                + ", ".join(type(layer).__name__ for layer in self.layers)
            )
        for name, layer in self.named_layers():
            weights = layer.connections()[0].weights
            if weights.ndim != 2 or weights.size == 0:
                raise MismatchError(
                    f"{name} has weights of shape {weights.shape}; (post, pre) with at least one"
                    " neuron and one input is needed"
                )
        checked, n_pre, received = [], self.n_inputs, self.input_values
        for name, layer in self.named_layers():
            checked.append(layer.checked(name, n_pre, self.contract, received))
            n_pre, received = layer.n_neurons, checked[-1].sent
        object.__setattr__(self, "layers", tuple(checked))

    @property
    def hidden(self) -> tuple[Any, ...]:
        """The hidden layers, from the input upwards."""
        return self.layers[:-1]

    @property
    def readout(self) -> Any:
        """The last layer, whose words are decoded."""
        return self.layers[-1]

    @property
    def n_inputs(self) -> int:
        return len(self.layers[0].connections()[0].weights.T)

    @property
    def n_outputs(self) -> int:
        return int(self.readout.n_outputs)

    @property
    def input_values(self) -> tuple[int, int]:
        """Smallest and largest value of an input in a step; (0, 1) for spikes."""
        return self.contract.input_values

    @property
    def input_dtype(self) -> np.dtype:
        """Dtype of a raster: int8 where inputs are signed, else uint8."""
        return np.dtype(np.int8 if self.contract.input_signed else np.uint8)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """`hidden0`, `hidden1`, ..., `readout`: the names of layers everywhere."""
        return (*(f"hidden{i}" for i in range(len(self.layers) - 1)), "readout")

    def named_layers(self) -> Iterator[tuple[str, Layer]]:
        """Yield every layer with its name, in the order in which signals pass them."""
        return zip(self.layer_names, self.layers, strict=True)

    def arrays(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield every array with its name, `hidden0.w_in` and so on, in a fixed order."""
        for name, layer in self.named_layers():
            for key, array in layer.arrays():
                yield f"{name}.{key}", array

    def connections(self) -> dict[str, NDArray[np.integer]]:
        """Every weight matrix (post, pre) by name, in the order in which signals pass them."""
        return {
            f"{name}.{connection.name}": connection.weights
            for name, layer in self.named_layers()
            for connection in layer.connections()
        }

    def kinds(self) -> dict[str, str]:
        """Kind by layer name, without kinds that files leave unnamed."""
        return {name: layer.kind() for name, layer in self.named_layers() if not layer.UNNAMED}

    def is_tuned(self, writer: str) -> bool:
        """Whether hand-written code of that name computes every layer under this contract."""
        return all(layer.is_tuned(writer, self.contract) for layer in self.layers)

    def digest(self) -> str:
        """SHA-256 over layers, contract and dt, in hexadecimal, without metadata."""
        description: dict[str, Any] = {
            "contract": self.contract.identity(),
            "dt": float(self.dt).hex(),
            "n_heads": self.readout.n_heads,
        }
        if kinds := self.kinds():
            description["kinds"] = kinds
        digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
        for name, array in self.arrays():
            little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
            digest.update(f"{name} {little.dtype.str} {little.shape}\n".encode())
            digest.update(little.tobytes())
        return digest.hexdigest()
