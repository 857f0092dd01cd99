"""The description of a snnTorch module in memory, read off its parts."""

from typing import Any

from torch import nn

from base.errors import DataError
from base.extras import extra
from rsnn.snntorch.description import NEURONS, Description, Layer
from rsnn.snntorch.versions import version_of

_PASSING = nn.Dropout | nn.Identity | nn.Flatten  # in evaluation, one is a view


def describe(module: nn.Module, dt: float, output: str | None = None) -> Description:
    """Describe a module whose Linear layers and neurons were made in the order of signals.

    Raises:
        DataError: it has other layers, one instance as two, or neurons with an option that no
            float model has; or snnTorch is too old.
        RangeError: an impossible dt or output.
    """
    snntorch = extra("snntorch", "snntorch", "a snnTorch module")
    version = version_of(snntorch.__version__)

    layers: list[Layer] = []
    linear: str | None = None
    inside: str | None = None  # the recurrence of the neurons just seen is a module too
    names: dict[nn.Module, str] = {}
    for name, part in module.named_modules(remove_duplicate=False):
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
            if part in names:
                raise DataError(
                    f"`{names[part]}` and `{name}` are the same {kind}, so they share their states;"
                    " create one for each layer"
                )
            names[part] = name
            if linear is None:
                raise DataError(f"`{name}` has no Linear in front; put one there, of the identity")
            layers.append(
                Layer(linear, name, kind, part.reset_mechanism, part.reset_delay, part.init_hidden)
            )
            linear, inside = None, f"{name}."
        elif not isinstance(part, _PASSING) and not list(part.children()):
            raise DataError(
                f"`{name}` is a {kind}; only Linear and {', '.join(NEURONS)} can be represented"
            )
    if linear is not None:
        layers.append(Layer(linear))
    return Description(dt, tuple(layers), output, version)


def _check_options(name: str, neurons: Any) -> None:
    """Refuse neurons that compute anything but the equations above."""
    if type(neurons).__name__ not in NEURONS:
        raise DataError(
            f"`{name}` is a {type(neurons).__name__}; only {', '.join(NEURONS)} can be represented"
        )
    for option in ("inhibition", "state_quant"):
        if getattr(neurons, option):
            raise DataError(f"`{name}` has {option}, which no float model has; turn it off")
