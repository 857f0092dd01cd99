"""Facts missing from a snnTorch state dict: its layers, their classes and their resets."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from base.errors import DataError, FileError, RangeError
from base.toml import read_toml

NEURONS = ("Leaky", "RLeaky", "Synaptic", "RSynaptic")
OUTPUTS = ("mem", "spk")
VERSIONS = ("0.6", "0.7", "0.8", "0.9", "0.9.4", "1.0")  # ascending; 0.9 stops before 0.9.4
MECHANISMS = ("subtract", "zero", "none")  # in the order of snnTorch's `reset_mechanism_val`


@dataclass(frozen=True)
class Layer:
    """Neurons and the weights in front of them, by their names in a state dict.

    Attributes:
        linear: prefix of the `nn.Linear` in front, as `fc1` of `fc1.weight`.
        name: prefix of the neurons, as `lif1` of `lif1.beta`; None for a Linear with none behind.
        neuron: class of the neurons.
        reset_mechanism: None for the one in the state dict.
        reset_delay: as passed to the class; snnTorch's default is True.
        init_hidden: as passed to the class; None where it makes no difference.
    """

    linear: str
    name: str | None = None
    neuron: str | None = None
    reset_mechanism: str | None = None
    reset_delay: bool = True
    init_hidden: bool | None = None

    def __post_init__(self) -> None:
        if (self.name is None) != (self.neuron is None):
            raise RangeError(
                f"layer `{self.linear}`: `name` and `neuron` come together, for the neurons behind"
                " it; give both or neither"
            )
        for key, value, known in (
            ("neuron", self.neuron, NEURONS),
            ("reset_mechanism", self.reset_mechanism, MECHANISMS),
        ):
            if value is not None and value not in known:
                raise RangeError(
                    f"layer `{self.linear}`: `{key}` is {value}; known: {', '.join(known)}"
                )


@dataclass(frozen=True)
class Description:
    """Facts missing from a state dict.

    Attributes:
        dt: seconds per step.
        layers: from the input to the output.
        output: `mem` or `spk` of the last neurons; None: `mem` where they never reset.
        snntorch: the version that computes the layers, one of `VERSIONS`; None for the last.
    """

    dt: float
    layers: tuple[Layer, ...]
    output: str | None = None
    snntorch: str | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.dt) or self.dt <= 0:
            raise RangeError(f"dt is {self.dt}; a step is longer than 0 s")
        if self.output is not None and self.output not in OUTPUTS:
            raise RangeError(f"`output` is {self.output}; known: {', '.join(OUTPUTS)}")
        if self.snntorch is not None and self.snntorch not in VERSIONS:
            raise RangeError(f"`snntorch` is {self.snntorch}; known: {', '.join(VERSIONS)}")
        if not self.layers:
            raise RangeError("there are 0 layers; describe at least one")


def read_description(path: Path) -> Description:
    """Read a description from TOML: fields of `Description`, with `[[layers]]` of `Layer`'s fields.

    Raises:
        FileError: no such file, or not TOML.
        DataError: a key is missing or unknown, or of another type.
        RangeError: an unknown value.
    """
    try:
        values = read_toml(path)
    except DataError as error:
        raise FileError(f"{error}; see docs/snntorch.md") from error
    layers = values.pop("layers", [])
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise DataError(f"{path}: `layers` is no list of tables; write [[layers]] before each")
    texts = {"output": str, "snntorch": str}
    _check_keys(path, "the description", values, {"dt": (float, int)}, texts)
    for layer in layers:
        texts = dict.fromkeys(("name", "neuron", "reset_mechanism"), str)
        optional = {**texts, "reset_delay": bool, "init_hidden": bool}
        _check_keys(path, "a layer", layer, {"linear": str}, optional)
    try:
        found = tuple(Layer(**layer) for layer in layers)
        return Description(**(values | {"dt": float(values["dt"]), "layers": found}))
    except OverflowError as error:
        raise RangeError(f"{path}: `dt` is a number of too many digits") from error
    except RangeError as error:
        raise RangeError(f"{path}: {error}") from error


def _check_keys(
    path: Path,
    what: str,
    values: Mapping[str, Any],
    needed: Mapping[str, Any],
    optional: Mapping[str, Any],
) -> None:
    known = {**needed, **optional}
    for key, value in values.items():
        if key not in known:
            raise DataError(f"{path}: {what} has no `{key}`; known: {', '.join(known)}")
        if not isinstance(value, known[key]) or (known[key] is not bool and value is True):
            raise DataError(f"{path}: `{key}` of {what} is {value!r}; see docs/snntorch.md")
    for key in needed:
        if key not in values:
            raise DataError(f"{path}: {what} lacks `{key}`; see docs/snntorch.md")
