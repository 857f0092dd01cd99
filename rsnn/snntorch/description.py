"""Facts missing from a snnTorch state dict: its layers, their classes and their resets."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from base.errors import DataError, FileError, RangeError
from base.extras import extra

NEURONS = ("Leaky", "RLeaky", "Synaptic", "RSynaptic")
OUTPUTS = ("mem", "spk")
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
    """

    linear: str
    name: str | None = None
    neuron: str | None = None
    reset_mechanism: str | None = None
    reset_delay: bool = True

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
    """

    dt: float
    layers: tuple[Layer, ...]
    output: str | None = None

    def __post_init__(self) -> None:
        if not np.isfinite(self.dt) or self.dt <= 0:
            raise RangeError(f"dt is {self.dt}; a step is longer than 0 s")
        if self.output is not None and self.output not in OUTPUTS:
            raise RangeError(f"`output` is {self.output}; known: {', '.join(OUTPUTS)}")
        if not self.layers:
            raise RangeError("there are 0 layers; describe at least one")


def read_description(path: Path) -> Description:
    """Read a description from TOML: `dt`, perhaps `output`, and `[[layers]]` with `Layer`'s fields.

    Raises:
        FileError: no such file, or not TOML.
        DataError: a key is missing or unknown, or of another type.
        RangeError: an unknown value.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: not TOML: {error}; see docs/snntorch.md") from error
    layers = values.pop("layers", [])
    if not isinstance(layers, list) or not all(isinstance(layer, dict) for layer in layers):
        raise DataError(f"{path}: `layers` is no list of tables; write [[layers]] before each")
    _check_keys(path, "the description", values, {"dt": (float, int)}, {"output": str})
    for layer in layers:
        optional = {"name": str, "neuron": str, "reset_mechanism": str, "reset_delay": bool}
        _check_keys(path, "a layer", layer, {"linear": str}, optional)
    try:
        found = tuple(Layer(**layer) for layer in layers)
        return Description(float(values["dt"]), found, values.get("output"))
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


def describe(module: nn.Module, dt: float, output: str | None = None) -> Description:
    """Describe a module whose Linear layers and neurons were made in the order of signals.

    Raises:
        DataError: it has other layers, or neurons with an option that no float model has.
        RangeError: an impossible dt or output.
    """
    snntorch = extra("snntorch", "snntorch", "a snnTorch module")

    layers: list[Layer] = []
    linear: str | None = None
    inside: str | None = None  # the recurrence of the neurons just seen is a module too
    for name, part in module.named_modules():
        if inside is not None and name.startswith(inside):
            continue
        inside = None
        kind = type(part).__name__
        if isinstance(part, nn.Linear):
            if linear is not None:
                layers.append(Layer(linear))
            linear = name
        elif isinstance(part, snntorch.SpikingNeuron):
            _check_options(name, part)
            if linear is None:
                raise DataError(f"`{name}` has no Linear in front; put one there, of the identity")
            layers.append(Layer(linear, name, kind, part.reset_mechanism, part.reset_delay))
            linear, inside = None, f"{name}."
        elif not isinstance(part, nn.Dropout | nn.Identity) and not list(part.children()):
            raise DataError(
                f"`{name}` is a {kind}; only Linear and {', '.join(NEURONS)} can be represented"
            )
    if linear is not None:
        layers.append(Layer(linear))
    return Description(dt, tuple(layers), output)


def _check_options(name: str, neurons: Any) -> None:
    """Refuse neurons that compute anything but the equations above."""
    if type(neurons).__name__ not in NEURONS:
        raise DataError(
            f"`{name}` is a {type(neurons).__name__}; only {', '.join(NEURONS)} can be represented"
        )
    for option in ("inhibition", "state_quant"):
        if getattr(neurons, option):
            raise DataError(f"`{name}` has {option}, which no float model has; turn it off")
